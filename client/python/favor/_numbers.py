"""Numbers and truth values of the caller, on the wire."""

from __future__ import annotations

from typing import Any

import numpy as np
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

_KINDS = {
    FieldDescriptor.TYPE_INT64: "whole numbers of 64 bits",
    FieldDescriptor.TYPE_UINT64: "whole numbers of 64 bits, from 0",
    FieldDescriptor.TYPE_UINT32: "whole numbers of 32 bits, from 0",
    FieldDescriptor.TYPE_DOUBLE: "numbers",
}


def put(message: Message, **numbers: Any) -> None:
    """Sets the fields of these names, except to None; TypeError or ValueError naming what its field cannot hold."""
    for name, value in numbers.items():
        if value is None:
            continue
        is_list = not isinstance(getattr(message, name), (int, float))
        try:
            if isinstance(value, (int, float)) and not is_list:
                setattr(message, name, value)
            else:
                message.MergeFrom(type(message)(**{name: value}))
        except (TypeError, ValueError) as failure:
            kind = _KINDS[message.DESCRIPTOR.fields_by_name[name].type]
            raise type(failure)(
                f"{name} is {value!r}, where there may be {'a list of ' if is_list else ''}{kind}"
            ) from None


def flag(argument: str, value: Any) -> bool:
    """A truth value, None being False; TypeError naming the argument."""
    if value is not None and not isinstance(value, (int, np.bool_)):
        raise TypeError(f"{argument} is {value!r}, where there may be True or False")
    return bool(value)

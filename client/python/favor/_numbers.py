"""Numbers of the caller, on the wire."""

from __future__ import annotations

from typing import Any

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
        try:
            if isinstance(value, (int, float)):
                setattr(message, name, value)
            else:
                message.MergeFrom(type(message)(**{name: value}))
        except (TypeError, ValueError) as failure:
            kind = _KINDS[message.DESCRIPTOR.fields_by_name[name].type]
            raise type(failure)(f"{name} is {value!r}, where there may be {kind}") from None

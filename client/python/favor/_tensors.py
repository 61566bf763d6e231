"""Arrays on the wire."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from favor._proto import tensor_pb2

Array = NDArray[Any]
DTypeName = Literal["float32", "float16", "bfloat16"]

_TYPES: dict[str, tensor_pb2.DataType] = {
    "float32": tensor_pb2.DATA_TYPE_F32,
    "float16": tensor_pb2.DATA_TYPE_F16,
    "bfloat16": tensor_pb2.DATA_TYPE_BF16,
}
_NAMES = {number: name for name, number in _TYPES.items()}


def numpy_dtype(name: str) -> np.dtype[Any]:
    """The little-endian dtype of a name; bfloat16 is ml_dtypes'."""
    if name != "bfloat16":
        return np.dtype(name).newbyteorder("<")
    try:
        import ml_dtypes
    except ImportError:
        raise ImportError("bfloat16 arrays need the package ml_dtypes: pip install favor[bfloat16]") from None
    dtype: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
    return dtype


def dtype_name(argument: str, dtype: Any, allowed: tuple[str, ...]) -> str:
    """The name of a dtype given in any of numpy's ways."""
    name = dtype if isinstance(dtype, str) and dtype in allowed else np.dtype(dtype).name
    if name not in allowed:
        raise TypeError(f"{argument} is {name}, and must be one of {', '.join(allowed)}")
    if name == "bfloat16":
        numpy_dtype(name)  # the answer could not be read without ml_dtypes
    return name


def data_type(argument: str, dtype: Any) -> tensor_pb2.DataType:
    """The wire's name of a dtype."""
    return _TYPES[dtype_name(argument, dtype, tuple(_TYPES))]


def _little_endian(argument: str, values: ArrayLike) -> tuple[tensor_pb2.DataType, Array]:
    array = np.asarray(values)
    kind = data_type(argument, array.dtype)
    return kind, np.ascontiguousarray(array, numpy_dtype(array.dtype.name))


def to_wire(argument: str, values: ArrayLike) -> tensor_pb2.Tensor:
    """Copies an array; TypeError for an element type that the wire does not have."""
    kind, array = _little_endian(argument, values)
    return tensor_pb2.Tensor(data_type=kind, shape=array.shape, data=array.tobytes())


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


Pieces = list[bytes | memoryview]
"""Of an encoded message, to be joined."""


def encode_bytes(number: int, pieces: Pieces) -> Pieces:
    """A field that holds what the pieces make: bytes, or a message."""
    length_delimited = 2
    return [_varint(number << 3 | length_delimited) + _varint(sum(len(piece) for piece in pieces)), *pieces]


def encode_field(number: int, argument: str, values: ArrayLike) -> Pieces:
    """A field that holds an array as a Tensor, without a copy of its elements. protobuf itself copies large bytes
    several times: 280 ms for 25 MB where joining the pieces takes 10."""
    kind, array = _little_endian(argument, values)
    head = tensor_pb2.Tensor(data_type=kind, shape=array.shape).SerializeToString()
    data = array.reshape(-1).view(np.uint8).data
    return encode_bytes(number, [head, *encode_bytes(tensor_pb2.Tensor.DATA_FIELD_NUMBER, [data])])


def from_bytes(data: bytes, name: str, shape: tuple[int, ...]) -> Array:
    """A writable array of a copy of `data`."""
    return np.frombuffer(data, numpy_dtype(name)).reshape(shape).copy()


def from_wire(tensor: tensor_pb2.Tensor) -> Array:
    """The array of a tensor."""
    return from_bytes(tensor.data, _NAMES[tensor.data_type], tuple(tensor.shape))

"""States of linear attention: what it remembers of keys and values, of constant size. The fields' reference is
proto/favor/v1/attention.proto."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from google.protobuf.message import DecodeError
from numpy.typing import ArrayLike, DTypeLike

from favor import _enums, _numbers, _tensors
from favor._proto import attention_pb2
from favor.attention import as_dict, attention_spec

StateEncoding = Literal["f32_compensated", "f32", "bf16"]
"""How the sums of a state are stored. The first is the default, and the only one that brings back the same bits."""

_ENCODING = attention_pb2.AttentionState.Encoding


@dataclass(frozen=True)
class AttentionState:
    """Keys and values, folded: what `fold`, `merge` and a stream's GET_STATE give, and what any server goes on from.

    `bytes(state)` is it, to be kept; `AttentionState(data)` is it again, and `save` and `load` do so with files. The
    client carries it and reads what it says of itself; whether it is whole only a server tells, by its checksum.
    ValueError for bytes that are no such message.
    """

    data: bytes = field(repr=False)
    """A serialised favor.v1.AttentionState; docs/attention_state.md has every byte."""

    def __post_init__(self) -> None:
        try:
            wire = attention_pb2.AttentionState.FromString(self.data)
        except DecodeError:
            raise ValueError("this is no serialised favor.v1.AttentionState") from None
        if not (wire.payload and wire.encoding and wire.num_features and wire.head_dim and wire.value_dim):
            raise ValueError("this is no serialised favor.v1.AttentionState: it has no sizes, encoding or payload")

    @classmethod
    def load(cls, path: str | Path) -> AttentionState:
        """The state in a file that `save`, or `favor stream --state-out`, has written. ValueError naming the file."""
        try:
            return cls(Path(path).read_bytes())
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None

    def save(self, path: str | Path) -> None:
        """Writes a file. It appears, or replaces another, all at once: who reads meanwhile finds the old one or the new
        one, also when the program is killed."""
        path = Path(path)
        temporary = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
        try:
            with temporary.open("wb") as file:
                file.write(self.data)
                file.flush()
                os.fsync(file.fileno())  # or the name might come to the disk before the contents
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def __bytes__(self) -> bytes:
        return self.data

    def __repr__(self) -> str:
        return (
            f"AttentionState(num_keys={self.num_keys}, num_heads={self.num_heads}, head_dim={self.head_dim}, "
            f"value_dim={self.value_dim}, num_features={self.num_features}, encoding={self.encoding!r})"
        )

    @cached_property
    def _head(self) -> attention_pb2.AttentionState:
        head = attention_pb2.AttentionState.FromString(self.data)
        head.ClearField("payload")
        return head

    @property
    def spec(self) -> dict[str, Any]:
        """What it belongs to, as in AttendReport.spec."""
        spec = attention_pb2.AttentionSpec.FromString(self._head.spec.SerializeToString())
        if spec.features.projection.HasField("matrix"):
            spec.features.projection.ClearField("matrix")
        return as_dict(spec)

    @property
    def projection_id(self) -> str:
        """Same id, same features on every machine."""
        return self._head.projection_id

    @property
    def version(self) -> int:
        """Of the payload's layout."""
        return self._head.version

    @property
    def batch_size(self) -> int:
        return self._head.batch_size

    @property
    def num_heads(self) -> int:
        """Key heads."""
        return self._head.num_heads

    @property
    def head_dim(self) -> int:
        return self._head.head_dim

    @property
    def value_dim(self) -> int:
        return self._head.value_dim

    @property
    def num_features(self) -> int:
        """Of each head."""
        return self._head.num_features

    @property
    def num_keys(self) -> tuple[int, ...]:
        """[batch]: folded so far."""
        return tuple(self._head.num_keys)

    @property
    def encoding(self) -> StateEncoding | str:
        """How the sums are stored."""
        return _enums.short_name(_ENCODING, "ENCODING_", self._head.encoding)


def state_bytes(argument: str, state: object) -> bytes:
    """What a state that the caller gave has to say; TypeError naming the argument."""
    if not isinstance(state, AttentionState):
        raise TypeError(f"{argument} is a {type(state).__name__}, and must be a favor.AttentionState")
    return state.data


def encoding_number(encoding: StateEncoding | None) -> int:
    """An encoding on the wire."""
    return _enums.value("encoding", _ENCODING, "ENCODING_", encoding)


def state_from_wire(wire: attention_pb2.AttentionState) -> AttentionState:
    """A state of an answer."""
    return AttentionState(wire.SerializeToString())


def fold_request(
    keys: ArrayLike,
    values: ArrayLike,
    *,
    state: AttentionState | None = None,
    key_lengths: Sequence[int] | None = None,
    encoding: StateEncoding | None = None,
    **spec: Any,
) -> bytes:
    """The encoded request of `fold`."""
    numbers = attention_pb2.FoldRequest
    serialised = None if state is None else state_bytes("state", state)
    request = attention_pb2.FoldRequest(
        spec=attention_spec("fold", **spec) if spec or state is None else state._head.spec,
        encoding=encoding_number(encoding),  # type: ignore[arg-type]
    )
    _numbers.put(request, key_lengths=key_lengths)
    pieces: _tensors.Pieces = [request.SerializeToString()]
    pieces += _tensors.encode_field(numbers.KEYS_FIELD_NUMBER, "keys", keys)
    pieces += _tensors.encode_field(numbers.VALUES_FIELD_NUMBER, "values", values)
    if serialised is not None:
        pieces += _tensors.encode_bytes(numbers.STATE_FIELD_NUMBER, [serialised])
    return b"".join(pieces)


def merge_request(states: Iterable[AttentionState], encoding: StateEncoding | None) -> bytes:
    """The encoded request of `merge`."""
    number = attention_pb2.MergeRequest.STATES_FIELD_NUMBER
    request = attention_pb2.MergeRequest(encoding=encoding_number(encoding))  # type: ignore[arg-type]
    pieces: _tensors.Pieces = [request.SerializeToString()]
    for index, state in enumerate(states):
        pieces += _tensors.encode_bytes(number, [state_bytes(f"states[{index}]", state)])
    return b"".join(pieces)


def read_request(queries: ArrayLike, state: AttentionState, output_dtype: DTypeLike | None) -> bytes:
    """The encoded request of `read`."""
    numbers = attention_pb2.ReadRequest
    request = attention_pb2.ReadRequest()
    if output_dtype is not None:
        request.output_type = _tensors.data_type("output_dtype", output_dtype)
    return b"".join(
        [
            request.SerializeToString(),
            *_tensors.encode_field(numbers.QUERIES_FIELD_NUMBER, "queries", queries),
            *_tensors.encode_bytes(numbers.STATE_FIELD_NUMBER, [state_bytes("state", state)]),
        ]
    )

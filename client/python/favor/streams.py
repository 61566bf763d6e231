"""Attention of a sequence of any length, chunk by chunk. The fields' reference is proto/favor/v1/attention.proto."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

from numpy.typing import ArrayLike, DTypeLike

from favor import _methods, _numbers, _tensors
from favor._answers import AnswerIterator, AsyncAnswerIterator, open_async_stream, open_stream
from favor._asyncio import AsyncTransport
from favor._blocking import BlockingTransport
from favor._proto import attention_pb2
from favor._tensors import Array
from favor.attention import AttendReport, SpecOptions, attend_report, attention_spec
from favor.sequence import GET_STATE, _GetState
from favor.states import AttentionState, StateEncoding, encoding_number, state_bytes, state_from_wire


class _EndOfKeys(Enum):
    END_OF_KEYS = "END_OF_KEYS"

    def __repr__(self) -> str:
        return "favor.END_OF_KEYS"


END_OF_KEYS = _EndOfKeys.END_OF_KEYS
"""Among the chunks of a bidirectional stream: no more keys follow; queries may."""

AttentionChunk = (
    tuple[ArrayLike, ArrayLike, ArrayLike]
    | tuple[ArrayLike, ArrayLike]
    | ArrayLike
    | Literal[_EndOfKeys.END_OF_KEYS]
    | Literal[_GetState.GET_STATE]
)
"""A piece of the sequence, [batch, heads, any length, dim]. Causal: (queries, keys, values). Bidirectional: (keys,
values), then END_OF_KEYS, then queries by themselves. In between, GET_STATE: the state after all before."""

AttentionChunks = Iterable[AttentionChunk]
AsyncAttentionChunks = Iterable[AttentionChunk] | AsyncIterable[AttentionChunk]


class StreamOptions(SpecOptions, total=False):
    """What a stream can be told beyond its chunks."""

    state: AttentionState | None
    """To go on from; with one, and no other of SpecOptions, what is computed is what the state is for."""
    encoding: StateEncoding | None
    """Of the states that are asked for."""
    output_dtype: DTypeLike
    """Left out: the queries'."""


@dataclass(frozen=True, kw_only=True, eq=False)
class StreamAnswer:
    """What comes of a chunk: an output where it has queries, a state for GET_STATE, a report where reports were asked
    for. A chunk of keys is answered where its report was asked for."""

    output: Array | None = None
    """[batch, heads, length, value_dim], axes in the order of the chunks'."""
    state: AttentionState | None = None
    report: AttendReport | None = None


class Kind(Enum):
    """What a message of the client is."""

    CAUSAL = 3  # tensors of the chunk
    KEYS = 2
    QUERIES = 1
    END_OF_KEYS = -1
    GET_STATE = 0


_PARTS = {
    Kind.CAUSAL: ("QUERIES", "KEYS", "VALUES"),
    Kind.KEYS: ("KEYS", "VALUES"),
    Kind.QUERIES: ("QUERIES",),
}


def _kind_of(index: int, chunk: AttentionChunk) -> Kind:
    if chunk is GET_STATE:
        return Kind.GET_STATE
    if chunk is END_OF_KEYS:
        return Kind.END_OF_KEYS
    if not isinstance(chunk, tuple):
        return Kind.QUERIES
    if len(chunk) in (2, 3):
        return Kind(len(chunk))
    raise TypeError(
        f"chunks[{index}] is a tuple of {len(chunk)}, and must be (queries, keys, values), (keys, values), queries, "
        "favor.END_OF_KEYS or favor.GET_STATE"
    )


def get_state_message(encoding: StateEncoding | None) -> bytes:
    """The encoded message that asks for the state."""
    return attention_pb2.AttendStreamRequest(
        get_state=encoding_number(encoding)  # type: ignore[arg-type]
    ).SerializeToString()


def chunk_message(index: int, chunk: AttentionChunk, encoding: StateEncoding | None) -> tuple[Kind, bytes]:
    """What a chunk is, and its encoded message; TypeError naming it."""
    kind = _kind_of(index, chunk)
    if kind is Kind.GET_STATE:
        return kind, get_state_message(encoding)
    if kind is Kind.END_OF_KEYS:
        return kind, attention_pb2.AttendStreamRequest(end_of_keys=True).SerializeToString()
    pieces: _tensors.Pieces = []
    for part, values in zip(_PARTS[kind], chunk if isinstance(chunk, tuple) else (chunk,), strict=True):
        number = getattr(attention_pb2.AttendStreamRequest.Chunk, f"{part}_FIELD_NUMBER")
        pieces += _tensors.encode_field(number, f"chunks[{index}].{part.lower()}", values)
    return kind, b"".join(_tensors.encode_bytes(attention_pb2.AttendStreamRequest.CHUNK_FIELD_NUMBER, pieces))


@dataclass(frozen=True, kw_only=True)
class Opening:
    """How a stream begins, checked."""

    spec: attention_pb2.AttentionSpec | None
    state: AttentionState | None
    output_type: int
    encoding: StateEncoding | None
    report_every_chunk: bool

    def message(self, state: AttentionState | None = None) -> bytes:
        """The encoded first message; with a state of this very stream, of one that goes on from it."""
        spec = self.spec if state is None else None  # which the state says itself
        state = state or self.state
        numbers = attention_pb2.AttendStreamRequest
        start = attention_pb2.AttendStreamRequest.Start(
            spec=spec,
            output_type=self.output_type,  # type: ignore[arg-type]
            report_every_chunk=self.report_every_chunk,
        )
        pieces: _tensors.Pieces = [start.SerializeToString()]
        if state is not None:
            pieces += _tensors.encode_bytes(numbers.Start.STATE_FIELD_NUMBER, [state.data])
        return b"".join(_tensors.encode_bytes(numbers.START_FIELD_NUMBER, pieces))


def opening(
    caller: str,
    /,
    *,
    state: AttentionState | None = None,
    encoding: StateEncoding | None = None,
    output_dtype: DTypeLike | None = None,
    report_every_chunk: bool = False,
    **spec: Any,
) -> Opening:
    """StreamOptions, checked; ValueError or TypeError naming the argument, and the caller's where it has none such."""
    encoding_number(encoding)
    if state is not None:
        state_bytes("state", state)
    return Opening(
        spec=attention_spec(caller, **spec) if spec or state is None else None,
        state=state,
        output_type=0 if output_dtype is None else _tensors.data_type("output_dtype", output_dtype),
        encoding=encoding,
        report_every_chunk=_numbers.flag("report_every_chunk", report_every_chunk),
    )


async def as_async(chunks: AsyncAttentionChunks) -> AsyncIterator[AttentionChunk]:
    """The chunks, awaited where they have to be."""
    if isinstance(chunks, AsyncIterable):
        async for chunk in chunks:
            yield chunk
    else:
        for chunk in chunks:
            yield chunk


def stream_answer(answer: attention_pb2.AttendStreamResponse) -> StreamAnswer:
    """A message of the server."""
    return StreamAnswer(
        output=_tensors.from_wire(answer.output) if answer.HasField("output") else None,
        state=state_from_wire(answer.state) if answer.HasField("state") else None,
        report=attend_report(answer.report) if answer.HasField("report") else None,
    )


class Ledger:
    """How many answers are due. One thread sends, another one reads."""

    def __init__(self, opening: Opening) -> None:
        self.report: AttendReport | None = None
        """What came when nothing was due: the report of the whole."""
        self._opening = opening
        self._num_due = 0  # of the thread that sends
        self._num_taken = 0  # of the one that reads

    def message(self, index: int, chunk: AttentionChunk) -> bytes:
        """The encoded message of a chunk, about to be sent."""
        kind, message = chunk_message(index, chunk, self._opening.encoding)
        if kind is not Kind.END_OF_KEYS and (kind is not Kind.KEYS or self._opening.report_every_chunk):
            self._num_due += 1
        return message

    def take(self, wire: attention_pb2.AttendStreamResponse) -> StreamAnswer | None:
        """An answer to a message; None: it was the report."""
        answer = stream_answer(wire)
        if self._num_taken == self._num_due:
            self.report = answer.report
            return None
        self._num_taken += 1
        return answer


# What works for a stream knows nothing of the object that the caller holds: once that is dropped, the call ends.
def _requests(opening: Opening, ledger: Ledger, chunks: AttentionChunks) -> Iterator[bytes]:
    yield opening.message()
    for index, chunk in enumerate(chunks):
        yield ledger.message(index, chunk)


async def _async_requests(opening: Opening, ledger: Ledger, chunks: AsyncAttentionChunks) -> AsyncIterator[bytes]:
    yield opening.message()
    index = 0
    async for chunk in as_async(chunks):
        yield ledger.message(index, chunk)
        index += 1


class AttendStream(AnswerIterator[StreamAnswer]):
    """What `Client.attend_stream` returns."""

    def __init__(
        self, transport: BlockingTransport, chunks: AttentionChunks, deadline: float | None, opening: Opening
    ) -> None:
        self._ledger = Ledger(opening)
        requests = _requests(opening, self._ledger, chunks)
        super().__init__(open_stream(transport, _methods.ATTEND_STREAM, requests, deadline, self._ledger.take))

    @property
    def report(self) -> AttendReport | None:
        """What ran, of the whole; None before the end."""
        return self._ledger.report


class AsyncAttendStream(AsyncAnswerIterator[StreamAnswer]):
    """What `AsyncClient.attend_stream` returns."""

    def __init__(
        self, transport: AsyncTransport, chunks: AsyncAttentionChunks, deadline: float | None, opening: Opening
    ) -> None:
        self._ledger = Ledger(opening)
        requests = _async_requests(opening, self._ledger, chunks)
        super().__init__(open_async_stream(transport, _methods.ATTEND_STREAM, requests, deadline, self._ledger.take))

    @property
    def report(self) -> AttendReport | None:
        """What ran, of the whole; None before the end."""
        return self._ledger.report

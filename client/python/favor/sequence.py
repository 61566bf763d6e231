"""One sequence through a causal Performer, its tokens as they come. The fields' reference is
proto/favor/v1/embedding.proto."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import DTypeLike, NDArray

from favor._proto import embedding_pb2
from favor.embedding import EmbedResult, embed_request, embed_result, token_ids


class _GetState(Enum):
    GET_STATE = "GET_STATE"

    def __repr__(self) -> str:
        return "favor.GET_STATE"


GET_STATE = _GetState.GET_STATE
"""In the place of tokens: asks for the state after all before."""

Chunk = Sequence[int] | NDArray[np.integer[Any]] | Literal[_GetState.GET_STATE]
"""The sequence's next token ids, or GET_STATE."""

Chunks = Iterable[Chunk]
AsyncChunks = Iterable[Chunk] | AsyncIterable[Chunk]


@dataclass(frozen=True)
class SequenceState:
    """A sequence after some tokens: what a causal Performer carries from one to the next, of constant size. Any server
    with the same weights goes on from it. `bytes(state)` is it, to be kept; `SequenceState(data)` is it again.
    ValueError for bytes that are no such message."""

    data: bytes
    """A serialised favor.v1.EncoderState."""

    def __post_init__(self) -> None:
        try:
            embedding_pb2.EncoderState.FromString(self.data)
        except DecodeError:
            raise ValueError("this is no serialised favor.v1.EncoderState") from None

    def __bytes__(self) -> bytes:
        return self.data

    def __repr__(self) -> str:
        return f"SequenceState(num_tokens={self.num_tokens}, model_id={self.model_id!r})"

    @property
    def num_tokens(self) -> int:
        """Tokens the sequence has had."""
        return embedding_pb2.EncoderState.FromString(self.data).num_tokens

    @property
    def model_id(self) -> str:
        """Identity of the weights it belongs to."""
        return embedding_pb2.EncoderState.FromString(self.data).model_id


def _start(
    model: str | None,
    normalize: bool | None,
    dtype: DTypeLike | None,
    dimensions: int | None,
    state: SequenceState | bytes | None,
) -> bytes:
    settings = embed_request(model=model, normalize=normalize, dtype=dtype, dimensions=dimensions)
    sequence = embedding_pb2.EmbedStreamRequest.Sequence(settings=settings)
    if state is not None:
        sequence.state.MergeFromString(SequenceState(bytes(state)).data)
    return embedding_pb2.EmbedStreamRequest(sequence=sequence).SerializeToString()


def _message(index: int, chunk: Chunk) -> bytes:
    if chunk is GET_STATE:
        return embedding_pb2.EmbedStreamRequest(get_state=True).SerializeToString()
    return embedding_pb2.EmbedStreamRequest(tokens=token_ids(f"chunks[{index}]", chunk)).SerializeToString()


def sequence_requests(
    chunks: Chunks,
    *,
    model: str | None = None,
    normalize: bool | None = None,
    dtype: DTypeLike | None = None,
    dimensions: int | None = None,
    state: SequenceState | bytes | None = None,
) -> Iterator[bytes]:
    """The encoded messages of a stream that is one sequence, made as they are sent."""
    start = _start(model, normalize, dtype, dimensions, state)

    def messages() -> Iterator[bytes]:
        yield start
        for index, chunk in enumerate(chunks):
            yield _message(index, chunk)

    return messages()


def async_sequence_requests(
    chunks: AsyncChunks,
    *,
    model: str | None = None,
    normalize: bool | None = None,
    dtype: DTypeLike | None = None,
    dimensions: int | None = None,
    state: SequenceState | bytes | None = None,
) -> AsyncIterator[bytes]:
    """The same for chunks that may have to be awaited."""
    start = _start(model, normalize, dtype, dimensions, state)

    async def messages() -> AsyncIterator[bytes]:
        yield start
        index = 0
        if isinstance(chunks, AsyncIterable):
            async for chunk in chunks:
                yield _message(index, chunk)
                index += 1
        else:
            for index, chunk in enumerate(chunks):
                yield _message(index, chunk)

    return messages()


def sequence_answer(answer: embedding_pb2.EmbedStreamResponse) -> EmbedResult | SequenceState:
    """What became of a chunk."""
    if answer.HasField("state"):
        return SequenceState(answer.state.SerializeToString())
    return embed_result(answer.result)

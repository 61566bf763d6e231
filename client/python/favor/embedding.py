"""Embeddings and tokens. The fields' reference is proto/favor/v1/embedding.proto."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

import grpc
import numpy as np
from numpy.typing import DTypeLike, NDArray

from favor import _enums, _numbers, _tensors
from favor._parts import Part
from favor._proto import embedding_pb2
from favor._tensors import Array
from favor.attention import Features, Mode, as_dict, attention_mode, seconds
from favor.errors import AbortedError, EmbedInputsError, FavorError, from_status

Pooling = Literal["mean", "cls", "last", "max", "none", "weighted_mean", "mean_sqrt_len"]
OverLength = Literal["refuse", "truncate_right", "truncate_left", "windows"]
Input = str | Sequence[int] | NDArray[np.integer[Any]]
"""A text, or token ids."""

InputStream = Iterable[Input]
"""Inputs one after the other, as a generator makes them."""
AsyncInputStream = Iterable[Input] | AsyncIterable[Input]

_TYPES: dict[str, embedding_pb2.EmbeddingType] = {
    "float32": embedding_pb2.EMBEDDING_TYPE_F32,
    "float16": embedding_pb2.EMBEDDING_TYPE_F16,
    "bfloat16": embedding_pb2.EMBEDDING_TYPE_BF16,
    "int8": embedding_pb2.EMBEDDING_TYPE_I8,
}
_NAMES = {number: name for name, number in _TYPES.items()}


class EmbedOptions(TypedDict, total=False):
    """What `embed` can be told beside inputs and pooling. What is left out or None is as the model says."""

    model: str | None
    """Left out: the only one loaded."""
    normalize: bool | None
    """Scales every vector to length 1."""
    over_length: OverLength | None
    """What happens to an input of more tokens than the model's window; left out: it has no embedding but an error."""
    window_overlap: int | None
    """Tokens that neighbouring windows share, special ones not counted; left out: an eighth of a window."""
    dtype: DTypeLike
    """How vectors travel: float32 (the default), float16, bfloat16, or int8 with a scale for each vector."""
    dimensions: int | None
    """Keeps the first so many coordinates of every vector."""
    prompt: str | None
    """Text put in front of every text; "": none. Left out, and no prompt_name: the model's default prompt."""
    prompt_name: str | None
    """Name of one of the model's own prompts."""
    attention: Mode | Features | None
    """How attention is computed; only for models of exact attention. Left out: as the model was trained."""


@dataclass(frozen=True, kw_only=True)
class EmbedResult:
    """What became of one input: a vector or an error."""

    vector: Array | None
    """[dimensions], or [tokens, dimensions] with pooling "none". Of type int8: times `scale`."""
    scale: NDArray[np.float32] | None
    """Type int8: the scale of each vector, [1] or [tokens]."""
    error: FavorError | None
    num_tokens: int
    """Tokens of the input, special ones included, before anything was dropped; 0 with an error."""
    num_tokens_used: int
    """Tokens that the embedding rests on."""
    num_windows: int
    """Windows it was cut into; 1 for an input that fits."""


@dataclass(frozen=True, kw_only=True)
class EmbedReport:
    """How one request went."""

    model: str | None
    model_id: str
    """Identity of the model's files."""
    attention: dict[str, Any]
    """How attention was computed, every default filled in: AttentionSpec as JSON."""
    num_tokens: int
    """Tokens computed."""
    queue_time: float
    """Seconds from the arrival of the request to the first kernel."""
    compute_time: float
    """Seconds from the first kernel to the last."""
    server_version: str
    cpu_target: str


@dataclass(frozen=True, kw_only=True)
class EmbedResults:
    """The answer of `embed_results`."""

    results: list[EmbedResult]
    """One for each input, in their order."""
    reports: list[EmbedReport]
    """One for each request that the inputs were split into."""


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """One tokenised text."""

    ids: NDArray[np.int32]
    begins: NDArray[np.int64]
    """First byte of each token in the UTF-8 text; special tokens have begin = end = 0."""
    ends: NDArray[np.int64]
    """One past the last byte."""
    pieces: list[str] | None
    """The tokens' own text, when asked for."""


def _text(argument: str, text: str) -> str:
    """The text; ValueError naming the argument when UTF-8 cannot hold it."""
    try:
        text.encode()
    except UnicodeEncodeError as failure:
        raise ValueError(f"{argument} has half a surrogate pair as character {failure.start}: no Unicode") from None
    return text


def embed_request(
    *,
    pooling: Pooling | None = None,
    model: str | None = None,
    normalize: bool | None = None,
    over_length: OverLength | None = None,
    window_overlap: int | None = None,
    dtype: DTypeLike | None = None,
    dimensions: int | None = None,
    prompt: str | None = None,
    prompt_name: str | None = None,
    attention: Mode | Features | None = None,
) -> embedding_pb2.EmbedRequest:
    """A request without inputs; ValueError or TypeError naming the argument."""
    if prompt is not None and prompt_name is not None:
        raise ValueError("prompt and prompt_name are both given: at most one may be")
    request = embedding_pb2.EmbedRequest(
        model=model or "",
        pooling=_enums.value("pooling", embedding_pb2.Pooling, "POOLING_", pooling),  # type: ignore[arg-type]
        over_length=_enums.value(  # type: ignore[arg-type]
            "over_length", embedding_pb2.OverLength, "OVER_LENGTH_", over_length
        ),
        output_type=_TYPES[_tensors.dtype_name("dtype", "float32" if dtype is None else dtype, tuple(_TYPES))],
        prompt=None if prompt is None else _text("prompt", prompt),
        prompt_name=prompt_name or "",
    )
    _numbers.put(request, window_overlap=window_overlap, dimensions=dimensions)
    if normalize is not None:
        request.normalize = _numbers.flag("normalize", normalize)
    if attention is not None:
        request.attention.CopyFrom(attention_mode("attention", attention))
    return request


def token_ids(argument: str, value: object, wrong: str = "no list of token ids") -> embedding_pb2.TokenIds:
    """TypeError or ValueError naming the argument."""
    ids = np.asarray(value)
    if ids.ndim != 1 or (ids.size > 0 and not np.issubdtype(ids.dtype, np.integer)):
        raise TypeError(f"{argument} is {wrong}")
    try:
        return embedding_pb2.TokenIds(ids=ids.tolist())
    except ValueError:
        raise ValueError(f"{argument} holds an id that does not fit 32 bits") from None


def _embed_input(index: int, value: Input) -> embedding_pb2.EmbedInput:
    if isinstance(value, str):
        return embedding_pb2.EmbedInput(text=_text(f"inputs[{index}]", value))
    return embedding_pb2.EmbedInput(ids=token_ids(f"inputs[{index}]", value, "neither a text nor a list of token ids"))


def _check_is_list(argument: str, values: object) -> None:
    if isinstance(values, (str, bytes)):
        raise TypeError(f"{argument} is one text: put it in a list")


MAX_ITEMS = 65_536
"""Inputs or texts of one request, as favor/v1/embedding.proto bounds them."""


def split_by_bytes(sizes: Sequence[int], bytes_at_most: int) -> Iterator[slice]:
    """Runs of at most MAX_ITEMS items and of at most so many bytes in all; an item above that stands alone."""
    begin = 0
    total = 0
    for i, size in enumerate(sizes):
        if i > begin and (total + size > bytes_at_most or i - begin == MAX_ITEMS):
            yield slice(begin, i)
            begin, total = i, 0
        total += size
    if begin < len(sizes):
        yield slice(begin, len(sizes))


def embed_parts(
    request: embedding_pb2.EmbedRequest, inputs: Sequence[Input], bytes_at_most: int
) -> list[Part]:
    """The requests that together ask for all inputs, in their order."""
    _check_is_list("inputs", inputs)
    if request.pooling == embedding_pb2.POOLING_NONE:
        bytes_at_most = max(bytes_at_most // 8, 1)
    messages = [_embed_input(i, value) for i, value in enumerate(inputs)]
    parts = []
    for part in split_by_bytes([message.ByteSize() + 6 for message in messages], bytes_at_most):
        # Encoded messages one after the other are one message: here, of what is the same and of the inputs.
        inputs_alone = embedding_pb2.EmbedRequest(inputs=messages[part])
        encoded = request.SerializeToString() + inputs_alone.SerializeToString()
        parts.append(Part(encoded, "inputs", part.start))
    return parts


def _stream_start(request: embedding_pb2.EmbedRequest) -> bytes:
    return embedding_pb2.EmbedStreamRequest(start=request).SerializeToString()


def _stream_input(index: int, value: Input) -> bytes:
    item = embedding_pb2.EmbedStreamRequest.Input(id=index, input=_embed_input(index, value))
    return embedding_pb2.EmbedStreamRequest(input=item).SerializeToString()


def stream_requests(request: embedding_pb2.EmbedRequest, inputs: InputStream) -> Iterator[bytes]:
    """The encoded messages of a stream that asks for all inputs, made as they are sent."""
    _check_is_list("inputs", inputs)

    def messages() -> Iterator[bytes]:
        yield _stream_start(request)
        for index, value in enumerate(inputs):
            yield _stream_input(index, value)

    return messages()


def async_stream_requests(request: embedding_pb2.EmbedRequest, inputs: AsyncInputStream) -> AsyncIterator[bytes]:
    """The same for inputs that may have to be awaited."""
    _check_is_list("inputs", inputs)

    async def messages() -> AsyncIterator[bytes]:
        if not isinstance(inputs, AsyncIterable):
            for message in stream_requests(request, inputs):
                yield message
            return
        yield _stream_start(request)
        index = 0
        async for value in inputs:
            yield _stream_input(index, value)
            index += 1

    return messages()


def stream_result(answer: embedding_pb2.EmbedStreamResponse) -> EmbedResult:
    """What became of an input of a stream."""
    return embed_result(answer.result)


def embed_result(result: embedding_pb2.EmbedResult, part: Part | None = None) -> EmbedResult:
    """What became of an input (of a part of the inputs), or of tokens of a sequence."""
    vector: Array | None = None
    scale: NDArray[np.float32] | None = None
    if result.HasField("embedding"):
        embedding = result.embedding
        vector = _tensors.from_bytes(embedding.data, _NAMES[embedding.type], tuple(embedding.shape))
        if embedding.type == embedding_pb2.EMBEDDING_TYPE_I8:
            scale = np.array(embedding.scale, np.float32)
    error: FavorError | None = None
    if vector is None:
        error = from_status(result.error)
        error = error if part is None else part.of_whole(error)
    return EmbedResult(
        vector=vector,
        scale=scale,
        error=error,
        num_tokens=result.num_tokens,
        num_tokens_used=result.num_tokens_used,
        num_windows=result.num_windows,
    )


def _embed_report(report: embedding_pb2.EmbedReport) -> EmbedReport:
    return EmbedReport(
        model=report.model,
        model_id=report.model_id,
        attention=as_dict(report.attention),
        num_tokens=report.num_tokens,
        queue_time=seconds(report.queue_time),
        compute_time=seconds(report.compute_time),
        server_version=report.server_version,
        cpu_target=report.cpu_target,
    )


def join(parts: Sequence[Part], responses: Sequence[embedding_pb2.EmbedResponse]) -> EmbedResults:
    """The answers of all requests as one; AbortedError when a model was replaced between two of them."""
    for response in responses[1:]:
        first, other = responses[0].report, response.report
        if other.model_id != first.model_id:  # vectors of two models cannot be compared
            raise AbortedError(
                grpc.StatusCode.ABORTED,
                f"model {first.model} was replaced meanwhile: model_id was {first.model_id} and became {other.model_id}",
            )
    return EmbedResults(
        results=[
            embed_result(result, part)
            for part, response in zip(parts, responses, strict=True)
            for result in response.results
        ],
        reports=[_embed_report(response.report) for response in responses],
    )


def _plain(result: EmbedResult) -> Array | FavorError:
    if result.vector is None:
        assert result.error is not None
        return result.error
    if result.scale is None:
        return result.vector
    return np.asarray(result.vector * (result.scale if result.vector.ndim == 1 else result.scale[:, None]), np.float32)


def vectors_or_errors(results: EmbedResults) -> list[Array | FavorError]:
    """One vector or error for each input; int8 multiplied out."""
    return [_plain(result) for result in results.results]


def vectors(results: EmbedResults) -> list[Array]:
    """One vector for each input; EmbedInputsError when some have none."""
    errors = {i: result.error for i, result in enumerate(results.results) if result.error is not None}
    if errors:
        raise EmbedInputsError(errors)
    return [vector for vector in vectors_or_errors(results) if not isinstance(vector, FavorError)]


def are_unpooled(rows: list[Array]) -> bool:
    """Whether there is a vector for each token, as pooling "none" has it."""
    return any(row.ndim > 1 for row in rows)


def stack(rows: list[Array]) -> Array:
    """[inputs, dimensions]; [0, 0] of none."""
    return np.stack(rows) if rows else np.zeros((0, 0), np.float32)


def tokenize_parts(
    texts: Sequence[str], model: str | None, special_tokens: bool, pieces: bool, bytes_at_most: int
) -> list[Part]:
    """The requests that together ask for all texts, in their order."""
    _check_is_list("texts", texts)
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"texts[{index}] is no text")
        _text(f"texts[{index}]", text)
    parts = []
    for part in split_by_bytes([len(text.encode()) + 6 for text in texts], bytes_at_most):
        request = embedding_pb2.TokenizeRequest(
            model=model or "",
            texts=texts[part],
            without_special_tokens=not _numbers.flag("special_tokens", special_tokens),
            with_pieces=_numbers.flag("pieces", pieces),
        )
        parts.append(Part(request.SerializeToString(), "texts", part.start))
    return parts


def tokens(responses: Sequence[embedding_pb2.TokenizeResponse], pieces: bool) -> list[Tokens]:
    """One for each text."""
    return [
        Tokens(
            ids=np.array(result.ids, np.int32),
            begins=np.array(result.begins, np.int64),
            ends=np.array(result.ends, np.int64),
            pieces=list(result.pieces) if pieces else None,
        )
        for response in responses
        for result in response.results
    ]

"""The blocking client.

    with favor.Client("127.0.0.1:50051") as client:
        output = client.attend(queries, keys, values, causal=True).output
        vectors = client.embed(["a text", "another one"])
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, Unpack, overload

from numpy.typing import ArrayLike, DTypeLike

from favor import _methods
from favor import attention as _attention
from favor import embedding as _embedding
from favor import sequence as _sequence
from favor import server as _server
from favor import states as _states
from favor import streams as _streams
from favor._answers import AnswerIterator, open_stream
from favor._blocking import BlockingTransport
from favor._proto import health_pb2, info_pb2, model_pb2
from favor._tensors import Array
from favor.attention import AttendOptions, AttendResult, CalibrateOptions, SpecOptions, Statistics
from favor.embedding import EmbedOptions, EmbedResult, EmbedResults, Input, InputStream, Pooling, Tokens
from favor.errors import FavorError
from favor.options import ClientOptions, RetryOptions, TlsOptions
from favor.sequence import Chunks, SequenceState
from favor.server import ModelInfo, ServerInfo, ServingStatus
from favor.states import AttentionState, StateEncoding
from favor.streams import AttendStream, AttentionChunks, StreamOptions


class Client:
    """A connection to a favord server, made with the first call and made again whenever it breaks.

    Calls raise FavorError and its subclasses (favor.errors) for what the server or the connection answers, TypeError or
    ValueError for arguments that cannot be sent. `deadline` of a call, in seconds and retries included, takes the place
    of the client's own. Thread-safe: any number of threads may call at once.
    """

    def __init__(
        self,
        endpoint: str = ClientOptions.endpoint,
        *,
        tls: TlsOptions | None = None,
        api_key: str | None = None,
        priority: str | None = None,
        deadline: float | None = None,
        retries: RetryOptions = RetryOptions(),
        user_agent: str = "",
        embed_request_bytes: int = ClientOptions.embed_request_bytes,
        embed_requests_in_flight: int = ClientOptions.embed_requests_in_flight,
    ) -> None:
        """Prepares the connection, without making it. favor.ClientOptions says what each setting means."""
        self.options = ClientOptions(
            endpoint=endpoint,
            tls=tls,
            api_key=api_key,
            priority=priority,
            deadline=deadline,
            retries=retries,
            user_agent=user_agent,
            embed_request_bytes=embed_request_bytes,
            embed_requests_in_flight=embed_requests_in_flight,
        )
        self._transport = BlockingTransport(self.options)

    def close(self) -> None:
        """Ends the connection and what is under way on it: favor.CancelledError, as of later calls."""
        self._transport.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def attend(
        self,
        queries: ArrayLike,
        keys: ArrayLike,
        values: ArrayLike,
        *,
        deadline: float | None = None,
        **options: Unpack[AttendOptions],
    ) -> AttendResult:
        """Attention of one batch of sequences: FAVOR+, or what favor.attention.AttendOptions make of it.

        queries [batch, heads, query_length, head_dim], keys [batch, key heads, key_length, head_dim], values
        [batch, key heads, key_length, value_dim]: arrays of float32, float16 or ml_dtypes.bfloat16. The report tells
        what the server chose wherever the options left the choice.
        """
        request = _attention.attend_request(queries, keys, values, **options)
        response = self._transport.call(_methods.ATTEND, request, deadline)
        return _attention.attend_result(response)

    def calibrate(
        self,
        queries: ArrayLike,
        keys: ArrayLike,
        *,
        deadline: float | None = None,
        **options: Unpack[CalibrateOptions],
    ) -> Statistics:
        """Statistics of a sample of queries and keys, for calls that cannot measure their own (causal ones, streams) or
        need not: pass them on as `statistics`. estimator is "oprf", "sderf", "saderf" or "anchors", or precondition is
        true; the same then goes to `attend`."""
        request = _attention.calibrate_request(queries, keys, **options)
        return _attention.statistics_from_wire(self._transport.call(_methods.CALIBRATE, request, deadline).statistics)

    def fold(
        self,
        keys: ArrayLike,
        values: ArrayLike,
        *,
        state: AttentionState | None = None,
        key_lengths: Sequence[int] | None = None,
        encoding: StateEncoding | None = None,
        deadline: float | None = None,
        **options: Unpack[SpecOptions],
    ) -> AttentionState:
        """Folds keys and values into a state, on top of `state` if there is one: then the options may be left out, and
        what the state is for is what it was for. keys [batch, key heads, key_length, head_dim], values [batch, key heads,
        key_length, value_dim]; `key_lengths` as in `attend`."""
        request = _states.fold_request(
            keys, values, state=state, key_lengths=key_lengths, encoding=encoding, **options
        )
        return _states.state_from_wire(self._transport.call(_methods.FOLD, request, deadline).state)

    def merge(
        self,
        states: Iterable[AttentionState],
        *,
        encoding: StateEncoding | None = None,
        deadline: float | None = None,
    ) -> AttentionState:
        """The state of all keys together, of states of disjoint parts of one sequence: made by any servers, with the same
        options. Commutative bit for bit, associative up to rounding."""
        request = _states.merge_request(states, encoding)
        return _states.state_from_wire(self._transport.call(_methods.MERGE, request, deadline).state)

    def read(
        self,
        queries: ArrayLike,
        state: AttentionState,
        *,
        output_dtype: DTypeLike | None = None,
        deadline: float | None = None,
    ) -> AttendResult:
        """What queries [batch, heads, query_length, head_dim] see of a state: all of its keys."""
        request = _states.read_request(queries, state, output_dtype)
        response = self._transport.call(_methods.READ, request, deadline)
        return _attention.attend_result(response)

    def attend_stream(
        self,
        chunks: AttentionChunks,
        *,
        report_every_chunk: bool = False,
        deadline: float | None = None,
        **options: Unpack[StreamOptions],
    ) -> AttendStream:
        """Attention of one sequence of any length, at constant memory here and there: any iterable of chunks, which
        another thread reads. Each is a tuple of arrays, as they would go to `attend`.

            causal          (queries, keys, values), answered with the output, which is that of the whole however cut
            bidirectional   (keys, values), any number of them; favor.END_OF_KEYS; then queries, each with its output
            either          favor.GET_STATE: answered with the state after all before

        Answers (favor.StreamAnswer) come in the order of the chunks. The server takes two chunks more than it has
        answered. The options are favor.streams.StreamOptions; with report_every_chunk each chunk has a report, and chunks
        of keys have an answer for it. A stream that breaks is not tried again: see favor.ResumingStream."""
        opening = _streams.opening("attend_stream", report_every_chunk=report_every_chunk, **options)
        return AttendStream(self._transport, chunks, deadline, opening)

    @overload
    def embed(
        self,
        inputs: Sequence[Input],
        *,
        pooling: Literal["mean", "cls", "last", "max", "weighted_mean", "mean_sqrt_len"] | None = None,
        return_errors: Literal[False] = False,
        deadline: float | None = None,
        **options: Unpack[EmbedOptions],
    ) -> Array: ...

    @overload
    def embed(
        self,
        inputs: Sequence[Input],
        *,
        pooling: Literal["none"],
        return_errors: Literal[False] = False,
        deadline: float | None = None,
        **options: Unpack[EmbedOptions],
    ) -> list[Array]: ...

    @overload
    def embed(
        self,
        inputs: Sequence[Input],
        *,
        pooling: Pooling | None = None,
        return_errors: Literal[True],
        deadline: float | None = None,
        **options: Unpack[EmbedOptions],
    ) -> list[Array | FavorError]: ...

    def embed(
        self,
        inputs: Sequence[Input],
        *,
        pooling: Pooling | None = None,
        return_errors: bool = False,
        deadline: float | None = None,
        **options: Unpack[EmbedOptions],
    ) -> Array | list[Array] | list[Array | FavorError]:
        """Embeddings of texts or of token ids: an array [inputs, dimensions], or with pooling "none" a list of arrays
        [tokens, dimensions]. The options are favor.embedding.EmbedOptions.

        Inputs that cannot be embedded (too long, an id outside the vocabulary) raise EmbedInputsError once all others
        are done; with return_errors the answer is a list that has exceptions in their places. Long lists are split into
        requests (ClientOptions.embed_request_bytes), some of them under way at once. Vectors that travelled as int8 come
        multiplied out, as float32. No inputs: an array [0, 0]. A model whose own pooling is "none" answers as if asked for.
        """
        results = self.embed_results(inputs, pooling=pooling, deadline=deadline, **options)
        if return_errors:
            return _embedding.vectors_or_errors(results)
        rows = _embedding.vectors(results)
        return rows if pooling == "none" or _embedding.are_unpooled(rows) else _embedding.stack(rows)

    def embed_results(
        self,
        inputs: Sequence[Input],
        *,
        pooling: Pooling | None = None,
        deadline: float | None = None,
        **options: Unpack[EmbedOptions],
    ) -> EmbedResults:
        """As `embed`, with the number of tokens of every input, errors in their places, and the servers' reports."""
        request = _embedding.embed_request(pooling=pooling, **options)
        parts = _embedding.embed_parts(request, inputs, self.options.embed_request_bytes)
        return _embedding.join(parts, self._transport.call_all(_methods.EMBED, parts, deadline))

    def embed_stream(
        self,
        inputs: InputStream,
        *,
        pooling: Pooling | None = None,
        deadline: float | None = None,
        **options: Unpack[EmbedOptions],
    ) -> AnswerIterator[EmbedResult]:
        """Embeds inputs while they come: any iterable of texts or token ids, which another thread reads. Results
        come in their order, each as soon as it is there, errors in their places; what an iteration takes from `inputs`
        follows what the connection takes: when results are not fetched, megabytes of texts ahead of them, which of short
        ones are some hundred thousand. An iterator that is left early ends the stream (or `close()` it). A stream that
        breaks is not tried again."""
        request = _embedding.embed_request(pooling=pooling, **options)
        requests = _embedding.stream_requests(request, inputs)
        take = _embedding.stream_result
        return AnswerIterator(open_stream(self._transport, _methods.EMBED_STREAM, requests, deadline, take))

    def embed_sequence(
        self,
        chunks: Chunks,
        *,
        model: str | None = None,
        normalize: bool | None = None,
        dtype: DTypeLike | None = None,
        dimensions: int | None = None,
        state: SequenceState | bytes | None = None,
        deadline: float | None = None,
    ) -> AnswerIterator[EmbedResult | SequenceState]:
        """Embeds one sequence, of any length, with a causal Performer, its tokens as they come: any iterable of lists
        of token ids, or `favor.GET_STATE`. Of each list comes a result with one vector for each token, [tokens,
        dimensions], which are those of the whole sequence however it is cut; of GET_STATE the `SequenceState` after all
        tokens before, from which another stream, to any server with the same weights, goes on (`state`). The server
        reads one list ahead. What is wrong with a list ends the stream."""
        requests = _sequence.sequence_requests(
            chunks, model=model, normalize=normalize, dtype=dtype, dimensions=dimensions, state=state
        )
        take = _sequence.sequence_answer
        return AnswerIterator(open_stream(self._transport, _methods.EMBED_STREAM, requests, deadline, take))

    def tokenize(
        self,
        texts: Sequence[str],
        *,
        model: str | None = None,
        special_tokens: bool = True,
        pieces: bool = False,
        deadline: float | None = None,
    ) -> list[Tokens]:
        """The token ids of texts, as `embed` would take them, and where in the text each token stands."""
        limit = self.options.embed_request_bytes
        parts = _embedding.tokenize_parts(texts, model, special_tokens, pieces, limit)
        return _embedding.tokens(self._transport.call_all(_methods.TOKENIZE, parts, deadline), pieces)

    def models(self, *, deadline: float | None = None) -> list[ModelInfo]:
        """The models of the server, in the order of their names."""
        request = model_pb2.ListModelsRequest().SerializeToString()
        response = self._transport.call(_methods.LIST_MODELS, request, deadline)
        return [_server.model_info(model) for model in response.models]

    def load_model(self, name: str, path: str | None = None, *, deadline: float | None = None) -> ModelInfo:
        """Loads a model from the server's disk, or loads it anew (path None: from where it came). Answers when it is
        ready; servers allow this only when told to."""
        request = model_pb2.LoadModelRequest(name=name, path=path or "").SerializeToString()
        response = self._transport.call(_methods.LOAD_MODEL, request, deadline)
        return _server.model_info(response.model)

    def unload_model(self, name: str, *, deadline: float | None = None) -> None:
        """Forgets a model; calls under way finish."""
        request = model_pb2.UnloadModelRequest(name=name).SerializeToString()
        self._transport.call(_methods.UNLOAD_MODEL, request, deadline)

    def info(self, *, deadline: float | None = None) -> ServerInfo:
        """What the server is and what it accepts."""
        request = info_pb2.GetServerInfoRequest().SerializeToString()
        return _server.server_info(self._transport.call(_methods.GET_SERVER_INFO, request, deadline))

    def health(self, service: str = "", *, deadline: float | None = None) -> ServingStatus:
        """Whether a service (full name; empty: the whole server) takes calls. NotFoundError for one the server does not
        know."""
        request = health_pb2.HealthCheckRequest(service=service).SerializeToString()
        return _server.serving_status(self._transport.call(_methods.CHECK_HEALTH, request, deadline))

"""A server whose answers a test writes: a method maps the request to an answer, or raises Failure."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import numpy as np
from favor import _methods
from favor._proto import embedding_pb2, error_details_pb2, status_pb2

METHODS = {
    method.path: (method, request)
    for method, request in [
        (_methods.ATTEND, _methods.attention_pb2.AttendRequest),
        (_methods.ATTEND_STREAM, _methods.attention_pb2.AttendStreamRequest),
        (_methods.FOLD, _methods.attention_pb2.FoldRequest),
        (_methods.MERGE, _methods.attention_pb2.MergeRequest),
        (_methods.READ, _methods.attention_pb2.ReadRequest),
        (_methods.CALIBRATE, _methods.attention_pb2.CalibrateRequest),
        (_methods.EMBED, embedding_pb2.EmbedRequest),
        (_methods.EMBED_STREAM, embedding_pb2.EmbedStreamRequest),
        (_methods.TOKENIZE, embedding_pb2.TokenizeRequest),
        (_methods.LIST_MODELS, _methods.model_pb2.ListModelsRequest),
        (_methods.LOAD_MODEL, _methods.model_pb2.LoadModelRequest),
        (_methods.UNLOAD_MODEL, _methods.model_pb2.UnloadModelRequest),
        (_methods.GET_SERVER_INFO, _methods.info_pb2.GetServerInfoRequest),
        (_methods.CHECK_HEALTH, _methods.health_pb2.HealthCheckRequest),
    ]
}


class Failure(Exception):
    """What a method answers instead: a status, with a field violation or a delay."""

    def __init__(self, code: grpc.StatusCode, message: str = "", field: str = "", retry_delay: float | None = None):
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status_pb2.Status(code=code.value[0], message=message)
        if field:
            violation = error_details_pb2.BadRequest.FieldViolation(field=field, description=message)
            self._attach("BadRequest", error_details_pb2.BadRequest(field_violations=[violation]))
        if retry_delay is not None:
            info = error_details_pb2.RetryInfo()
            info.retry_delay.FromNanoseconds(int(retry_delay * 1e9))
            self._attach("RetryInfo", info)

    def _attach(self, name: str, detail: Any) -> None:
        any_detail = self.status.details.add()
        any_detail.type_url = f"type.googleapis.com/google.rpc.{name}"
        any_detail.value = detail.SerializeToString()


class FakeServer(grpc.GenericRpcHandler):
    """Answers with `methods`, by path; remembers requests and metadata. A context manager."""

    def __init__(self, address: str = "127.0.0.1:0", credentials: grpc.ServerCredentials | None = None) -> None:
        self.methods: dict[str, Callable[[Any], Any]] = {}
        self.streams: dict[str, Callable[[Iterator[Any]], Iterator[Any]]] = {}
        self.requests: list[Any] = []
        self.metadata: list[dict[str, str]] = []
        self._lock = threading.Lock()
        self._server = grpc.server(ThreadPoolExecutor(16))
        self._server.add_generic_rpc_handlers((self,))
        if credentials is None:
            port = self._server.add_insecure_port(address)
        else:
            port = self._server.add_secure_port(address, credentials)
        self.port = port
        self.endpoint = f"127.0.0.1:{port}"

    def __enter__(self) -> FakeServer:
        self._server.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.stop(0).wait()

    def on_stream(self, method: _methods.Method[Any], answer: Callable[[Iterator[Any]], Iterator[Any]]) -> None:
        """`answer` maps the requests of a stream to its answers."""
        self.streams[method.path] = answer

    def on(self, method: _methods.Method[Any], answer: Callable[[Any], Any]) -> None:
        self.methods[method.path] = answer

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        if details.method in self.streams:
            return self._stream_handler(details.method)
        if details.method not in self.methods:
            return None
        answer = self.methods[details.method]

        def handle(request: Any, context: grpc.ServicerContext) -> Any:
            with self._lock:
                self.requests.append(request)
                self.metadata.append({key: value for key, value in context.invocation_metadata()})
            try:
                return answer(request)
            except Failure as failure:
                trailer = ("grpc-status-details-bin", failure.status.SerializeToString())
                context.set_trailing_metadata((trailer,))
                context.abort(failure.code, failure.message)

        return grpc.unary_unary_rpc_method_handler(
            handle, METHODS[details.method][1].FromString, lambda response: response.SerializeToString()
        )

    def _stream_handler(self, path: str) -> grpc.RpcMethodHandler:
        def handle(requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
            try:
                yield from self.streams[path](requests)
            except Failure as failure:
                trailer = ("grpc-status-details-bin", failure.status.SerializeToString())
                context.set_trailing_metadata((trailer,))
                context.abort(failure.code, failure.message)

        return grpc.stream_stream_rpc_method_handler(
            handle, METHODS[path][1].FromString, lambda response: response.SerializeToString()
        )


def embed_stream_by_length(requests: Iterator[Any]) -> Iterator[Any]:
    """The stream of embed_by_length, an answer after every input."""
    start = next(requests).start
    for request in requests:
        whole = embedding_pb2.EmbedRequest()
        whole.CopyFrom(start)
        whole.inputs.append(request.input.input)
        yield embedding_pb2.EmbedStreamResponse(id=request.input.id, result=embed_by_length(whole).results[0])


def embed_by_length(request: embedding_pb2.EmbedRequest) -> embedding_pb2.EmbedResponse:
    """Embeds a text as [its length, its first character's code]; "bad" has an error."""
    response = embedding_pb2.EmbedResponse()
    for item in request.inputs:
        result = response.results.add()
        if item.text == "bad":
            result.error.code = grpc.StatusCode.INVALID_ARGUMENT.value[0]
            result.error.message = "600 tokens, the window is 256"
            continue
        values = [len(item.text), ord(item.text[0])] if item.text else [len(item.ids.ids), sum(item.ids.ids)]
        rows = len(item.text) if request.pooling == embedding_pb2.POOLING_NONE else None
        array = np.array(values, np.float32)
        if rows is not None:  # token t has t + 1 times the text's vector
            array = np.arange(1, rows + 1, dtype=np.float32)[:, None] * array
        result.num_tokens = result.num_tokens_used = values[0]
        result.num_windows = 1
        _encode(array, request.output_type or embedding_pb2.EMBEDDING_TYPE_F32, result.embedding)
    response.report.model = request.model or "fake"
    response.report.num_tokens = len(request.inputs)
    return response


def _encode(array: Any, kind: int, embedding: embedding_pb2.Embedding) -> None:
    embedding.type = kind
    embedding.shape.extend(array.shape)
    if kind == embedding_pb2.EMBEDDING_TYPE_F32:
        embedding.data = array.tobytes()
    elif kind == embedding_pb2.EMBEDDING_TYPE_F16:
        embedding.data = array.astype(np.float16).tobytes()
    elif kind == embedding_pb2.EMBEDDING_TYPE_BF16:
        embedding.data = (array.view(np.uint32) >> 16).astype(np.uint16).tobytes()
    else:
        scale = np.abs(array).max(axis=-1, keepdims=True) / 127
        embedding.data = np.rint(array / scale).astype(np.int8).tobytes()
        embedding.scale.extend(scale.ravel().tolist())

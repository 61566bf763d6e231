"""The methods of the services, by path and types."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from google.protobuf.message import Message

from favor._proto import attention_pb2, embedding_pb2, health_pb2, info_pb2, model_pb2

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)


@dataclass(frozen=True)
class Method(Generic[Request, Response]):
    """A unary method."""

    path: str
    serialize: Callable[[Request], bytes]
    parse: Callable[[bytes], Response]


def _method(path: str, request: type[Request], response: type[Response]) -> Method[Request, Response]:
    return Method(path, request.SerializeToString, response.FromString)


ATTEND = _method("/favor.v1.AttentionService/Attend", attention_pb2.AttendRequest, attention_pb2.AttendResponse)
EMBED = _method("/favor.v1.EmbeddingService/Embed", embedding_pb2.EmbedRequest, embedding_pb2.EmbedResponse)
TOKENIZE = _method("/favor.v1.EmbeddingService/Tokenize", embedding_pb2.TokenizeRequest, embedding_pb2.TokenizeResponse)
LIST_MODELS = _method("/favor.v1.ModelService/ListModels", model_pb2.ListModelsRequest, model_pb2.ListModelsResponse)
LOAD_MODEL = _method("/favor.v1.ModelService/LoadModel", model_pb2.LoadModelRequest, model_pb2.LoadModelResponse)
UNLOAD_MODEL = _method(
    "/favor.v1.ModelService/UnloadModel", model_pb2.UnloadModelRequest, model_pb2.UnloadModelResponse
)
GET_SERVER_INFO = _method(
    "/favor.v1.InfoService/GetServerInfo", info_pb2.GetServerInfoRequest, info_pb2.GetServerInfoResponse
)
CHECK_HEALTH = _method("/grpc.health.v1.Health/Check", health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse)

"""The methods of the services, by path and answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from google.protobuf.message import Message

from favor._proto import attention_pb2, embedding_pb2, health_pb2, info_pb2, model_pb2

Response = TypeVar("Response", bound=Message)


@dataclass(frozen=True)
class Method(Generic[Response]):
    """A method; of one that streams, each message of the server is an answer."""

    path: str
    parse: Callable[[bytes], Response]


ATTEND = Method("/favor.v1.AttentionService/Attend", attention_pb2.AttendResponse.FromString)
ATTEND_STREAM = Method("/favor.v1.AttentionService/AttendStream", attention_pb2.AttendStreamResponse.FromString)
FOLD = Method("/favor.v1.AttentionService/Fold", attention_pb2.FoldResponse.FromString)
MERGE = Method("/favor.v1.AttentionService/Merge", attention_pb2.MergeResponse.FromString)
READ = Method("/favor.v1.AttentionService/Read", attention_pb2.ReadResponse.FromString)
CALIBRATE = Method("/favor.v1.AttentionService/Calibrate", attention_pb2.CalibrateResponse.FromString)
EMBED = Method("/favor.v1.EmbeddingService/Embed", embedding_pb2.EmbedResponse.FromString)
EMBED_STREAM = Method("/favor.v1.EmbeddingService/EmbedStream", embedding_pb2.EmbedStreamResponse.FromString)
TOKENIZE = Method("/favor.v1.EmbeddingService/Tokenize", embedding_pb2.TokenizeResponse.FromString)
LIST_MODELS = Method("/favor.v1.ModelService/ListModels", model_pb2.ListModelsResponse.FromString)
LOAD_MODEL = Method("/favor.v1.ModelService/LoadModel", model_pb2.LoadModelResponse.FromString)
UNLOAD_MODEL = Method("/favor.v1.ModelService/UnloadModel", model_pb2.UnloadModelResponse.FromString)
GET_SERVER_INFO = Method("/favor.v1.InfoService/GetServerInfo", info_pb2.GetServerInfoResponse.FromString)
CHECK_HEALTH = Method("/grpc.health.v1.Health/Check", health_pb2.HealthCheckResponse.FromString)

"""What a server is, and the models it has. The fields' reference is proto/favor/v1/info.proto and model.proto."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from favor import _enums
from favor._proto import embedding_pb2, health_pb2, info_pb2, model_pb2


@dataclass(frozen=True, kw_only=True)
class ServerInfo:
    """What a server is, and the bounds of a request."""

    version: str
    build: str
    cpu_target: str
    num_compute_threads: int
    max_message_bytes: int
    memory_budget_bytes: int
    max_num_features: int
    max_head_dim: int
    max_value_dim: int
    max_inputs_per_request: int
    """Of an Embed request, and texts of a Tokenize request; the client splits longer lists."""


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """A model of a server."""

    name: str
    path: str
    """Folder it came from, on the server."""
    model_id: str
    """Identity of its files."""
    architecture: str
    """"bert", "performer-pytorch", ..."""
    dimensions: int
    """Coordinates of an embedding."""
    max_tokens: int
    """Tokens of one input at most, special ones included; 0: any number."""
    vocabulary_size: int
    has_tokenizer: bool
    """Whether it takes text; else token ids alone."""
    pooling: str
    """Its own; "unspecified" where it has several."""
    poolings: tuple[str, ...]
    """Its own, whose vectors stand one behind the other; of most models one."""
    normalizes: bool
    """Whether its vectors have length 1."""
    prompts: dict[str, str]
    default_prompt: str
    """Name of the prompt that is put in front of texts when none is asked for; empty: none."""
    num_parameters: int
    memory_bytes: int


class ServingStatus(enum.Enum):
    """grpc.health.v1."""

    UNKNOWN = 0
    SERVING = 1
    NOT_SERVING = 2
    SERVICE_UNKNOWN = 3


def server_info(response: info_pb2.GetServerInfoResponse) -> ServerInfo:
    """The answer of `info`."""
    limits = response.limits
    return ServerInfo(
        version=response.version,
        build=response.build,
        cpu_target=response.cpu_target,
        num_compute_threads=response.num_compute_threads,
        max_message_bytes=limits.max_message_bytes,
        memory_budget_bytes=limits.memory_budget_bytes,
        max_num_features=limits.max_num_features,
        max_head_dim=limits.max_head_dim,
        max_value_dim=limits.max_value_dim,
        max_inputs_per_request=limits.max_inputs_per_request,
    )


def model_info(model: model_pb2.ModelInfo) -> ModelInfo:
    """A model, out of an answer."""
    return ModelInfo(
        name=model.name,
        path=model.path,
        model_id=model.model_id,
        architecture=model.architecture,
        dimensions=model.dimensions,
        max_tokens=model.max_tokens,
        vocabulary_size=model.vocabulary_size,
        has_tokenizer=model.has_tokenizer,
        pooling=_enums.short_name(embedding_pb2.Pooling, "POOLING_", model.pooling),
        poolings=tuple(
            _enums.short_name(embedding_pb2.Pooling, "POOLING_", pooling)
            for pooling in model.poolings or [model.pooling]  # older servers name the one alone
        ),
        normalizes=model.normalizes,
        prompts=dict(model.prompts),
        default_prompt=model.default_prompt,
        num_parameters=model.num_parameters,
        memory_bytes=model.memory_bytes,
    )


def serving_status(response: health_pb2.HealthCheckResponse) -> ServingStatus:
    """The answer of `health`."""
    try:
        return ServingStatus(response.status)
    except ValueError:
        return ServingStatus.UNKNOWN

"""Client of favord: FAVOR+ linear attention and embeddings over gRPC, with numpy arrays in and out.

    import favor

    with favor.Client("127.0.0.1:50051") as client:
        result = client.attend(queries, keys, values, causal=True)
        print(result.output.shape, result.report.compute_time)
        vectors = client.embed(["a text", "another one"])

`AsyncClient` has the same methods for asyncio.
"""

from favor._version import VERSION as __version__
from favor.aio import AsyncClient
from favor.attention import AttendReport, AttendResult, EpsilonParity, Features, HeadStatistics, Statistics
from favor.client import Client
from favor.embedding import EmbedReport, EmbedResult, EmbedResults, Tokens
from favor.errors import (
    AbortedError,
    AlreadyExistsError,
    CancelledError,
    DataLossError,
    DeadlineExceededError,
    EmbedInputsError,
    FailedPreconditionError,
    FavorError,
    FieldViolation,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    OutOfRangeError,
    PermissionDeniedError,
    ResourceExhaustedError,
    UnauthenticatedError,
    UnavailableError,
    UnimplementedError,
    UnknownError,
)
from favor.options import ClientOptions, RetryOptions, TlsOptions
from favor.sequence import GET_STATE, SequenceState
from favor.server import ModelInfo, ServerInfo, ServingStatus

__all__ = [
    "AbortedError",
    "AlreadyExistsError",
    "AsyncClient",
    "AttendReport",
    "AttendResult",
    "CancelledError",
    "Client",
    "ClientOptions",
    "DataLossError",
    "DeadlineExceededError",
    "EmbedInputsError",
    "EmbedReport",
    "EmbedResult",
    "EmbedResults",
    "EpsilonParity",
    "FailedPreconditionError",
    "FavorError",
    "Features",
    "FieldViolation",
    "GET_STATE",
    "HeadStatistics",
    "InternalError",
    "InvalidArgumentError",
    "ModelInfo",
    "NotFoundError",
    "OutOfRangeError",
    "PermissionDeniedError",
    "ResourceExhaustedError",
    "RetryOptions",
    "SequenceState",
    "ServerInfo",
    "ServingStatus",
    "Statistics",
    "TlsOptions",
    "Tokens",
    "UnauthenticatedError",
    "UnavailableError",
    "UnimplementedError",
    "UnknownError",
    "__version__",
]

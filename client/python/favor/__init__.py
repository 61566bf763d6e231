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
from favor.attention import (
    AttendReport,
    AttendResult,
    EpsilonParity,
    ErrorEstimate,
    Features,
    HeadStatistics,
    Statistics,
)
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
from favor.resuming import AsyncResumingStream, ResumeOptions, ResumingStream
from favor.sequence import GET_STATE, SequenceState
from favor.server import ModelInfo, ServerInfo, ServingStatus
from favor.states import AttentionState
from favor.streams import END_OF_KEYS, AsyncAttendStream, AttendStream, StreamAnswer

__all__ = [
    "AbortedError",
    "AlreadyExistsError",
    "AsyncAttendStream",
    "AsyncClient",
    "AsyncResumingStream",
    "AttendReport",
    "AttendResult",
    "AttendStream",
    "AttentionState",
    "CancelledError",
    "Client",
    "ClientOptions",
    "DataLossError",
    "DeadlineExceededError",
    "END_OF_KEYS",
    "EmbedInputsError",
    "EmbedReport",
    "EmbedResult",
    "EmbedResults",
    "EpsilonParity",
    "ErrorEstimate",
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
    "ResumeOptions",
    "ResumingStream",
    "RetryOptions",
    "SequenceState",
    "ServerInfo",
    "ServingStatus",
    "Statistics",
    "StreamAnswer",
    "TlsOptions",
    "Tokens",
    "UnauthenticatedError",
    "UnavailableError",
    "UnimplementedError",
    "UnknownError",
    "__version__",
]

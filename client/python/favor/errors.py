"""What can go wrong, one exception class for each gRPC status code.

    try:
        client.attend(queries, keys, values)
    except favor.InvalidArgumentError as error:
        for violation in error.field_violations:
            print(violation.field, violation.description)

Arguments that cannot even be sent raise TypeError or ValueError instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import grpc
from google.protobuf.message import DecodeError

from favor._proto import error_details_pb2, status_pb2


@dataclass(frozen=True)
class FieldViolation:
    """A field that the server found wrong."""

    field: str  # its path, as in "queries.shape"
    description: str  # the value and the bound


class FavorError(Exception):
    """A call that failed: the server's status, or that of the connection."""

    def __init__(
        self,
        code: grpc.StatusCode,
        message: str,
        field_violations: tuple[FieldViolation, ...] = (),
        retry_delay: float | None = None,
    ) -> None:
        super().__init__(f"{code.name}: {message}")
        self.code = code
        self.message = message
        self.field_violations = field_violations
        self.retry_delay = retry_delay
        """Seconds that the server asks to wait before the next attempt; None if it does not say."""


class CancelledError(FavorError):
    """The call was cancelled, by either side."""


class UnknownError(FavorError):
    """Something without a code of its own, often a proxy's answer."""


class InvalidArgumentError(FavorError):
    """The request makes no sense; `field_violations` says where."""


class DeadlineExceededError(FavorError):
    """The deadline passed first."""


class NotFoundError(FavorError):
    """No such model, or no such service."""


class AlreadyExistsError(FavorError):
    """What was to be made is there already."""


class PermissionDeniedError(FavorError):
    """This caller may not do that."""


class ResourceExhaustedError(FavorError):
    """No room now, then `retry_delay` is set and was honoured; or the message is too large."""


class FailedPreconditionError(FavorError):
    """The server is not in the state that the call needs."""


class AbortedError(FavorError):
    """The call met another one."""


class OutOfRangeError(FavorError):
    """Past the end of something."""


class UnimplementedError(FavorError):
    """This server does not serve the method, or a field of the request."""


class InternalError(FavorError):
    """A mistake of the server's own."""


class UnavailableError(FavorError):
    """No server to be reached, or one that is shutting down."""


class DataLossError(FavorError):
    """A checksum does not match."""


class UnauthenticatedError(FavorError):
    """No API key, or a wrong one."""


class EmbedInputsError(FavorError):
    """Some inputs of `embed` have no embedding; the others were computed. Code and details are those of the first."""

    def __init__(self, errors: Mapping[int, FavorError]) -> None:
        first = errors[min(errors)]
        shown = [f"input {index}: {errors[index].message}" for index in sorted(errors)[:3]]
        if len(errors) > len(shown):
            shown.append(f"and {len(errors) - len(shown)} more")
        super().__init__(first.code, "; ".join(shown), first.field_violations, first.retry_delay)
        self.errors = dict(errors)
        """What was wrong, by the input's index."""


_CLASSES: dict[grpc.StatusCode, type[FavorError]] = {
    grpc.StatusCode.CANCELLED: CancelledError,
    grpc.StatusCode.UNKNOWN: UnknownError,
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgumentError,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceededError,
    grpc.StatusCode.NOT_FOUND: NotFoundError,
    grpc.StatusCode.ALREADY_EXISTS: AlreadyExistsError,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDeniedError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ResourceExhaustedError,
    grpc.StatusCode.FAILED_PRECONDITION: FailedPreconditionError,
    grpc.StatusCode.ABORTED: AbortedError,
    grpc.StatusCode.OUT_OF_RANGE: OutOfRangeError,
    grpc.StatusCode.UNIMPLEMENTED: UnimplementedError,
    grpc.StatusCode.INTERNAL: InternalError,
    grpc.StatusCode.UNAVAILABLE: UnavailableError,
    grpc.StatusCode.DATA_LOSS: DataLossError,
    grpc.StatusCode.UNAUTHENTICATED: UnauthenticatedError,
}
_CODES: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}


class FailedCall(Protocol):
    """What grpc.RpcError is at run time, of either flavour."""

    def code(self) -> grpc.StatusCode: ...
    def details(self) -> str | None: ...
    def trailing_metadata(self) -> Iterable[tuple[str, str | bytes]] | None: ...


def _make(code: grpc.StatusCode, message: str, status: status_pb2.Status) -> FavorError:
    violations: list[FieldViolation] = []
    retry_delay: float | None = None
    for detail in status.details:
        name = detail.type_url.rpartition("/")[2]
        try:
            if name == "google.rpc.BadRequest":
                bad = error_details_pb2.BadRequest.FromString(detail.value)
                violations += [FieldViolation(v.field, v.description) for v in bad.field_violations]
            elif name == "google.rpc.RetryInfo":
                delay = error_details_pb2.RetryInfo.FromString(detail.value).retry_delay
                retry_delay = delay.seconds + delay.nanos / 1e9
        except DecodeError:
            pass  # code and message stand without it
    return _CLASSES.get(code, FavorError)(code, message, tuple(violations), retry_delay)


def from_call(call: FailedCall) -> FavorError:
    """The exception for a failed call."""
    status = status_pb2.Status()
    for key, value in call.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            try:
                status = status_pb2.Status.FromString(value if isinstance(value, bytes) else value.encode("latin-1"))
            except DecodeError:
                pass
    return _make(call.code(), call.details() or "", status)


def from_status(status: status_pb2.Status) -> FavorError:
    """The exception for an error inside an answer."""
    return _make(_CODES.get(status.code, grpc.StatusCode.UNKNOWN), status.message, status)

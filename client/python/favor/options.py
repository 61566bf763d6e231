"""How a client reaches its server. The same settings and rules as the C++ client's."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from favor._endpoint import check_endpoint
from favor._version import VERSION

USER_AGENT = f"favor-python/{VERSION}"


LONGEST_WAIT = 1e9  # seconds, some thirty years; what is too long to be counted gRPC takes for over, and Python refuses


def call_deadline(own: float | None, options: ClientOptions) -> float | None:
    """Seconds that a call has, by what it was told itself and else by its client's options; None: any time. ValueError
    for a NaN."""
    deadline = options.deadline if own is None else own
    if deadline is None or deadline == math.inf:
        return None
    if math.isnan(deadline):
        raise ValueError("deadline is nan, and must be a number of seconds")
    return min(deadline, LONGEST_WAIT)


def check_durations(options: object, path: str, *names: str) -> None:
    """ValueError naming a duration that is negative or NaN."""
    for name in names:
        if not getattr(options, name) >= 0:
            raise ValueError(f"{path}{name} is {getattr(options, name)} s, and must not be below 0")


@dataclass(frozen=True, kw_only=True)
class TlsOptions:
    """Paths are of PEM files, read when the client is made."""

    ca_file: str | Path | None = None
    """Who may have signed the server's certificate; None: gRPC's own list of authorities."""
    cert_file: str | Path | None = None
    """The client's own certificate, for servers that ask for one; needs `key_file`."""
    key_file: str | Path | None = None
    """Its private key."""
    server_name: str | None = None
    """The name that the certificate must have; None: the endpoint's host."""


@dataclass(frozen=True, kw_only=True)
class RetryOptions:
    """A call is tried again when the server was UNAVAILABLE, when it cancelled the call (which gRPC does to those that
    arrive in the instant of its end), or was RESOURCE_EXHAUSTED and said when to come back (google.rpc.RetryInfo); never
    otherwise. Every call of favord can be repeated without harm.

    Before retry n (from 0) the client waits `initial_backoff * 2**n`, `max_backoff` at most, times a random factor
    between 0.5 and 1, on top of what the server asked for. It gives up when the wait would pass the deadline.
    """

    max_retries: int = 3
    """Attempts after the first; 0: none."""
    initial_backoff: float = 0.1
    """In seconds."""
    max_backoff: float = 5.0
    """In seconds."""

    def __post_init__(self) -> None:
        if self.max_retries < 0:
            raise ValueError(f"retries.max_retries is {self.max_retries}, the least is 0")
        check_durations(self, "retries.", "initial_backoff", "max_backoff")


@dataclass(frozen=True, kw_only=True)
class ClientOptions:
    """What `Client` and `AsyncClient` are made of."""

    endpoint: str = "127.0.0.1:50051"
    """host:port, a name that gRPC resolves (dns:///host:port), addresses (ipv4:host:port,host:port, ipv6:[::1]:port), or a
    unix socket (unix:/path)."""
    tls: TlsOptions | None = None
    """None: plaintext."""
    api_key: str | None = field(default=None, repr=False)
    """Sent as "authorization: Bearer KEY" with every call: printable ASCII without blanks. Without TLS it can be read on
    the way."""
    priority: str | None = None
    """"low", "normal" or "high": who is refused and who waits when a server has too much to do. A server with API keys
    gives no more than the key allows; None: what the key has, or normal."""
    deadline: float | None = None
    """Seconds from the start of a call to its end, retries included; None, or infinity: no bound."""
    retries: RetryOptions = field(default_factory=RetryOptions)
    user_agent: str = ""
    """Put in front of this package's own name and version, as in "my-service/1.2"."""
    embed_request_bytes: int = 256 * 1024
    """`embed` and `tokenize` split their inputs into requests of about so many bytes (an eighth of it with
    pooling="none", whose answers are large)."""
    embed_requests_in_flight: int = 4
    """Requests of one `embed` or `tokenize` call under way at once."""

    def __post_init__(self) -> None:
        check_endpoint(self.endpoint)
        if self.deadline is not None and not self.deadline > 0:
            raise ValueError(f"deadline is {self.deadline} s, and must be above 0")
        if self.embed_request_bytes < 1 or self.embed_requests_in_flight < 1:
            raise ValueError("embed_request_bytes and embed_requests_in_flight must be 1 or more")
        if self.priority not in (None, "low", "normal", "high"):
            raise ValueError(f"priority is {self.priority!r}, and must be low, normal or high")
        for index, character in enumerate(self.api_key or ""):
            if not "!" <= character <= "~":  # or gRPC would refuse every call; the key itself is not for logs
                raise ValueError(f"api_key has {character!r} at {index}, and must be printable ASCII without blanks")


def metadata(options: ClientOptions) -> tuple[tuple[str, str], ...]:
    """What every call carries."""
    pairs = []
    if options.api_key:
        pairs.append(("authorization", f"Bearer {options.api_key}"))
    if options.priority:
        pairs.append(("favor-priority", options.priority))
    return tuple(pairs)


def is_local(endpoint: str) -> bool:
    """Whether an endpoint names this very machine: such a connection never goes through a proxy."""
    for scheme in ("dns:///", "dns:", "ipv4:", "ipv6:"):
        if endpoint.startswith(scheme):
            endpoint = endpoint[len(scheme) :]
            break
    return endpoint.startswith(("unix:", "unix-abstract:", "127.", "localhost:", "[::1]:"))


def channel_arguments(options: ClientOptions) -> list[tuple[str, int | str]]:
    """Arguments of the channel."""
    arguments: list[tuple[str, int | str]] = [
        ("grpc.primary_user_agent", f"{options.user_agent} {USER_AGENT}".strip()),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_receive_message_length", -1),
        # We retry ourselves: gRPC keeps no more than 256 KiB of a request for that, and knows no RetryInfo. And with its
        # retries a stream that ends while its first answer is on its way may never end (1.51).
        ("grpc.enable_retries", 0),
        # A connection of our own: two clients with the same options are two connections.
        ("grpc.use_local_subchannel_pool", 1),
        # Has the kernel give up a connection whose peer takes nothing for 20 s; pings themselves are rare, since
        # servers close connections that ping often.
        ("grpc.keepalive_time_ms", 2 * 3600 * 1000),
        ("grpc.keepalive_timeout_ms", 20 * 1000),
        # Between two attempts to connect; gRPC's own default of 1 s would fail quicker retries without trying.
        ("grpc.initial_reconnect_backoff_ms", 100),
        # How long one attempt may take, whatever its name says: round trips to the other side of the world, or a busy server.
        ("grpc.min_reconnect_backoff_ms", 5000),
        ("grpc.max_reconnect_backoff_ms", 5000),
        # Names are not asked for a service configuration, which we would not use.
        ("grpc.service_config_disable_resolution", 1),
    ]
    if is_local(options.endpoint):
        arguments.append(("grpc.enable_http_proxy", 0))
    if options.tls is not None and options.tls.server_name:
        arguments.append(("grpc.ssl_target_name_override", options.tls.server_name))
    return arguments


def _read_pem(option: str, path: str | Path | None) -> bytes | None:
    if path is None:
        return None
    pem = Path(path).read_bytes()
    if b"-----BEGIN " not in pem:
        raise ValueError(f"{option}: {path} is not a PEM file")
    return pem


def credentials(options: ClientOptions) -> grpc.ChannelCredentials | None:
    """Credentials of the channel; None: plaintext. OSError for files that cannot be read."""
    tls = options.tls
    if tls is None:
        return None
    if (tls.cert_file is None) != (tls.key_file is None):
        raise ValueError("tls.cert_file and tls.key_file go together: one of them is missing")
    return grpc.ssl_channel_credentials(
        root_certificates=_read_pem("tls.ca_file", tls.ca_file),
        private_key=_read_pem("tls.key_file", tls.key_file),
        certificate_chain=_read_pem("tls.cert_file", tls.cert_file),
    )

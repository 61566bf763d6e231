"""What all calls share: retries, deadlines, errors, keys, TLS."""

import contextlib
import re
import socket
import threading
import time
from pathlib import Path

import grpc
import pytest
from both_clients import both, call, stream
from fake_server import Failure, FakeServer, embed_by_length
from test_attend_stream import ONES, answer_chunks

import favor
from favor import _methods
from favor._proto import health_pb2, info_pb2, model_pb2
from favor._retry import delay_before_retry
from favor.options import channel_arguments, is_local

FAST = favor.RetryOptions(initial_backoff=0.001)


def failing(failures: list[Failure]):
    """Answers with these failures, one after the other, then with success."""

    def answer(request):
        if failures:
            raise failures.pop(0)
        return info_pb2.GetServerInfoResponse(version="1.2.3")

    return answer


def unavailable() -> Failure:
    return Failure(grpc.StatusCode.UNAVAILABLE, "draining")


# The numbers are those of the C++ client's test of the same rule.
@pytest.mark.parametrize(
    ("code", "retry_delay", "retry", "uniform", "expected"),
    [
        (grpc.StatusCode.UNAVAILABLE, None, 0, 0.0, 0.05),
        (grpc.StatusCode.UNAVAILABLE, None, 0, 1.0, 0.1),
        (grpc.StatusCode.UNAVAILABLE, None, 2, 0.0, 0.2),
        (grpc.StatusCode.UNAVAILABLE, 2.0, 0, 0.0, 2.05),
        (grpc.StatusCode.CANCELLED, None, 0, 0.0, 0.05),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, 0.0, 0, 0.0, 0.05),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, None, 0, 0.0, None),
        (grpc.StatusCode.INTERNAL, 1.0, 0, 0.0, None),
        (grpc.StatusCode.DEADLINE_EXCEEDED, None, 0, 0.0, None),
        (grpc.StatusCode.UNAVAILABLE, None, 10, 0.0, None),
    ],
)
def test_delay_before_a_retry(code, retry_delay, retry, uniform, expected):
    error = favor.FavorError(code, "", retry_delay=retry_delay)
    assert delay_before_retry(favor.RetryOptions(), error, retry, uniform) == pytest.approx(expected)


def test_backoff_grows_no_further_than_its_bound():
    error = favor.FavorError(grpc.StatusCode.UNAVAILABLE, "")
    options = favor.RetryOptions(max_retries=5000)
    assert delay_before_retry(options, error, 4000, 1.0) == 5.0


def test_unavailable_servers_are_asked_again(server):
    server.on(_methods.GET_SERVER_INFO, failing([unavailable(), unavailable()]))
    with favor.Client(server.endpoint, retries=FAST) as client:
        assert client.info().version == "1.2.3"
    assert len(server.requests) == 3


def test_calls_that_the_server_cancelled_are_made_again(server):
    server.on(_methods.GET_SERVER_INFO, failing([Failure(grpc.StatusCode.CANCELLED)]))
    with favor.Client(server.endpoint, retries=FAST) as client:
        assert client.info().version == "1.2.3"
    assert len(server.requests) == 2


def test_closing_a_client_ends_its_calls(server):
    arrived, released = threading.Event(), threading.Event()

    def answer(request):
        arrived.set()
        released.wait(20)
        return info_pb2.GetServerInfoResponse()

    server.on(_methods.GET_SERVER_INFO, answer)
    client = favor.Client(server.endpoint, retries=FAST)
    closer = threading.Thread(target=lambda: (arrived.wait(20), client.close()))
    closer.start()
    with pytest.raises(favor.CancelledError):
        client.info()
    closer.join()
    released.set()
    assert len(server.requests) == 1


def test_a_call_gives_up_after_its_retries(server):
    server.on(_methods.GET_SERVER_INFO, failing([unavailable() for _ in range(9)]))
    with favor.Client(server.endpoint, retries=favor.RetryOptions(max_retries=2, initial_backoff=0.001)) as client:
        with pytest.raises(favor.UnavailableError, match="draining"):
            client.info()
    assert len(server.requests) == 3


@pytest.mark.parametrize("code", [grpc.StatusCode.INTERNAL, grpc.StatusCode.RESOURCE_EXHAUSTED])
def test_other_failures_are_final(server, code):
    server.on(_methods.GET_SERVER_INFO, failing([Failure(code)]))
    with favor.Client(server.endpoint, retries=FAST) as client, pytest.raises(favor.FavorError):
        client.info()
    assert len(server.requests) == 1


def test_a_wait_past_the_deadline_is_not_begun(server):
    server.on(_methods.GET_SERVER_INFO, failing([Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, retry_delay=3600)]))
    with favor.Client(server.endpoint, deadline=30) as client:
        begin = time.monotonic()
        with pytest.raises(favor.ResourceExhaustedError) as caught:
            client.info()
    assert caught.value.retry_delay == 3600
    assert time.monotonic() - begin < 20


def test_a_server_that_is_slow_to_connect_to_is_reached(server):
    """By way of a relay that takes half a second for a connection."""
    server.on(_methods.GET_SERVER_INFO, failing([]))

    def pump(source, target):
        with contextlib.suppress(OSError):  # one of them went
            while data := source.recv(65536):
                target.sendall(data)

    def relay():
        client_side, _ = listener.accept()
        time.sleep(0.5)
        server_side = socket.create_connection(("127.0.0.1", server.port))
        threading.Thread(target=pump, args=(client_side, server_side), daemon=True).start()
        pump(server_side, client_side)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=relay, daemon=True).start()
        endpoint = f"127.0.0.1:{listener.getsockname()[1]}"
        with favor.Client(endpoint, retries=favor.RetryOptions(max_retries=0)) as client:
            assert client.info().version == "1.2.3"


def test_the_deadline_of_a_call_counts(server):
    released = threading.Event()

    def slow(request):
        released.wait(60)
        return info_pb2.GetServerInfoResponse()

    server.on(_methods.GET_SERVER_INFO, slow)
    with favor.Client(server.endpoint, deadline=60) as client, pytest.raises(favor.DeadlineExceededError):
        client.info(deadline=0.1)
    released.set()


@both
@pytest.mark.parametrize("deadline", [float("inf"), 1e300, 1e10, 1e9])
def test_deadlines_beyond_any_clock_are_none(server, asynchronous, deadline):
    server.on(_methods.GET_SERVER_INFO, failing([unavailable()]))
    assert call(asynchronous, server.endpoint, "info", deadline=deadline).version == "1.2.3"
    server.on(_methods.EMBED, embed_by_length)
    assert len(call(asynchronous, server.endpoint, "embed", ["a", "b"], deadline=deadline)) == 2
    server.on_stream(_methods.ATTEND_STREAM, answer_chunks)
    assert len(stream(asynchronous, server.endpoint, [ONES], deadline=deadline)[0]) == 1
    with favor.Client(server.endpoint, deadline=deadline) as client:
        options = favor.ResumeOptions(answer_timeout=deadline)
        assert len(list(favor.ResumingStream([client], [ONES], resume=options, deadline=deadline))) == 1
        assert client.info().version == "1.2.3"


@both
def test_deadlines_that_are_over_are_exceeded_and_those_that_are_no_number_refused(server, asynchronous):
    server.on(_methods.GET_SERVER_INFO, failing([]))
    server.on_stream(_methods.ATTEND_STREAM, answer_chunks)
    for deadline in (0.0, -1.0, -float("inf")):
        with pytest.raises(favor.DeadlineExceededError):
            call(asynchronous, server.endpoint, "info", deadline=deadline)
        with pytest.raises(favor.DeadlineExceededError):
            stream(asynchronous, server.endpoint, [ONES], deadline=deadline)
    with pytest.raises(ValueError, match="deadline is nan"):
        call(asynchronous, server.endpoint, "info", deadline=float("nan"))
    with pytest.raises(ValueError, match="deadline is nan"):
        stream(asynchronous, server.endpoint, [ONES], deadline=float("nan"))


def test_no_server_is_unavailable():
    with favor.Client("127.0.0.1:1", retries=favor.RetryOptions(max_retries=0)) as client:
        with pytest.raises(favor.UnavailableError):
            client.info()


def test_errors_carry_code_message_and_violations(server):
    failure = Failure(grpc.StatusCode.INVALID_ARGUMENT, "5 axes, not 4", field="queries.shape")
    server.on(_methods.GET_SERVER_INFO, failing([failure]))
    with favor.Client(server.endpoint) as client, pytest.raises(favor.InvalidArgumentError) as caught:
        client.info()
    error = caught.value
    assert (error.code, error.message) == (grpc.StatusCode.INVALID_ARGUMENT, "5 axes, not 4")
    assert error.field_violations == (favor.FieldViolation("queries.shape", "5 axes, not 4"),)
    assert str(error) == "INVALID_ARGUMENT: 5 axes, not 4"


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code != grpc.StatusCode.OK])
def test_every_code_has_its_class(code):
    from favor._proto import status_pb2
    from favor.errors import from_status

    error = from_status(status_pb2.Status(code=code.value[0], message="x"))
    name = "".join(part.capitalize() for part in code.name.split("_")) + "Error"
    assert type(error) is getattr(favor, name)


def test_methods_that_a_server_lacks_are_unimplemented(server):
    with favor.Client(server.endpoint) as client, pytest.raises(favor.UnimplementedError):
        client.info()


def test_calls_carry_key_and_user_agent(server):
    server.on(_methods.GET_SERVER_INFO, failing([]))
    with favor.Client(server.endpoint, api_key="secret", user_agent="mine/1") as client:
        client.info()
    assert server.metadata[0]["authorization"] == "Bearer secret"
    assert server.metadata[0]["user-agent"].startswith(f"mine/1 favor-python/{favor.__version__} ")


@pytest.mark.parametrize("key", ["secret\n", "se cret", "\tsecret", "s\u00e9cret", "secret\x7f"])
def test_keys_that_no_call_can_carry_are_refused(key):
    for client in (favor.Client, favor.AsyncClient):
        with pytest.raises(ValueError, match=r"api_key has '.*' at \d, and must be printable ASCII") as caught:
            client(api_key=key)
        assert "cret" not in str(caught.value)


def test_keys_are_not_shown():
    assert "secret" not in repr(favor.ClientOptions(api_key="secret"))


def test_calls_without_a_key_carry_none(server):
    server.on(_methods.GET_SERVER_INFO, failing([]))
    with favor.Client(server.endpoint) as client:
        client.info()
    assert "authorization" not in server.metadata[0]
    assert "favor-priority" not in server.metadata[0]


def test_calls_carry_their_priority(server):
    server.on(_methods.GET_SERVER_INFO, failing([]))
    with favor.Client(server.endpoint, priority="low") as client:
        client.info()
    assert server.metadata[0]["favor-priority"] == "low"
    with pytest.raises(ValueError, match="priority is 'urgent'"):
        favor.Client(server.endpoint, priority="urgent")


def test_health_is_told(server):
    def answer(request):
        if request.service == "nobody":
            raise Failure(grpc.StatusCode.NOT_FOUND)
        return health_pb2.HealthCheckResponse(status=2 if request.service else 1)

    server.on(_methods.CHECK_HEALTH, answer)
    with favor.Client(server.endpoint) as client:
        assert client.health() is favor.ServingStatus.SERVING
        assert client.health("favor.v1.AttentionService") is favor.ServingStatus.NOT_SERVING
        with pytest.raises(favor.NotFoundError):
            client.health("nobody")


def test_info_tells_the_limits(server):
    limits = info_pb2.Limits(max_message_bytes=5, max_inputs_per_request=65535)
    server.on(_methods.GET_SERVER_INFO, lambda request: info_pb2.GetServerInfoResponse(version="1", limits=limits))
    with favor.Client(server.endpoint) as client:
        info = client.info()
    assert (info.version, info.max_message_bytes, info.max_inputs_per_request) == ("1", 5, 65535)


def test_models_are_listed_loaded_and_unloaded(server):
    model = model_pb2.ModelInfo(
        name="m", dimensions=384, pooling=1, prompts={"query": "query: "}, default_prompt="query", max_tokens=256
    )
    server.on(_methods.LIST_MODELS, lambda request: model_pb2.ListModelsResponse(models=[model]))
    server.on(_methods.LOAD_MODEL, lambda request: model_pb2.LoadModelResponse(model=model))
    server.on(_methods.UNLOAD_MODEL, lambda request: model_pb2.UnloadModelResponse())
    with favor.Client(server.endpoint) as client:
        (info,) = client.models()
        assert (info.name, info.dimensions, info.pooling, info.prompts) == ("m", 384, "mean", {"query": "query: "})
        assert info.poolings == ("mean",)
        assert info.default_prompt == "query"
        model.pooling, model.poolings[:] = 0, [2, 6, 7]
        assert client.models()[0].poolings == ("cls", "weighted_mean", "mean_sqrt_len")
        model.pooling, model.poolings[:] = 1, []
        assert client.load_model("m", "/models/m") == info
        client.load_model("m")
        client.unload_model("m")
    assert [request.path for request in server.requests[2:4]] == ["/models/m", ""]


@pytest.mark.parametrize(
    ("endpoint", "local"),
    [("unix:/x", True), ("dns:///localhost:1", True), ("127.0.0.1:1", True), ("[::1]:1", True), ("example.org:1", False)],
)
def test_local_endpoints_use_no_proxy(endpoint, local):
    assert is_local(endpoint) is local
    arguments = dict(channel_arguments(favor.ClientOptions(endpoint=endpoint)))
    assert ("grpc.enable_http_proxy" in arguments) is local


def test_settings_that_make_no_sense_are_refused(tmp_path):
    for deadline in (0, -1.0, float("nan")):
        with pytest.raises(ValueError, match=f"deadline is {deadline}"):
            favor.Client(deadline=deadline)
    with pytest.raises(ValueError, match="answer_timeout is nan"):
        favor.ResumeOptions(answer_timeout=float("nan"))
    for options in (favor.RetryOptions, favor.ResumeOptions):
        for name in ("initial_backoff", "max_backoff"):
            for value in (-0.1, float("nan")):
                with pytest.raises(ValueError, match=f"{name} is {value} s"):
                    options(**{name: value})
    with pytest.raises(ValueError, match="retries.max_retries is -1, the least is 0"):
        favor.RetryOptions(max_retries=-1)
    with pytest.raises(ValueError, match="cert_file and tls.key_file go together"):
        favor.Client(tls=favor.TlsOptions(cert_file="x"))
    (tmp_path / "text").write_text("text")
    with pytest.raises(ValueError, match="tls.ca_file: .*text is not a PEM file"):
        favor.Client(tls=favor.TlsOptions(ca_file=tmp_path / "text"))
    with pytest.raises(OSError, match="nothing-here"):
        favor.Client(tls=favor.TlsOptions(ca_file="nothing-here"))


def _certificate(folder):
    """The certificate of favord.test and its key, those of the C++ tests."""
    header = (Path(__file__).resolve().parent.parent / "test_certificate.h").read_text()
    pem, key = folder / "cert.pem", folder / "key.pem"
    for path, text in zip((pem, key), re.findall(r'R"\((.*?)\)"', header, re.DOTALL), strict=True):
        path.write_text(text)
    return pem, key


def test_tls_on_both_sides(tmp_path):
    pem, key = _certificate(tmp_path)
    credentials = grpc.ssl_server_credentials([(key.read_bytes(), pem.read_bytes())], pem.read_bytes(), True)
    with FakeServer(credentials=credentials) as server:
        server.on(_methods.GET_SERVER_INFO, failing([]))
        mine = favor.TlsOptions(ca_file=pem, cert_file=pem, key_file=key, server_name="favord.test")
        with favor.Client(server.endpoint, tls=mine) as client:
            assert client.info().version == "1.2.3"
        without = favor.TlsOptions(ca_file=pem, server_name="favord.test")
        no_retries = favor.RetryOptions(max_retries=0)
        with favor.Client(server.endpoint, tls=without, retries=no_retries) as client:
            with pytest.raises(favor.UnavailableError):
                client.info()


@pytest.mark.parametrize(
    ("endpoint", "why"),
    [
        ("", "must be host:port"),
        ("127.0.0.1", "must be host:port"),
        ("example.org:", "must be host:port"),
        (":50051", "must be host:port"),
        ("[::1]", "must be host:port"),
        ("[]:1", "must be host:port"),
        ("[::1:1", "must be host:port"),
        ("dns://9.9.9.9", "must be host:port"),
        ("ipv4:127.0.0.1", "must be host:port"),
        ("ipv6:::1", "an IPv6 address and its port are written [::1]:50051"),
        ("::1:50051", "an IPv6 address and its port are written [::1]:50051"),
        ("foo bar", "its host has ' '"),
        ("foo bar:1", "its host has ' '"),
        ("http://example.org:50051", "its host has '/'"),
        ("a:1,b:2", "its host has"),
        ("127.0.0.1:107537", "its port is 107537, must be 1 to 65535"),
        ("[::1]:65536", "its port is 65536, must be 1 to 65535"),
        ("127.0.0.1:0", "its port is 0, must be"),
        ("localhost:http", "its port is http, must be"),
        ("localhost:-1", "its port is -1, must be"),
        ("dns:///localhost:70000", "its port is 70000, must be"),
        ("dns://9.9.9.9/localhost:70000", "its port is 70000, must be"),
        ("ipv4:127.0.0.1:1,127.0.0.2:70000", "its port is 70000, must be"),
        ("ipv6:[::1]:70000", "its port is 70000, must be"),
    ],
)
def test_endpoints_that_are_none_are_refused(endpoint, why):
    for client in (favor.Client, favor.AsyncClient):
        with pytest.raises(ValueError, match=re.escape(f"endpoint is {endpoint!r}: {why}")):
            client(endpoint)


@pytest.mark.parametrize(
    "endpoint",
    [
        "localhost:1",
        "a_service.example.org:65535",
        "[fe80::1%eth0]:50051",
        "dns:///example.org",
        "dns:example.org:50051",
        "dns://9.9.9.9/example.org:50051",
        "ipv4:127.0.0.1:1,127.0.0.2:2",
        "ipv6:[::1]:1",
        "unix:/run/favord.sock",
        "unix-abstract:favord",
        "xds:///favord",
    ],
)
def test_endpoints_of_every_form_are_taken(endpoint):
    favor.ClientOptions(endpoint=endpoint)

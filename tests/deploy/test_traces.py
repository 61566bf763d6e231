"""Traces, as OpenTelemetry's own messages read them: names and numbers of favord's copy are the published ones."""

import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import pytest
from harness.processes import free_ports
from harness.replica import Replica
from harness.tools import bin_folder

grpc = pytest.importorskip("grpc")
trace_pb2 = pytest.importorskip("opentelemetry.proto.trace.v1.trace_pb2")
service_pb2 = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


class Collector(grpc.GenericRpcHandler):
    def __init__(self, port: int) -> None:
        self.requests: list[Any] = []
        self.paths: set[str] = set()
        self.lock = threading.Lock()
        self.server = grpc.server(futures.ThreadPoolExecutor(2), handlers=[self])
        assert self.server.add_insecure_port(f"127.0.0.1:{port}") == port
        self.server.start()

    def service(self, details: Any) -> Any:
        with self.lock:
            self.paths.add(details.method)
        if details.method != EXPORT:
            return None
        return grpc.unary_unary_rpc_method_handler(
            self.export,
            request_deserializer=service_pb2.ExportTraceServiceRequest.FromString,
            response_serializer=service_pb2.ExportTraceServiceResponse.SerializeToString,
        )

    def export(self, request: Any, context: Any) -> Any:
        del context
        with self.lock:
            self.requests.append(request)
        return service_pb2.ExportTraceServiceResponse()


@pytest.fixture
def collector_and_replica(tmp_path: Path) -> Iterator[tuple[Collector, Replica]]:
    ports = free_ports(3)
    collector = Collector(ports[2])
    flags = ["--otlp-endpoint", f"http://127.0.0.1:{ports[2]}", "--trace-sample-ratio", "1", "--drain-delay", "0s"]
    replica = Replica("favord", ports[0], ports[1], tmp_path, flags=flags)
    try:
        replica.start()
        yield collector, replica
    finally:
        replica.kill()
        collector.server.stop(None)


def test_spans_read_as_opentelemetrys_own_messages(collector_and_replica: tuple[Collector, Replica]) -> None:
    collector, replica = collector_and_replica
    began = time.time_ns()
    subprocess.run(
        [
            str(bin_folder() / "favor"),
            "bench",
            "--endpoint",
            replica.address,
            "--length",
            "16",
            "--closed-loop",
            "--concurrency",
            "1",
            "--duration",
            "1s",
            "--warm-up",
            "1ms",
        ],
        check=True,
        capture_output=True,
    )
    replica.drain()
    ended = time.time_ns()
    assert collector.paths == {EXPORT}
    requests = collector.requests
    # What this reader does not know would be a field that is not the published one.
    for request in requests:
        known = service_pb2.ExportTraceServiceRequest.FromString(request.SerializeToString())
        known.DiscardUnknownFields()
        assert known == request
    resource = {one.key: one.value for one in requests[0].resource_spans[0].resource.attributes}
    assert resource["service.name"].string_value == "favord"
    spans = [
        span
        for request in requests
        for one in request.resource_spans
        for scope in one.scope_spans
        for span in scope.spans
    ]
    calls = [span for span in spans if span.name == "favor.v1.AttentionService/Attend"]
    assert len(calls) >= 5
    by_parent: dict[bytes, dict[str, Any]] = {}
    for span in spans:
        by_parent.setdefault(span.parent_span_id, {})[span.name] = span
    for span in calls:
        assert len(span.trace_id) == 16 and len(span.span_id) == 8
        assert span.kind == trace_pb2.Span.SPAN_KIND_SERVER
        assert began <= span.start_time_unix_nano < span.end_time_unix_nano <= ended
        assert span.status.code == trace_pb2.Status.STATUS_CODE_UNSET
        assert span.flags & trace_pb2.SPAN_FLAGS_TRACE_FLAGS_MASK == 1
        attributes = {one.key: one.value for one in span.attributes}
        assert attributes["rpc.system"].string_value == "grpc"
        assert attributes["rpc.grpc.status_code"].WhichOneof("value") == "int_value"
        assert attributes["rpc.grpc.status_code"].int_value == 0
        assert attributes["favor.request_bytes"].int_value > 1000
        assert attributes["favor.compute_seconds"].double_value > 0
        for name in ("queue", "compute"):
            child = by_parent[span.span_id][name]
            assert child.trace_id == span.trace_id and child.kind == trace_pb2.Span.SPAN_KIND_INTERNAL
            assert span.start_time_unix_nano <= child.start_time_unix_nano <= child.end_time_unix_nano
            assert child.end_time_unix_nano <= span.end_time_unix_nano

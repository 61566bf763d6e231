"""trace_cost.py: what traces and the log cost the smallest calls, in CPU time of favord. Four favords, one after the other
for half a second each, round after round, and differences within a round: a machine's other work comes and goes. Takes
some two minutes on two cores that nothing else uses; needs FAVOR_BIN and Python's grpc. Not a test."""

import os
import re
import statistics
import sys
import tempfile
from concurrent import futures
from pathlib import Path
from typing import Any

sys.dont_write_bytecode = True
import grpc  # noqa: E402
from harness import metrics  # noqa: E402
from harness.load import Load  # noqa: E402
from harness.processes import Process, await_true, free_ports  # noqa: E402
from harness.tools import bin_folder  # noqa: E402

CORES = sorted(os.sched_getaffinity(0))
ROUNDS = int(os.environ.get("ROUNDS", "24"))
SECONDS = 0.5
CALLS = ["--length", "16", "--num-features", "16", "--heads", "1", "--head-dim", "16"]
CALLS += ["--closed-loop", "--concurrency", "8", "--retries", "0", "--warm-up", "200ms"]


class Collector(grpc.GenericRpcHandler):
    """Takes what comes, and looks at nothing but its size."""

    def __init__(self, port: int) -> None:
        self.bytes = 0
        self.server = grpc.server(futures.ThreadPoolExecutor(1), handlers=[self])
        self.server.add_insecure_port(f"127.0.0.1:{port}")
        self.server.start()

    def service(self, details: Any) -> Any:
        def export(request: bytes, context: Any) -> bytes:
            self.bytes += len(request)
            return b""

        return grpc.unary_unary_rpc_method_handler(export)


def start(folder: Path, name: str, flags: list[str]) -> tuple[str, int, Process]:
    ports = free_ports(2)
    address = f"127.0.0.1:{ports[0]}"
    flags = ["--address", address, "--metrics-address", f"127.0.0.1:{ports[1]}", "--threads", "1", *flags]
    process = Process([str(bin_folder() / "favord"), *flags], folder / f"{name}.log", {CORES[0]})
    await_true(f"{name} listens", lambda: "serving" in (folder / f"{name}.log").read_text(), 20, process)
    return address, ports[1], process


def counters(port: int) -> tuple[float, float]:
    text = metrics.scrape(port)
    (seconds,) = re.findall(r"^process_cpu_seconds_total ([0-9.e+-]+)$", text, re.M)
    answered = re.findall(r'^grpc_server_handled_total\{.*grpc_code="OK".*grpc_method="Attend".* ([0-9.e+]+)$', text, re.M)
    return float(seconds), float(answered[0]) if answered else 0.0


def main() -> None:
    folder = Path(tempfile.mkdtemp())
    (port,) = free_ports(1)
    os.sched_setaffinity(0, {CORES[-1]})
    collector = Collector(port)
    traced = ["--log-every", "0", "--otlp-endpoint", f"http://127.0.0.1:{port}", "--trace-sample-ratio"]
    kinds = {
        "neither": ["--log-every", "0"],
        "1% traced": [*traced, "0.01"],
        "all traced": [*traced, "1"],
        "all logged": ["--log-every", "1"],
    }
    running = {name: start(folder, name.replace(" ", "_"), flags) for name, flags in kinds.items()}
    cpu: dict[str, list[float]] = {name: [] for name in kinds}
    for number in range(ROUNDS + 1):
        for name, (address, metrics_port, _) in running.items():
            before = counters(metrics_port)
            Load(address, SECONDS, CALLS, cpu=CORES[-1]).finish()
            seconds, answered = (now - then for now, then in zip(counters(metrics_port), before, strict=True))
            if number > 0:  # the first calls of a server are slower
                cpu[name].append(seconds / answered * 1e6)
    for name, (_, metrics_port, process) in running.items():
        exported = re.findall(r"^favor_traced_calls_total.*$", metrics.scrape(metrics_port), re.M)
        more = sorted(its - base for its, base in zip(cpu[name], cpu["neither"], strict=True))
        print(
            f"{name:12} {statistics.median(cpu[name]):6.1f} us a call; beyond neither: {statistics.median(more):.1f} us "
            f"(middle half {more[len(more) // 4]:.1f} to {more[3 * len(more) // 4]:.1f})",
            "; ".join(exported),
        )
        process.kill()
    print(f"{collector.bytes} bytes of spans")


if __name__ == "__main__":
    main()

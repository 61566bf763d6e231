"""Measures a real favord with `favor bench`, over TCP and a unix socket, beside a plain gRPC echo of the same bytes."""
import json
import pathlib
import socket
import subprocess
import tempfile
import time

LARGE = ["--length", "4096", "--closed-loop", "--concurrency", "1", "--echo"]
SMALL = ["--length", "16", "--echo"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A favord that serves while the `with` block runs."""

    def __init__(self, binaries, endpoint):
        self.favor, self.endpoint = binaries / "favor", endpoint
        command = [binaries / "favord", "--address", endpoint, "--metrics-address", ""]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __enter__(self):
        for _ in range(100):
            if subprocess.run([self.favor, "health", "--endpoint", self.endpoint], capture_output=True,
                              check=False).returncode == 0:
                return self
            time.sleep(0.1)
        raise RuntimeError(f"favord at {self.endpoint} did not get ready")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=30)

    def bench(self, *arguments):
        command = [self.favor, "bench", "--endpoint", self.endpoint, "--json", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return json.loads(done.stdout) if done.returncode == 0 else None


def measure(binaries, quick):
    """Rows of {transport, load, ...} as `favor bench --json` has them, latencies in seconds."""
    duration = "3s" if quick else "15s"
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for transport, endpoint in [("tcp", f"127.0.0.1:{free_port()}"),
                                    ("unix", f"unix:{pathlib.Path(folder) / 'favord.sock'}")]:
            with Server(binaries, endpoint) as server:
                full = server.bench("--length", "16", "--closed-loop", "--concurrency", "4", "--duration", duration)
                half = full["attend"]["calls_per_second"] / 2 if full else 100
                for load, arguments in [("large", [*LARGE, "--duration", duration]),
                                        ("small, 1 call/s", [*SMALL, "--rate", "1", "--arrivals", "constant",
                                                             "--duration", "20s" if quick else "60s"]),
                                        ("small, half load", [*SMALL, "--rate", f"{half:.0f}", "--duration", duration])]:
                    result = server.bench(*arguments)
                    if result is None or result["attend"]["succeeded"] == 0:
                        continue
                    attend = result["attend"]
                    rows.append({
                        "transport": transport, "load": load, "rate": attend["calls_per_second"],
                        "round_trip": attend["round_trip_seconds"], "latency": attend["latency_seconds"],
                        "compute": attend["compute_seconds"], "echo": result["echo"]["round_trip_seconds"],
                        "echoes_beside_compute": result.get("echoes_beside_compute"),
                        "errors": attend["failed"], "dropped": attend["dropped"],
                    })
    return rows

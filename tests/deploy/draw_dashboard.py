"""draw_dashboard.py <SVG file>: draws the dashboard from what a Prometheus saw of three favords behind HAProxy, while load
came and went, a replica was restarted, a burst was refused, of low priority first, and mode auto was asked for. Takes
three minutes; needs FAVOR_BIN. Not a test."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True
from harness import balancers, picture  # noqa: E402
from harness.load import Load  # noqa: E402
from harness.monitoring import Prometheus  # noqa: E402
from harness.processes import free_ports  # noqa: E402
from harness.replica import Replica  # noqa: E402
from test_monitoring import make_performer  # noqa: E402


def embed(address: str, seconds: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [
            os.environ["FAVOR_BIN"] + "/favor",
            "bench-embed",
            "--endpoint",
            address,
            "--rate",
            "20",
            "--duration",
            f"{seconds}s",
            "--words",
            "40",
            "--spread",
            "exponential",
        ],
        stdout=subprocess.DEVNULL,
    )


def stream(address: str) -> subprocess.Popen[bytes]:
    """A stream that is open and says nothing more, until its standard input is closed."""
    command = [os.environ["FAVOR_BIN"] + "/favor", "stream", "--endpoint", address, "--input", "-", "--head-dim", "16"]
    one = subprocess.Popen([*command, "--chunk", "8"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert one.stdin is not None
    one.stdin.write(bytes(8 * 3 * 16 * 4))
    one.stdin.flush()
    return one


def main(target: Path) -> None:
    folder = Path(tempfile.mkdtemp())
    model = make_performer(folder / "performer")
    ports = free_ports(6)
    replicas = [
        Replica(f"favord-{i + 1}", ports[2 * i], ports[2 * i + 1], folder, ["--model", str(model), "--max-calls", "16"])
        for i in range(3)
    ]
    for replica in replicas:
        replica.start()
    balancer = balancers.start("haproxy", folder, replicas)
    prometheus = Prometheus(folder, replicas, "127.0.0.1:1")
    time.sleep(10)
    start = time.time()
    texts = embed(balancer.address, 145)
    Load(balancer.address, 30, ["--rate", "20", "--length", "64"]).finish(200)
    busy = Load(balancer.address, 60, ["--rate", "60", "--length", "64", "--connections", "4"])
    time.sleep(20)
    replicas[0].drain()
    replicas[0].start()
    streams = [stream(balancer.address) for _ in range(5)]
    busy.finish(200)
    for one in streams:
        one.communicate()
    # More than two cores compute, of calls that are small on the wire.
    burst = ["--length", "64", "--num-features", "2048", "--concurrency", "200", "--connections", "4", "--priority"]
    low = Load(balancer.address, 30, ["--rate", "100", *burst, "low"])
    Load(balancer.address, 30, ["--rate", "100", *burst, "normal"]).finish(200)
    low.finish(200)
    auto = Load(balancer.address, 25, ["--rate", "5", "--length", "1024", "--mode", "auto", "--max-relative-error", "0.3"])
    Load(balancer.address, 25, ["--rate", "20", "--length", "64"]).finish(200)
    auto.finish(200)
    names = {f"127.0.0.1:{replica.metrics_port}": replica.name for replica in replicas}
    target.write_text(picture.draw(prometheus.port, start, time.time(), names))
    texts.wait()
    for process in (prometheus.process, balancer.process):
        process.kill()
    for replica in replicas:
        replica.kill()


if __name__ == "__main__":
    main(Path(sys.argv[1]))

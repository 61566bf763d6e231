"""draw_dashboard.py <SVG file>: draws the dashboard from what a Prometheus saw of three favords behind HAProxy, while load
came and went, a replica was restarted and a burst was refused. Takes four minutes; needs FAVOR_BIN. Not a test."""

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
    texts = embed(balancer.address, 220)
    Load(balancer.address, 60, ["--rate", "20", "--length", "64"]).finish(200)
    busy = Load(balancer.address, 90, ["--rate", "60", "--length", "64", "--connections", "4"])
    time.sleep(30)
    replicas[0].drain()
    replicas[0].start()
    busy.finish(200)
    Load(
        balancer.address, 30, ["--rate", "300", "--length", "128", "--concurrency", "200", "--connections", "4"]
    ).finish(200)
    Load(balancer.address, 30, ["--rate", "20", "--length", "64"]).finish(200)
    names = {f"127.0.0.1:{replica.metrics_port}": replica.name for replica in replicas}
    target.write_text(picture.draw(prometheus.port, start, time.time(), names))
    texts.wait()
    for process in (prometheus.process, balancer.process):
        process.kill()
    for replica in replicas:
        replica.kill()


if __name__ == "__main__":
    main(Path(sys.argv[1]))

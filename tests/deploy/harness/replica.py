"""One favord process that can be stopped, killed and started again at the same address."""

import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .processes import Process, await_true, free_ports
from .tools import bin_folder


class Replica:
    def __init__(
        self,
        name: str,
        port: int,
        metrics_port: int,
        folder: Path,
        flags: list[str] | None = None,
        cpus: set[int] | None = None,
    ) -> None:
        self.name = name
        self.port = port
        self.metrics_port = metrics_port
        self.log = folder / f"{name}.log"
        self._flags = flags or []
        self._cpus = cpus
        self.process: Process | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> float:
        """Starts it and waits until it says SERVING; returns the seconds that took."""
        began = time.monotonic()
        # --log-level warning: a line per call would be most of the test's disk writes.
        self.process = Process(
            [
                str(bin_folder() / "favord"),
                "--address",
                self.address,
                "--metrics-address",
                f"127.0.0.1:{self.metrics_port}",
                "--log-level",
                "warning",
                *self._flags,
            ],
            self.log,
            self._cpus,
        )
        await_true(f"{self.name} serves", self.serving, 30, self.process)
        return time.monotonic() - began

    def serving(self) -> bool:
        return (
            subprocess.run(
                [str(bin_folder() / "favor"), "health", "--endpoint", self.address, "--deadline", "1s"],
                capture_output=True,
            ).returncode
            == 0
        )

    def drain(self) -> float:
        """SIGTERM as an orchestrator sends it; returns the seconds until it ended, which must be with 0."""
        assert self.process is not None
        began = time.monotonic()
        self.process.signal(signal.SIGTERM)
        code = self.process.wait(60)
        assert code == 0, f"{self.name} ended with {code}\n{self.process.tail()}"
        return time.monotonic() - began

    def kill(self) -> None:
        """SIGKILL: the process is gone, its connections are cut."""
        if self.process is not None:
            self.process.kill()

    def resident_bytes(self) -> int:
        assert self.process is not None
        status = Path(f"/proc/{self.process.popen.pid}/status").read_text()
        found = re.search(r"VmRSS:\s*(\d+) kB", status)
        assert found
        return int(found[1]) * 1024


@contextmanager
def three_replicas(folder: Path, flags: list[str] | None = None) -> Iterator[list[Replica]]:
    """favord-1 to favord-3, started; killed at the end."""
    ports = free_ports(6)
    three = [Replica(f"favord-{i + 1}", ports[2 * i], ports[2 * i + 1], folder, flags) for i in range(3)]
    try:
        for replica in three:
            replica.start()
        yield three
    finally:
        for replica in three:
            replica.kill()

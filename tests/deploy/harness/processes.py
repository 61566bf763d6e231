"""Programs that a test starts, and stops by their own process id whatever becomes of the test."""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def claim_cores(cpus: set[int]) -> None:
    """For what is measured: it runs on these cores, and before whatever else wants them where the system lets us."""
    os.sched_setaffinity(0, cpus)
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, -15)


class Process:
    """A running program; what it prints goes to a file."""

    def __init__(self, argv: list[str], log: Path, cpus: set[int] | None = None) -> None:
        self.argv = argv
        self.log = log

        def prepare() -> None:
            _die_with_parent()
            if cpus:
                claim_cores(cpus)

        with log.open("ab") as out:
            self.popen = subprocess.Popen(
                argv,
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                preexec_fn=prepare,
                start_new_session=True,
            )

    def running(self) -> bool:
        return self.popen.poll() is None

    def signal(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    def wait(self, seconds: float) -> int:
        return self.popen.wait(seconds)

    def kill(self) -> None:
        """Ends it and what it started: nginx leaves its workers behind when it is killed alone."""
        if self.running():  # else its number may be another's by now
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()

    def tail(self) -> str:
        return "".join(self.log.read_text(errors="replace").splitlines(keepends=True)[-20:])


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on, all different. (Programs that can pick one themselves are better asked to.)"""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def await_true(what: str, condition: Callable[[], bool], seconds: float, process: Process | None = None) -> None:
    """Returns when the condition holds; fails after the time, or when the process it depends on has ended."""
    end = time.monotonic() + seconds
    while not condition():
        if process is not None and not process.running():
            raise AssertionError(f"{what}: {process.argv[0]} ended with {process.popen.returncode}\n{process.tail()}")
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds} s" + (f"\n{process.tail()}" if process else ""))
        time.sleep(0.05)

"""./dev up and ./dev down: the whole picture on one machine, and nothing left of it."""

import os
import socket
import subprocess
from pathlib import Path

from harness.load import Load
from harness.processes import free_ports
from harness.tools import DEPLOY, bin_folder, tool


def listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def free_base() -> int:
    """Ten ports in a row nobody listens on."""
    while True:
        (base,) = free_ports(1)
        if base < 65000 and not any(listens(port) for port in range(base, base + 10)):
            return base


def test_up_starts_what_it_says_and_down_ends_it(tmp_path: Path) -> None:
    for name in ("haproxy", "prometheus", "prometheus-alertmanager"):
        tool(name)
    base = free_base()
    environment = os.environ | {"FAVOR_UP_BASE": str(base), "FAVOR_UP_FOLDER": str(tmp_path)}

    def local(*arguments: str) -> str:
        result = subprocess.run(
            ["bash", str(DEPLOY / "local.sh"), *arguments],
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert result.returncode == 0, result.stdout
        return result.stdout

    try:
        links = local("up", str(bin_folder()))
        assert f"127.0.0.1:{base}" in links
        assert all(listens(port) for port in range(base, base + 10))
        outcome = Load(f"127.0.0.1:{base}", 3, ["--rate", "20", "--length", "16"]).finish()
        assert outcome.succeeded == outcome.sent > 0, outcome
        again = subprocess.run(
            ["bash", str(DEPLOY / "local.sh"), "up", str(bin_folder())], env=environment, text=True, capture_output=True
        )
        assert again.returncode != 0 and "already up" in again.stderr
    finally:
        print(local("down"))
    assert not any(listens(port) for port in range(base, base + 10))

"""The balancers of deploy/, run as they are but for names and ports."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .processes import Process, await_true, free_ports
from .replica import Replica
from .tools import DEPLOY, bin_folder, render, tool

KINDS = ["haproxy", "nginx", "envoy"]


@dataclass
class Balancer:
    process: Process
    port: int

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"


def _haproxy(folder: Path, ports: list[int], backends: list[int]) -> list[str]:
    replacements = {
        f"favord-{i} favord-{i}:50051": f"favord-{i} 127.0.0.1:{port}" for i, port in enumerate(backends, 1)
    }
    replacements |= {
        "bind :50051 proto": f"bind 127.0.0.1:{ports[0]} proto",
        "bind :8404": f"bind 127.0.0.1:{ports[1]}",
    }
    return [
        tool("haproxy"),
        "-db",
        "-f",
        str(render(DEPLOY / "haproxy/haproxy.cfg", folder / "haproxy.cfg", replacements)),
    ]


def _nginx(folder: Path, ports: list[int], backends: list[int]) -> list[str]:
    replacements = {f"server favord-{i}:50051": f"server 127.0.0.1:{port}" for i, port in enumerate(backends, 1)}
    replacements |= {
        "listen 50051 http2": f"listen 127.0.0.1:{ports[0]} http2",
        "/tmp/": f"{folder}/",
        "/dev/stderr": f"{folder}/nginx_errors.log",
    }
    config = render(DEPLOY / "nginx/nginx.conf", folder / "nginx.conf", replacements)
    # Started by root, nginx would hand its workers to another user, who may not enter the test's folder.
    user = "user root; " if os.geteuid() == 0 else ""
    return [tool("nginx"), "-e", f"{folder}/nginx_errors.log", "-c", str(config), "-g", f"{user}daemon off;"]


def _envoy(folder: Path, ports: list[int], backends: list[int]) -> list[str]:
    replacements = {
        f"{{ address: favord-{i}, port_value: 50051 }}": f"{{ address: 127.0.0.1, port_value: {port} }}"
        for i, port in enumerate(backends, 1)
    }
    replacements |= {
        "{ address: 0.0.0.0, port_value: 50051 }": f"{{ address: 127.0.0.1, port_value: {ports[0]} }}",
        "{ address: 0.0.0.0, port_value: 9901 }": f"{{ address: 127.0.0.1, port_value: {ports[1]} }}",
    }
    config = render(DEPLOY / "envoy/envoy.yaml", folder / "envoy.yaml", replacements)
    # No hot restarts here: they share memory by a number that two Envoys on one machine would have in common.
    return [tool("envoy"), "-c", str(config), "--disable-hot-restart", "--log-level", "warning", "--concurrency", "1"]


_COMMANDS = {"haproxy": _haproxy, "nginx": _nginx, "envoy": _envoy}


def command(kind: str, folder: Path, ports: list[int], backends: list[int]) -> list[str]:
    """The command that runs a balancer at ports[0], its statistics at ports[1], before favords at `backends`."""
    return _COMMANDS[kind](folder, ports, backends)


def check_command(kind: str, argv: list[str]) -> list[str]:
    """The command by which the balancer itself checks the configuration of `argv`."""
    config = argv[argv.index("-f" if kind == "haproxy" else "-c") + 1]
    return {
        "haproxy": [argv[0], "-c", "-f", config],
        "nginx": [argv[0], "-t", "-e", "/dev/null", "-c", config],
        "envoy": [argv[0], "--mode", "validate", "-c", config],
    }[kind]


def start(kind: str, folder: Path, replicas: list[Replica]) -> Balancer:
    ports = free_ports(2)
    process = Process(command(kind, folder, ports, [replica.port for replica in replicas]), folder / f"{kind}.log")
    balancer = Balancer(process, ports[0])

    def answers() -> bool:
        return (
            subprocess.run(
                [str(bin_folder() / "favor"), "info", "--endpoint", balancer.address, "--deadline", "1s"],
                capture_output=True,
            ).returncode
            == 0
        )

    await_true(f"{kind} answers", answers, 20, process)
    return balancer


def dead_time_seconds(kind: str) -> float:
    """How long after a start a replica is sure to get calls again, by the check intervals in the configuration."""
    if kind == "nginx":
        found = re.search(r"fail_timeout=(\d+)s", (DEPLOY / "nginx/nginx.conf").read_text())
        assert found
        return float(found[1]) + 0.5
    return 2.0  # one interval of 1 s, one check, and some air

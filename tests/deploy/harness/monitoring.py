"""Prometheus and Alertmanager of deploy/, run as they are but for names and ports."""

import json
import threading
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from .processes import Process, await_true, free_ports
from .replica import Replica
from .tools import DEPLOY, render, tool


class Prometheus:
    def __init__(self, folder: Path, replicas: list[Replica], alertmanager: str) -> None:
        (self.port,) = free_ports(1)
        replacements = {
            f"favord-{i}:9464": f"127.0.0.1:{replica.metrics_port}" for i, replica in enumerate(replicas, 1)
        }
        replacements |= {
            "alertmanager:9093": alertmanager,
            "envoy:9901": "127.0.0.1:1",
            "rules/*.yml": f"{DEPLOY}/prometheus/rules/*.yml",
        }
        config = render(DEPLOY / "prometheus/prometheus.yml", folder / "prometheus.yml", replacements)
        self.process = Process(
            [
                tool("prometheus"),
                f"--config.file={config}",
                f"--storage.tsdb.path={folder}/tsdb",
                f"--web.listen-address=127.0.0.1:{self.port}",
            ],
            folder / "prometheus.log",
        )
        await_true("Prometheus is ready", lambda: self._get("/-/ready") is not None, 30, self.process)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The samples of an expression now; an error of the expression is an error."""
        answer = self._get("/api/v1/query?" + urllib.parse.urlencode({"query": expression}))
        assert answer is not None, f"Prometheus does not answer {expression}"
        parsed = json.loads(answer)
        assert parsed["status"] == "success", parsed
        return parsed["data"]["result"]

    def value(self, expression: str) -> float | None:
        samples = self.query(expression)
        return float(samples[0]["value"][1]) if samples else None

    def targets_up(self) -> int:
        return int(self.value('sum(up{job="favord"})') or 0)

    def _get(self, path: str) -> str | None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.read().decode() if error.code in (400, 422) else None
        except OSError:
            return None


class Receiver:
    """Takes what Alertmanager sends: (path, alert name) of every alert that fires."""

    def __init__(self) -> None:
        self.fired: list[tuple[str, str]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                for alert in body["alerts"]:
                    if alert["status"] == "firing":
                        receiver.fired.append((self.path, alert["labels"]["alertname"]))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Alertmanager:
    def __init__(self, folder: Path, receiver: Receiver) -> None:
        (port,) = free_ports(1)
        self.address = f"127.0.0.1:{port}"
        config = render(
            DEPLOY / "alertmanager/alertmanager.yml",
            folder / "alertmanager.yml",
            {"receiver:9095": f"127.0.0.1:{receiver.port}"},
        )
        self.process = Process(
            [
                tool("prometheus-alertmanager"),
                f"--config.file={config}",
                f"--storage.path={folder}/alertmanager",
                f"--web.listen-address={self.address}",
                "--cluster.listen-address=",
            ],
            folder / "alertmanager.log",
        )
        await_true("Alertmanager is ready", self._ready, 30, self.process)

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.address}/-/ready", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

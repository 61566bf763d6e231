"""Names of metrics: those favord exports, those that rules and dashboards ask for."""

import json
import re
import urllib.request
from pathlib import Path

from .tools import DEPLOY

DASHBOARD = DEPLOY / "grafana/dashboards/favord.json"
RULES = DEPLOY / "prometheus/rules"


def scrape(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return answer.read().decode()


def answered_and_cpu_seconds(port: int, method: str) -> tuple[float, float]:
    """Calls of the method that were answered, and CPU seconds of the process: on a machine that others use too, calls per
    second alone say little."""
    text = scrape(port)
    answered = re.findall(
        rf'^grpc_server_handled_total\{{.*grpc_code="OK".*grpc_method="{method}".* ([0-9.e+]+)$', text, re.M
    )
    (seconds,) = re.findall(r"^process_cpu_seconds_total ([0-9.e+]+)$", text, re.M)
    return float(answered[0]) if answered else 0.0, float(seconds)


def exported(exposition: str) -> set[str]:
    """Names as queries use them: a histogram by its buckets, sum and count."""
    names = set()
    for line in exposition.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            names |= {f"{name}_bucket", f"{name}_sum", f"{name}_count"} if kind == "histogram" else {name}
    return names


def dashboard_queries(dashboard: Path = DASHBOARD) -> list[tuple[str, str]]:
    """(title of the panel, query) with the dashboard's variables put in."""
    queries = []
    for panel in json.loads(dashboard.read_text())["panels"]:
        for target in panel["targets"]:
            query = target["expr"]
            for variable, value in {"$__rate_interval": "20s", "$instance": ".*", "$method": "Attend|Embed"}.items():
                query = query.replace(variable, value)
            queries.append((panel["title"], query))
    return queries


def recorded() -> set[str]:
    return set(re.findall(r"record: (\S+)", (RULES / "recording.yml").read_text()))


def asked_for(text: str) -> set[str]:
    """Names of favord's own metrics, and of recording rules, in a text."""
    without_comments = re.sub(r"^\s*#.*$", "", text, flags=re.M)
    return set(re.findall(r"\b(?:favor_|grpc_server_|process_)[a-z_]+\b|\bfavor:[a-z0-9_:]+\b", without_comments))

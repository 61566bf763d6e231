"""Every configuration of deploy/ passes the check of the program it is for. Takes seconds; no load, no root."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from harness import balancers, metrics
from harness.processes import free_ports
from harness.replica import Replica
from harness.tools import DEPLOY, ROOT, render, tool


def run(argv: list[str]) -> None:
    result = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert result.returncode == 0, f"{' '.join(argv)}\n{result.stdout}"


def rule_files() -> list[str]:
    return sorted(map(str, metrics.RULES.glob("*.yml")))


@pytest.mark.parametrize("kind", balancers.KINDS)
def test_balancer_takes_its_configuration(kind: str, tmp_path: Path) -> None:
    run(balancers.check_command(kind, balancers.command(kind, tmp_path, free_ports(2), free_ports(3))))


def test_health_check_of_haproxy_is_the_call_it_claims_to_be() -> None:
    def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
        return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload

    path = b"/grpc.health.v1.Health/Check"
    # HPACK: POST and http are in the static table, :path is name 4, :authority 1, content-type 31 (as 15 + 16).
    headers = (b"\x83\x86\x04" + bytes([len(path)]) + path + b"\x01\x06favord" + b"\x0f\x10\x10application/grpc" +
               b"\x00\x02te\x08trailers")
    expected = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", frame(4, 0, 0, b""), frame(1, 4, 1, headers), frame(0, 1, 1, bytes(5))]
    sent = re.findall(r"send-binary ([0-9a-f]+)", (DEPLOY / "haproxy/haproxy.cfg").read_text())
    assert [bytes.fromhex(one) for one in sent] == expected


def test_drain_delay_is_longer_than_balancers_take_to_notice() -> None:
    delay = re.search(r"`--drain-delay`.*?\| `(\d+)s`", (ROOT / "docs/settings.md").read_text())
    haproxy = (DEPLOY / "haproxy/haproxy.cfg").read_text()
    envoy = (DEPLOY / "envoy/envoy.yaml").read_text()
    assert delay
    check = re.search(r"timeout check (\d+)ms", haproxy)
    server = re.search(r"check-proto none inter (\d+)s .* fall (\d+)", haproxy)
    assert check and server
    assert int(server[1]) * int(server[2]) + int(check[1]) / 1000 < int(delay[1]) * 0.75
    times = [re.search(pattern, envoy) for pattern in (r"- interval: (\d+)s", r"timeout: ([\d.]+)s\n\s+no_traffic",
                                                        r"unhealthy_threshold: (\d+)")]
    assert all(times)
    interval, timeout, threshold = (float(found[1]) for found in times)
    assert interval * threshold + timeout < int(delay[1]) * 0.75


def test_prometheus_takes_its_configuration_and_rules(tmp_path: Path) -> None:
    config = render(DEPLOY / "prometheus/prometheus.yml", tmp_path / "prometheus.yml",
                    {"rules/*.yml": f"{metrics.RULES}/*.yml"})
    run([tool("promtool"), "check", "config", str(config)])
    run([tool("promtool"), "check", "rules", *rule_files()])


def test_rules_pass_their_tests() -> None:
    run([tool("promtool"), "test", "rules", *sorted(map(str, (DEPLOY / "prometheus/tests").glob("*.yml")))])


def test_every_alert_has_a_rule_test_and_a_runbook_entry() -> None:
    alerts = set(re.findall(r"alert: (\w+)", (metrics.RULES / "alerts.yml").read_text()))
    tests = (DEPLOY / "prometheus/tests/alerts_test.yml").read_text()
    fired = set(re.findall(r"alertname: (\w+)\n\s+eval_time: \w+\n\s+exp_alerts:\n", tests))
    entries = set(re.findall(r"^## (Favord\w+)$", (ROOT / "docs/runbook.md").read_text(), flags=re.M))
    assert alerts == fired
    assert alerts == entries
    assert {f"docs/runbook.md#{alert.lower()}" for alert in alerts} == set(
        re.findall(r"runbook: (\S+)", (metrics.RULES / "alerts.yml").read_text()))


def test_alertmanager_takes_its_configuration() -> None:
    run([tool("amtool"), "check-config", str(DEPLOY / "alertmanager/alertmanager.yml")])


def test_rules_and_dashboard_ask_for_metrics_that_favord_exports(tmp_path: Path) -> None:
    ports = free_ports(2)
    replica = Replica("favord", ports[0], ports[1], tmp_path)
    try:
        replica.start()
        exposition = metrics.scrape(ports[1])
    finally:
        replica.kill()
    known = metrics.exported(exposition) | metrics.recorded()
    texts = {Path(path).name: Path(path).read_text() for path in rule_files()}
    texts["dashboard"] = "\n".join(query for _, query in metrics.dashboard_queries())
    texts["rule tests"] = "\n".join(path.read_text() for path in (DEPLOY / "prometheus/tests").glob("*.yml"))
    for name, text in texts.items():
        asked = metrics.asked_for(text)
        assert asked, name
        assert asked <= known, f"{name} asks for {asked - known}"
    result = subprocess.run([tool("promtool"), "check", "metrics"], input=exposition, text=True, capture_output=True)
    assert result.returncode == 0 and not result.stderr, result.stderr


def test_dashboard_panels_have_ids_places_and_units() -> None:
    panels = json.loads(metrics.DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = set()
    for panel in panels:
        place = panel["gridPos"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert 0 <= x < 24 and (x, y) not in taken, f"{panel['title']} covers another panel"
                taken.add((x, y))

"""Every configuration of deploy/ passes the check of the program it is for. Takes seconds; no load, no root."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from harness import balancers, metrics
from harness.processes import free_ports
from harness.replica import Replica
from harness.tools import DEPLOY, ROOT, bin_folder, render, tool


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
    headers = (
        b"\x83\x86\x04"
        + bytes([len(path)])
        + path
        + b"\x01\x06favord"
        + b"\x0f\x10\x10application/grpc"
        + b"\x00\x02te\x08trailers"
    )
    expected = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        frame(4, 0, 0, b""),
        frame(1, 4, 1, headers),
        frame(0, 1, 1, bytes(5)),
    ]
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
    times = [
        re.search(pattern, envoy)
        for pattern in (r"- interval: (\d+)s", r"timeout: ([\d.]+)s\n\s+no_traffic", r"unhealthy_threshold: (\d+)")
    ]
    assert all(times)
    interval, timeout, threshold = (float(found[1]) for found in times)
    assert interval * threshold + timeout < int(delay[1]) * 0.75


def test_prometheus_takes_its_configuration_and_rules(tmp_path: Path) -> None:
    config = render(
        DEPLOY / "prometheus/prometheus.yml", tmp_path / "prometheus.yml", {"rules/*.yml": f"{metrics.RULES}/*.yml"}
    )
    run([tool("promtool"), "check", "config", str(config)])
    run([tool("promtool"), "check", "rules", *rule_files()])


def test_rules_pass_their_tests() -> None:
    run([tool("promtool"), "test", "rules", *sorted(map(str, (DEPLOY / "prometheus/tests").glob("*.yml")))])


def test_every_alert_has_a_rule_test_and_a_runbook_entry() -> None:
    alerts = set(re.findall(r"alert: (\w+)", (metrics.RULES / "alerts.yml").read_text()))
    tests = "".join(path.read_text() for path in (DEPLOY / "prometheus/tests").glob("*.yml"))
    fired = set(re.findall(r"alertname: (\w+)\n\s+eval_time: \w+\n\s+exp_alerts:\n", tests))
    entries = set(re.findall(r"^## (Favord\w+)$", (ROOT / "docs/runbook.md").read_text(), flags=re.M))
    assert alerts == fired
    assert alerts == entries
    assert {f"docs/runbook.md#{alert.lower()}" for alert in alerts} == set(
        re.findall(r"runbook: (\S+)", (metrics.RULES / "alerts.yml").read_text())
    )


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
    # The page too, which a test of its own keeps true: some metrics have samples only with TLS.
    page = set(re.findall(r"`((?:favor|process|grpc_server)_[a-z_]+)`", (ROOT / "docs/metrics.md").read_text()))
    known = metrics.exported(exposition) | metrics.recorded() | page
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


def test_compose_file_names_what_the_configurations_name() -> None:
    path = DEPLOY / "compose/compose.yaml"
    services = yaml.safe_load(path.read_text())["services"]
    assert {"favord-1", "favord-2", "favord-3", "envoy", "prometheus", "alertmanager", "grafana"} == set(services)
    for name in ("favord-1", "favord-2", "favord-3"):
        one = services[name]
        assert one["read_only"] and one["cap_drop"] == ["ALL"] and one["user"] == "65532:65532"
        seconds = [
            int(text.removesuffix("s"))
            for text in (
                one["stop_grace_period"],
                one["environment"]["FAVORD_DRAIN_DELAY"],
                one["environment"]["FAVORD_DRAIN_TIMEOUT"],
            )
        ]
        assert seconds[0] >= seconds[1] + seconds[2] + 5
        for config in ("envoy/envoy.yaml", "prometheus/prometheus.yml", "haproxy/haproxy.cfg", "nginx/nginx.conf"):
            assert name in (DEPLOY / config).read_text()
    for name, service in services.items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert not source.startswith(".") or (path.parent / source).exists(), f"{name}: {source}"
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), f"{name} listens beyond this machine"
    prometheus = (DEPLOY / "grafana/provisioning/datasources/prometheus.yml").read_text()
    assert "http://prometheus:9090" in prometheus


def test_compose_takes_its_file(tmp_path: Path) -> None:
    # Debian's docker-compose 1.29 checks without a daemon, but is older than the project's name in the file.
    old = render(DEPLOY / "compose/compose.yaml", tmp_path / "compose.yaml", {"name: favord\n": ""})
    run([tool("docker-compose"), "-f", str(old), "config", "--quiet"])


def test_systemd_takes_the_unit_and_finds_it_closed(tmp_path: Path) -> None:
    # Where favord is not installed, another program stands in: that it exists is all that is looked at.
    unit = render(DEPLOY / "systemd/favord.service", tmp_path / "favord.service", {"/usr/bin/favord": "/bin/true"})
    analyze = tool("systemd-analyze")
    result = subprocess.run([analyze, "verify", str(unit)], capture_output=True, text=True)
    assert result.returncode == 0 and "favord.service" not in result.stderr, result.stderr
    # 1.4 of 10 as it stands; a unit without any hardening has 9.6.
    run([analyze, "security", "--offline=true", "--threshold=15", str(unit)])


def test_settings_of_the_unit_are_settings_of_favord_and_leave_time_to_drain() -> None:
    config = DEPLOY / "systemd/favord.conf"
    run([str(bin_folder() / "favord"), "--config", str(config), "--check"])
    text, unit = config.read_text(), (DEPLOY / "systemd/favord.service").read_text()
    delay, timeout = (
        int(re.search(rf"^{name} = (\d+)s", text, flags=re.M)[1]) for name in ("drain-delay", "drain-timeout")
    )
    stop = int(re.search(r"^TimeoutStopSec=(\d+)", unit, flags=re.M)[1])
    assert stop >= delay + timeout + 5

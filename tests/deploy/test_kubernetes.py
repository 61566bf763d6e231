"""deploy/k8s and deploy/helm render, fit Kubernetes' schemas, and hold what the rest of the project promises."""

import hashlib
import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from harness import metrics
from harness.processes import Process, await_true, free_ports
from harness.tools import DEPLOY, ROOT, bin_folder, find_tool, tool

OVERLAYS = ["base", "overlays/trial", "overlays/production"]
CHART = DEPLOY / "helm/favord"
# A helm that Go built on its own believes in Kubernetes 1.20 unless told.
VERSION = ["--kube-version", "1.31.0"]
EVERYTHING = ["--values", str(ROOT / "tests/deploy/helm_everything.yaml")]
# Kinds of others, whose schemas the validator does not have.
FOREIGN = {"ServiceMonitor", "PrometheusRule"}


def run(argv: list[str]) -> str:
    result = subprocess.run(argv, capture_output=True, text=True)
    assert result.returncode == 0, f"{' '.join(argv)}\n{result.stdout}{result.stderr}"
    return result.stdout


def kustomized(overlay: str) -> str:
    folder = str(DEPLOY / "k8s" / overlay)
    if find_tool("kustomize"):
        return run([tool("kustomize"), "build", folder])
    return run([tool("kubectl"), "kustomize", folder])


def charted(values: list[str]) -> str:
    return run([tool("helm"), "template", "favord", str(CHART), *VERSION, *values])


def objects(rendered: str) -> dict[str, dict[str, Any]]:
    """By kind and name."""
    return {f"{one['kind']}/{one['metadata']['name']}": one for one in yaml.safe_load_all(rendered) if one}


def validate(rendered: str, folder: Path) -> None:
    ours = [one for one in objects(rendered).values() if one["kind"] not in FOREIGN]
    assert len(ours) >= 4
    target = folder / "rendered.yaml"
    target.write_text(yaml.safe_dump_all(ours))
    run([tool("kubernetes-validate"), "--strict", str(target)])


def check_pod(deployment: dict[str, Any]) -> None:
    """What a namespace with pod security `restricted` asks for, and times that fit each other."""
    spec = deployment["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == 65532  # as in the Dockerfile
    assert spec["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    settings = {one["name"]: one["value"] for one in container["env"]}
    delay, timeout = (int(settings[f"FAVORD_DRAIN_{name}"].removesuffix("s")) for name in ("DELAY", "TIMEOUT"))
    assert spec["terminationGracePeriodSeconds"] >= delay + timeout + 5
    ready, live = container["readinessProbe"], container["livenessProbe"]
    if "exec" in ready:  # with TLS, which gRPC probes do not speak
        assert "grpc" not in ready and "grpc" not in live
        assert "FAVORD_TLS_CERTIFICATE" in settings
        assert "--service" not in ready["exec"]["command"]
        assert live["exec"]["command"] == [*ready["exec"]["command"], "--service", "liveness"]
    else:
        assert ready["grpc"].get("service", "") == "" and live["grpc"]["service"] == "liveness"
    # A pod that drains is found not ready while it still serves.
    assert ready["periodSeconds"] * ready["failureThreshold"] + ready["timeoutSeconds"] < delay


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_overlay_renders_and_fits_the_schemas(overlay: str, tmp_path: Path) -> None:
    rendered = kustomized(overlay)
    validate(rendered, tmp_path)
    check_pod(objects(rendered)["Deployment/favord"])


def secured(folder: Path) -> str:
    """Overlay `production` with the component that turns on TLS and API keys."""
    folder.mkdir()
    resource, component = (
        os.path.relpath(DEPLOY / "k8s" / path, folder.resolve()) for path in ("overlays/production", "components/secured")
    )
    overlay = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [resource],
        "components": [component],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
    return kustomized(str(folder))


def test_secured_component_goes_on_an_overlay_and_takes_nothing_from_it(tmp_path: Path) -> None:
    rendered = secured(tmp_path / "overlay")
    validate(rendered, tmp_path)
    deployment = objects(rendered)["Deployment/favord"]
    check_pod(deployment)
    spec = deployment["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert {volume["name"] for volume in spec["volumes"]} == {"models", "tls", "api-keys"}
    assert {mount["name"] for mount in container["volumeMounts"]} == {"models", "tls", "api-keys"}
    assert {"FAVORD_MODEL", "FAVORD_API_KEYS"} <= {one["name"] for one in container["env"]}


def make_secrets(folder: Path, server_name: str) -> None:
    """What the two secrets hold, where they would be mounted below `folder`."""
    (folder / "tls").mkdir(parents=True), (folder / "api-keys").mkdir()
    key, certificate = folder / "tls/tls.key", folder / "tls/tls.crt"
    request = [tool("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    run([*request, "-keyout", str(key), "-out", str(certificate), "-days", "2", "-subj", "/CN=favord", "-addext",
         f"subjectAltName=DNS:{server_name}"])  # fmt: skip
    (folder / "tls/ca.crt").write_bytes(certificate.read_bytes())
    (folder / "api-keys/favord.keys").write_text(f"alice {hashlib.sha256(b'secret').hexdigest()}\n")


@pytest.mark.parametrize("source", ["kustomize", "helm"])
def test_probes_of_a_secured_pod_reach_a_server_with_its_settings(source: str, tmp_path: Path) -> None:
    rendered = secured(tmp_path / "overlay") if source == "kustomize" else charted([*EVERYTHING, "--namespace", "favord"])
    (container,) = objects(rendered)["Deployment/favord"]["spec"]["template"]["spec"]["containers"]
    secrets = tmp_path / "secrets"
    make_secrets(secrets, "favord.favord.svc")

    def here(text: str) -> str:
        return text.replace("/secrets", str(secrets))

    (port,) = free_ports(1)
    flags = ["--address", f"127.0.0.1:{port}", "--metrics-address", ""]
    for one in container["env"]:
        if "/secrets" in one["value"]:
            flags += ["--" + one["name"].removeprefix("FAVORD_").lower().replace("_", "-"), here(one["value"])]
    assert len(flags) == 4 + 2 * 3
    process = Process([str(bin_folder() / "favord"), *flags], tmp_path / "favord.log")
    environment = {**os.environ, "FAVOR_ENDPOINT": f"127.0.0.1:{port}"}

    def passes(probe: str) -> bool:
        program, *arguments = map(here, container[probe]["exec"]["command"])
        command = [str(bin_folder() / program), *arguments]
        return subprocess.run(command, env=environment, capture_output=True).returncode == 0

    try:
        await_true("readiness", lambda: passes("readinessProbe"), 20, process)
        assert passes("livenessProbe")
        bare = [str(bin_folder() / "favor"), "info", "--ca", here("/secrets/tls/ca.crt"), "--server-name", "favord.favord.svc"]
        refused = subprocess.run(bare, env=environment, capture_output=True, text=True)
        assert refused.returncode == 1 and "UNAUTHENTICATED" in refused.stdout + refused.stderr
        process.signal(signal.SIGTERM)  # which drains: not ready, and alive
        await_true("not ready", lambda: not passes("readinessProbe"), 4, process)
        assert passes("livenessProbe")
    finally:
        process.kill()


@pytest.mark.parametrize("values", [[], EVERYTHING], ids=["defaults", "everything"])
def test_chart_is_clean_renders_and_fits_the_schemas(values: list[str], tmp_path: Path) -> None:
    run([tool("helm"), "lint", "--strict", str(CHART), *VERSION, *values])
    rendered = charted(values)
    validate(rendered, tmp_path)
    check_pod(objects(rendered)["Deployment/favord"])


def test_chart_deploys_what_kustomize_does() -> None:
    ours, theirs = objects(kustomized("base")), objects(charted([]))
    (ours_container,), (theirs_container,) = (
        one["Deployment/favord"]["spec"]["template"]["spec"]["containers"] for one in (ours, theirs)
    )
    for name in ("image", "env", "ports", "readinessProbe", "livenessProbe", "resources", "securityContext"):
        assert ours_container[name] == theirs_container[name], name
    for kind in (
        "PodDisruptionBudget/favord",
        "NetworkPolicy/favord",
        "Service/favord",
        "Service/favord-headless",
        "ServiceAccount/favord",
    ):
        assert kind in ours and kind in theirs
    assert ours["NetworkPolicy/favord"]["spec"]["ingress"] == theirs["NetworkPolicy/favord"]["spec"]["ingress"]


def test_chart_passes_settings_and_models_on() -> None:
    (container,) = objects(charted(EVERYTHING))["Deployment/favord"]["spec"]["template"]["spec"]["containers"]
    settings = {one["name"]: one["value"] for one in container["env"]}
    assert settings["FAVORD_MAX_CALLS"] == "64"
    assert settings["FAVORD_LOG_EVERY"] == "1000000"
    assert settings["FAVORD_LOW_PRIORITY_SHARE"] == "0.25"
    known = {name: value for name, value in settings.items() if "/" not in value}
    run(["env", *(f"{name}={value}" for name, value in known.items()), str(bin_folder() / "favord"), "--check"])
    assert settings["FAVORD_MODEL"] == "minilm=/models/all-MiniLM-L6-v2"
    assert not {"FAVORD_MODEL", "FAVORD_API_KEYS", "/secrets"} & set(re.findall(r"FAVORD_[A-Z_]+|/secrets", charted([])))


def refusal(values: str) -> str:
    argv = [tool("helm"), "template", "favord", str(CHART), *VERSION, "--set", values]
    result = subprocess.run(argv, capture_output=True, text=True)
    assert result.returncode != 0, values
    return result.stderr


def test_chart_refuses_values_it_does_not_know() -> None:
    for wrong in ("replica=5", "settings.address=0.0.0.0:1", "settings.health-access=key", "settings.max-call=5", "drain.delay=soon"):
        assert "values don't meet" in refusal(wrong), wrong
    assert "models.claim must name the claim" in refusal("models.folders.minilm=all-MiniLM-L6-v2")
    assert "minReplicas is 5, more than maxReplicas, 2" in refusal(
        "autoscaling.enabled=true,autoscaling.minReplicas=5,autoscaling.maxReplicas=2"
    )


def test_chart_knows_the_settings_of_favord() -> None:
    flags = set(re.findall(r"^ +--([a-z-]+)", run([str(bin_folder() / "favord"), "--help"]), flags=re.M))
    of_the_chart = {"address", "metrics-address", "drain-delay", "drain-timeout", "model", "tls-certificate", "tls-key", "api-keys"}
    not_in_a_pod = {"tls-client-ca", "health-access", "check", "config", "help", "version", "port-file"}
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert set(schema["properties"]["settings"]["propertyNames"]["enum"]) == flags - of_the_chart - not_in_a_pod


def test_chart_takes_a_release_called_by_a_number() -> None:
    for one in yaml.safe_load_all(run([tool("helm"), "template", "123", str(CHART), *VERSION])):
        assert one["metadata"].get("labels", {}).get("app.kubernetes.io/instance", "123") == "123"


def test_versions_are_those_of_the_project() -> None:
    version = re.search(r"^project\(favord VERSION ([0-9.]+)", (ROOT / "CMakeLists.txt").read_text(), flags=re.M)
    assert version
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    base = yaml.safe_load((DEPLOY / "k8s/base/kustomization.yaml").read_text())
    compose = (DEPLOY / "compose/compose.yaml").read_text()
    assert chart["appVersion"] == base["images"][0]["newTag"] == version[1]
    assert f"favord:{version[1]}" in compose


def test_operator_has_the_same_rules_as_prometheus() -> None:
    production = DEPLOY / "k8s/overlays/production/monitoring.yaml"
    (rule,) = (one for one in yaml.safe_load_all(production.read_text()) if one["kind"] == "PrometheusRule")
    files = [yaml.safe_load((metrics.RULES / name).read_text()) for name in ("recording.yml", "alerts.yml")]
    assert rule["spec"]["groups"] == [group for file in files for group in file["groups"]]


def test_autoscaler_reads_a_series_that_is_recorded() -> None:
    text = (DEPLOY / "k8s/overlays/production/hpa.yaml").read_text()
    (series,) = set(re.findall(r"favor:[a-z0-9_:]+", text))
    assert series in metrics.recorded()

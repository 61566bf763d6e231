"""deploy/k8s and deploy/helm render, fit Kubernetes' schemas, and hold what the rest of the project promises."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from harness import metrics
from harness.tools import DEPLOY, ROOT, find_tool, tool

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
    assert ready["grpc"].get("service", "") == "" and live["grpc"]["service"] == "liveness"
    # A pod that drains is found not ready while it still serves.
    assert ready["periodSeconds"] * ready["failureThreshold"] + ready["timeoutSeconds"] < delay


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_overlay_renders_and_fits_the_schemas(overlay: str, tmp_path: Path) -> None:
    rendered = kustomized(overlay)
    validate(rendered, tmp_path)
    check_pod(objects(rendered)["Deployment/favord"])


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
    assert settings["FAVORD_MODEL"] == "minilm=/models/all-MiniLM-L6-v2"
    assert "FAVORD_MODEL" not in charted([])


def test_chart_refuses_values_it_does_not_know() -> None:
    helm = tool("helm")
    for wrong in ("replica=5", "settings.address=0.0.0.0:1", "drain.delay=soon"):
        result = subprocess.run(
            [helm, "template", "favord", str(CHART), *VERSION, "--set", wrong], capture_output=True, text=True
        )
        assert result.returncode != 0 and "values don't meet" in result.stderr, wrong + result.stderr


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

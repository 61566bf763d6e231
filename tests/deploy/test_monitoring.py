"""Prometheus and Alertmanager of deploy/ watch three real favords: panels show data, and an alert arrives."""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import metrics
from harness.load import Load
from harness.monitoring import Alertmanager, Prometheus, Receiver
from harness.processes import await_true
from harness.replica import Replica, three_replicas
from harness.tools import ROOT, bin_folder, tool


def make_performer(folder: Path) -> Path:
    """A model of the test data as a server loads it; small, and not trained."""
    folder.mkdir()
    shutil.copy(ROOT / "tests/data/models/performer/performer_lm_rotary.safetensors", folder / "model.safetensors")
    kwargs = {"num_tokens": 61, "max_seq_len": 96, "dim": 48, "depth": 2, "heads": 3, "dim_head": 16, "nb_features": 40}
    (folder / "config.json").write_text(
        json.dumps({"model_type": "performer-pytorch", "format_version": 1, "class": "PerformerLM", "kwargs": kwargs})
    )
    (folder / "favor_tokenizer.json").write_text(
        json.dumps(
            {
                "format_version": 1,
                "type": "characters",
                "uppercase": True,
                "unknown": "X",
                "vocabulary": ["<pad>", *"ACDEFGHIKLMNPQRSTVWYX"],
            }
        )
    )
    return folder


@pytest.fixture
def replicas(tmp_path: Path) -> Iterator[list[Replica]]:
    tool("prometheus"), tool("prometheus-alertmanager")
    model = make_performer(tmp_path / "performer")
    with three_replicas(tmp_path, ["--model", str(model)]) as three:
        yield three


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    one = Receiver()
    yield one
    one.close()


@pytest.fixture
def prometheus(tmp_path: Path, replicas: list[Replica], receiver: Receiver) -> Iterator[Prometheus]:
    alertmanager = Alertmanager(tmp_path, receiver)
    one = Prometheus(tmp_path, replicas, alertmanager.address)
    yield one
    one.process.kill()
    alertmanager.process.kill()


def drive(replicas: list[Replica], seconds: float) -> None:
    """Attend and Embed calls to all, and a few that are refused."""
    loads = [Load(replica.address, seconds, ["--rate", "5", "--length", "64"]) for replica in replicas]
    for replica in replicas:
        embed = [str(bin_folder() / "favor"), "embed", "--endpoint", replica.address, "ACDEFGHIKLMN" * 20]
        for _ in range(5):
            subprocess.run(embed, check=True, capture_output=True)
            time.sleep(seconds / 10)
    for load in loads:
        outcome = load.finish()
        assert outcome.succeeded == outcome.sent, outcome


def test_panels_show_data_and_alerts_reach_their_receiver(
    prometheus: Prometheus, replicas: list[Replica], receiver: Receiver
) -> None:
    await_true("all replicas are scraped", lambda: prometheus.targets_up() == 3, 20, prometheus.process)
    drive(replicas, 20)
    # Rules are computed every 5 s from rates of two scrapes at least.
    for title, query in metrics.dashboard_queries():
        # Panels of what does not happen in a good minute may be empty only where their query says so (`> 0`).
        await_true(f"panel {title!r} shows data: {query}", lambda: bool(prometheus.query(query)), 20)
    counted = prometheus.value('sum(grpc_server_handled_total{grpc_method="Attend",grpc_code="OK"})')
    p99 = prometheus.value('favor:handling_seconds:p99_1m{grpc_method="Attend"}')
    print(
        f"\n{len(metrics.dashboard_queries())} queries of the dashboard show data; Attend: {counted} calls, p99 {p99} s"
    )
    assert counted is not None and counted >= 3 * 5 * 20 * 0.5
    assert p99 is not None and 0 < p99 < 10
    assert not receiver.fired

    for replica in replicas:
        replica.kill()
    began = time.monotonic()
    # 5 s until the next scrape, 15 s `for`, 5 s until the next evaluation, and then at once (group_wait 0s).
    await_true("the page for all replicas down arrives", lambda: ("/page", "FavordAllDown") in receiver.fired, 60)
    print(f"FavordAllDown reached its receiver {time.monotonic() - began:.1f} s after all replicas were killed")

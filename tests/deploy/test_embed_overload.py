"""Overload of Embed: what is admitted keeps its latency however much more comes, the rest is refused at once."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import metrics
from harness.encoder import write_encoder
from harness.load import Load, Outcome
from harness.processes import free_ports
from harness.replica import Replica

CORES = sorted(os.sched_getaffinity(0))
# Much arithmetic for few bytes.
CALLS = ["--words", "254", "--batch", "4", "--connections", "4", "--deadline", "30s", "--retries", "0"]
TOKENS = 1024  # of such a call
WINDOWS = 4  # of such a call: what it takes in a turn is one
# Of such calls may wait beside the two batches that run: in tokens, of which calls that had turns have fewer left.
QUEUED = 8
FLAGS = [
    "--threads",
    "1",
    "--embed-batch-tokens",
    str(TOKENS),
    "--embed-queue-tokens",
    str(QUEUED * TOKENS),
    "--normal-priority-share",
    "1",
]
# FAVOR_QUICK: seconds instead of a minute, on a machine that others use: only what does not depend on its speed.
QUICK = "FAVOR_QUICK" in os.environ
SECONDS = 3.0 if QUICK else 15.0


@pytest.fixture
def replica(tmp_path: Path) -> Iterator[Replica]:
    if len(CORES) < 2:
        pytest.skip("one core: server and load generator cannot have one each")
    model = write_encoder(tmp_path / "encoder")
    ports = free_ports(2)
    flags = [*FLAGS, "--model", f"encoder={model}"]
    one = Replica("favord", ports[0], ports[1], tmp_path, cpus={CORES[0]}, flags=flags)
    try:
        one.start()
        yield one
    finally:
        one.kill()


def test_embed_overload_is_refused_and_admitted_calls_keep_their_latency(replica: Replica) -> None:
    def load(seconds: float, *flags: str) -> Outcome:
        return Load(replica.address, seconds, [*CALLS, *flags], cpu=CORES[-1], command="bench-embed").finish(300)

    def measured(*flags: str) -> tuple[Outcome, float]:
        """The outcome, and calls answered per CPU second of favord."""
        before = metrics.answered_and_cpu_seconds(replica.metrics_port, "Embed")
        outcome = load(SECONDS, *flags)
        after = metrics.answered_and_cpu_seconds(replica.metrics_port, "Embed")
        answered, seconds = (now - then for now, then in zip(after, before, strict=True))
        return outcome, answered / seconds

    full, full_goodput = measured("--closed-loop", "--concurrency", "4")
    assert full.succeeded == full.sent, full
    capacity = full.calls_per_second
    overload = {times: measured("--rate", f"{times * capacity}", "--concurrency", "256") for times in (2, 4)}
    shed = {times: outcome for times, (outcome, _) in overload.items()}
    after = load(SECONDS, "--rate", f"{0.3 * capacity}", "--warm-up", "2s")
    print(
        f"\ncapacity {capacity:.1f} calls/s of {TOKENS} tokens, {full_goodput:.1f} a CPU second\n"
        + "\n".join(f"at {times} times it: {out}, {goodput:.1f} a CPU second" for times, (out, goodput) in overload.items())
        + f"\nafter 2 s at 0.3 of it: {after}"
    )
    for outcome in shed.values():
        assert set(outcome.errors) == {"RESOURCE_EXHAUSTED"}, outcome
        assert outcome.succeeded > 0
        # Calls take turns, so those that wait have (WINDOWS + 1) / 2 windows left on average, and so many more of them
        # fit; two batches run. Each has had its turns when all have had theirs. A third more for the slowest of a hundred.
        usual = (QUEUED * WINDOWS / ((WINDOWS + 1) / 2) + 3) / outcome.calls_per_second
        assert outcome.p99 <= (2 if QUICK else 1.3) * usual, (outcome, usual)
    assert after.succeeded == after.sent, "recovery"
    if QUICK:
        return
    waits = {times: outcome.p99 * outcome.calls_per_second for times, outcome in shed.items()}  # in calls' time
    assert waits[4] <= 1.3 * waits[2], "twice the load makes nobody wait longer"
    assert overload[4][1] >= 0.8 * full_goodput, "goodput"

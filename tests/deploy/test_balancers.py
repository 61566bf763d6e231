"""Three favords behind each balancer of deploy/, under load: restarts and kills lose no call that may be retried."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import balancers
from harness.load import Load
from harness.replica import Replica, three_replicas

# Always twelve in flight, of 2.1 MB each: too large for any balancer to keep and send again. Short answers: one that is
# cut off half-way is INTERNAL or UNKNOWN to gRPC, which nobody retries.
IN_FLIGHT = ["--closed-loop", "--concurrency", "12", "--connections", "4", "--deadline", "20s"]
IN_FLIGHT += ["--length", "16", "--key-length", "512"]

# Calls of some 5 ms (L = 64), many enough that every restart meets some in flight, few enough for a busy machine.
CALLS = ["--rate", "50", "--length", "64", "--connections", "4", "--deadline", "20s"]


@pytest.fixture
def one_core() -> Iterator[None]:
    """All that is started meanwhile shares one core: a load saturates it on any machine."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


@pytest.fixture
def replicas(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[Replica]]:
    if "one_core" in request.fixturenames:
        request.getfixturevalue("one_core")
    with three_replicas(tmp_path) as three:
        yield three


@pytest.fixture(params=balancers.KINDS)
def balancer(request: pytest.FixtureRequest, tmp_path: Path, replicas: list[Replica]) -> Iterator[balancers.Balancer]:
    running = balancers.start(request.param, tmp_path, replicas)
    running.kind = request.param
    try:
        yield running
    finally:
        running.process.kill()


def test_rolling_restart_loses_no_call(balancer: balancers.Balancer, replicas: list[Replica]) -> None:
    """SIGTERM with the shipped drain delay, one replica after the other; no client retries, but behind nginx: it asks no
    health, so it sends calls to the very end, and one that arrives in the instant in which gRPC closes is CANCELLED by
    it, one in some 1,700."""
    pause = balancers.dead_time_seconds(balancer.kind)
    retries = "3" if balancer.kind == "nginx" else "0"  # the client's default
    load = Load(balancer.address, 3 * (7 + pause) + 6, [*CALLS, "--retries", retries])
    time.sleep(2)
    times = []
    for replica in replicas:
        stopped = replica.drain()
        times.append((stopped, replica.start()))
        time.sleep(pause)  # an operator waits until the balancer has it back, before the next
    assert load.running(), "the load ended before the last restart: " + str(times)
    outcome = load.finish()
    print(
        f"\n{balancer.kind}, rolling restart: {outcome}; drain and start in s:",
        ", ".join(f"{stopped:.1f} + {started:.1f}" for stopped, started in times),
    )
    assert outcome.sent > 500
    assert outcome.succeeded == outcome.sent, outcome


def test_kill_loses_only_calls_in_flight_and_retries_recover_them(
    balancer: balancers.Balancer, replicas: list[Replica]
) -> None:
    """kill -9, twice: once without retries to count what is lost, once with the client's retries, which lose nothing."""
    bare = Load(balancer.address, 8, [*IN_FLIGHT, "--retries", "0"])
    time.sleep(3)
    replicas[0].kill()
    lost = bare.finish()
    replicas[0].start()
    time.sleep(balancers.dead_time_seconds(balancer.kind))
    retried = Load(balancer.address, 8, [*IN_FLIGHT, "--retries", "4"])
    time.sleep(3)
    replicas[1].kill()
    kept = retried.finish()
    print(f"\n{balancer.kind}, kill -9: {lost}; with retries: {kept}")
    assert set(lost.errors) <= {"UNAVAILABLE"}, lost  # what retry rules allow to be sent again
    assert sum(lost.errors.values()) <= 12, lost  # no more than were in flight
    assert kept.succeeded == kept.sent, kept


def test_full_load_breaks_no_call(one_core: None, balancer: balancers.Balancer) -> None:
    """More calls than the machine can take: they wait, but none is cut off. (HAProxy with frames above 16 KiB cut off a
    third of calls of this very size.)"""
    outcome = Load(balancer.address, 8, ["--rate", "250", "--length", "64", "--connections", "4"]).finish()
    print(f"\n{balancer.kind}, full load: {outcome}")
    assert outcome.succeeded == outcome.sent, outcome

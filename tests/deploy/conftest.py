"""A run in which everything was skipped ends with 77, which ctest counts as skipped."""

import sys
from pathlib import Path

import pytest

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parent))
_SKIPPED = 77
_outcomes: set[str] = set()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" or report.outcome != "passed":
        _outcomes.add(report.outcome)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if _outcomes == {"skipped"}:
        session.exitstatus = _SKIPPED

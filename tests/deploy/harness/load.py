"""A load of Attend or Embed calls, by `favor bench` or `favor bench-embed`."""

import json
import subprocess
from dataclasses import dataclass
from typing import Any

from .processes import claim_cores
from .tools import bin_folder


@dataclass
class Outcome:
    sent: int
    succeeded: int
    errors: dict[str, int]  # by code
    calls_per_second: float
    p50: float  # seconds of calls that succeeded
    p99: float
    raw: dict[str, Any]

    def __str__(self) -> str:
        return (
            f"{self.sent} calls sent, {self.sent - self.succeeded} failed {self.errors or ''}, "
            f"{self.calls_per_second:.1f}/s, p50 {self.p50 * 1e3:.1f} ms, p99 {self.p99 * 1e3:.1f} ms"
        )


class Load:
    """Runs in the background until `finish`."""

    def __init__(
        self, endpoint: str, seconds: float, flags: list[str], cpu: int | None = None, command: str = "bench"
    ) -> None:
        self._calls = {"bench": "attend", "bench-embed": "embed"}[command]
        self._popen = subprocess.Popen(
            [
                str(bin_folder() / "favor"),
                command,
                "--endpoint",
                endpoint,
                "--duration",
                f"{seconds}s",
                "--json",
                *flags,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=(lambda: claim_cores({cpu})) if cpu is not None else None,
        )

    def running(self) -> bool:
        return self._popen.poll() is None

    def finish(self, seconds: float = 120) -> Outcome:
        out, err = self._popen.communicate(timeout=seconds)
        assert out.strip(), f"favor bench printed nothing: {err}"
        report = json.loads(out)
        assert self._calls in report, f"favor could not start its load: {out}"
        calls = report[self._calls]
        errors = {error["code"]: error["count"] for error in calls["errors"]}
        latency = calls.get("latency_seconds") or {"p50": 0.0, "p99": 0.0}
        return Outcome(
            calls["sent"],
            calls["succeeded"],
            errors,
            calls["calls_per_second"],
            latency["p50"],
            latency["p99"],
            report,
        )

"""When a resuming stream goes on elsewhere, and on which server."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import grpc

from favor._replay import is_break, with_text
from favor.aio import AsyncClient
from favor.client import Client
from favor.errors import DeadlineExceededError, FavorError
from favor.options import LONGEST_WAIT, call_deadline, check_durations


@dataclass(frozen=True, kw_only=True)
class ResumeOptions:
    """When a resuming stream goes on elsewhere, and what it keeps for that."""

    checkpoint_every: int = 16
    """The state is asked for, as a checkpoint, after so many chunks, and earlier after half of max_kept_bytes. What was
    sent since the last one is kept: at most twice as many chunks, and max_kept_bytes and a chunk."""
    max_kept_bytes: int = 256 << 20
    give_checkpoints: bool = False
    """Checkpoints are among the answers too, each behind those to all chunks it holds."""
    answer_timeout: float | None = 60.0
    """Seconds that a server may owe an answer before it counts as gone; None: any time. It must be more than a chunk
    takes on a busy server."""
    max_attempts: int = 20
    """Attempts one after the other that may fail without bringing anything new."""
    initial_backoff: float = 0.1
    """Once all servers have failed, round n (from 0) waits `initial_backoff * 2**n` seconds, `max_backoff` at most,
    times a random factor between 0.5 and 1. A server that says when to come back is left alone until then."""
    max_backoff: float = 5.0
    on_break: Callable[[FavorError], None] | None = None
    """Told why a stream broke that is about to be gone on with."""

    def __post_init__(self) -> None:
        for name in ("checkpoint_every", "max_kept_bytes", "max_attempts"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, the least is 1")
        check_durations(self, "", "initial_backoff", "max_backoff")
        if self.answer_timeout is not None and not self.answer_timeout > 0:
            raise ValueError(f"answer_timeout is {self.answer_timeout} s, and must be above 0")


class Course:
    """Which server is next, and when."""

    def __init__(
        self, clients: Sequence[Client] | Sequence[AsyncClient], options: ResumeOptions, deadline: float | None
    ) -> None:
        if not clients:
            raise ValueError("clients is empty")
        self.server = 0
        self.num_resumes = 0
        self._clients = clients
        self._options = options
        deadline = call_deadline(deadline, clients[0].options)
        self._end = None if deadline is None else time.monotonic() + deadline
        self._not_before = [0.0] * len(clients)
        self._failures = 0  # since something new came
        self._has_called = False

    def left(self) -> float | None:
        """Seconds that the whole stream still has."""
        return None if self._end is None else max(self._end - time.monotonic(), 0.001)

    def on_call(self) -> None:
        """Another call begins. DeadlineExceededError when it is too late for one."""
        if self._end is not None and time.monotonic() >= self._end:
            raise DeadlineExceededError(grpc.StatusCode.DEADLINE_EXCEEDED, "the deadline passed")
        self.num_resumes += self._has_called
        self._has_called = True

    def delay_after(self, error: FavorError, brought_something: bool) -> float:
        """Moves on to the next server; seconds to wait before it is asked. Raises the error when this was the end."""
        now = time.monotonic()
        here = self._clients[self.server].options.endpoint
        are_closed = all(client._transport.is_closed for client in self._clients)
        if are_closed or not is_break(error) or (self._end is not None and now >= self._end):
            raise with_text(error, here)
        self._failures = 1 if brought_something else self._failures + 1
        if self._failures >= self._options.max_attempts:
            raise with_text(error, f"{here}, after {self._failures} attempts that brought nothing new")
        if self._options.on_break is not None:
            self._options.on_break(with_text(error, here))
        self._not_before[self.server] = now + (error.retry_delay or 0.0)
        self.server = (self.server + 1) % len(self._clients)
        rounds, rest = divmod(self._failures, len(self._clients))
        if rest == 0:
            full = min(self._options.initial_backoff * 2.0 ** min(rounds - 1, 60), self._options.max_backoff)
            after = now + full * random.uniform(0.5, 1.0)
            self._not_before = [max(time_, after) for time_ in self._not_before]
        delay = min(max(self._not_before[self.server] - now, 0.0), LONGEST_WAIT)
        if self._end is not None and now + delay >= self._end:
            raise with_text(error, here)
        return delay

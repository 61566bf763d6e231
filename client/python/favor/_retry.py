"""When a call is tried again, and when no more. The rule stands at RetryOptions."""

from __future__ import annotations

import random
import time

import grpc

from favor.errors import CancelledError, DeadlineExceededError, FavorError
from favor.options import LONGEST_WAIT, RetryOptions


def delay_before_retry(options: RetryOptions, error: FavorError, retry: int, uniform: float) -> float | None:
    """Seconds to wait before retry `retry` (from 0), for a random number in [0, 1); None if there is to be none."""
    if retry >= options.max_retries:
        return None
    retriable = error.code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED) or (
        error.code == grpc.StatusCode.RESOURCE_EXHAUSTED and error.retry_delay is not None
    )
    if not retriable:
        return None
    # Random, or all clients of a server that failed would come back together.
    full: float = min(options.initial_backoff * 2.0 ** min(retry, 60), options.max_backoff)
    return min(max(error.retry_delay or 0.0, 0.0) + full * (0.5 + 0.5 * uniform), LONGEST_WAIT)


def client_is_closed() -> CancelledError:
    """What calls of a closed client raise."""
    return CancelledError(grpc.StatusCode.CANCELLED, "the client is closed")


class Attempts:
    """The attempts of one call: how long each may take, and how long to wait after it failed."""

    def __init__(self, options: RetryOptions, deadline: float | None) -> None:
        self._options = options
        self._end = None if deadline is None else time.monotonic() + deadline
        self._retries = 0

    def timeout(self) -> float | None:
        """Seconds left for the next attempt; DeadlineExceededError when there are none."""
        if self._end is None:
            return None
        left = self._end - time.monotonic()
        if left <= 0:
            raise DeadlineExceededError(grpc.StatusCode.DEADLINE_EXCEEDED, "the deadline passed before the call")
        return left

    def delay_after(self, error: FavorError) -> float:
        """Seconds to wait before the next attempt; raises `error` when there is to be none."""
        delay = delay_before_retry(self._options, error, self._retries, random.random())
        if delay is None or (self._end is not None and time.monotonic() + delay >= self._end):
            raise error
        self._retries += 1
        return delay

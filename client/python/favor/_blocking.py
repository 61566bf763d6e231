"""Blocking calls with retries; several at once, the first failure ending all of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Any, cast

import grpc

from favor._methods import Method, Request, Response
from favor._retry import Attempts
from favor.errors import CancelledError, FailedCall, from_call
from favor.options import ClientOptions, channel_arguments, credentials, metadata


class _Group:
    """Calls that are given up together. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: set[Any] = set()
        self._stopped = threading.Event()

    def add(self, call: Any) -> None:
        with self._lock:
            self._calls.add(call)
        if self._stopped.is_set():
            call.cancel()

    def remove(self, call: Any) -> None:
        with self._lock:
            self._calls.discard(call)

    def stop(self) -> None:
        self._stopped.set()
        with self._lock:
            calls = list(self._calls)
        for call in calls:
            call.cancel()

    def sleep(self, seconds: float) -> None:
        if self._stopped.wait(seconds):
            raise CancelledError(grpc.StatusCode.CANCELLED, "another request of the same call failed")


class BlockingTransport:
    """A connection, made with the first call and made again whenever it breaks. Thread-safe."""

    def __init__(self, options: ClientOptions) -> None:
        self._options = options
        self._metadata = metadata(options)
        secrets = credentials(options)
        arguments = channel_arguments(options)
        if secrets is None:
            self._channel = grpc.insecure_channel(options.endpoint, arguments)
        else:
            self._channel = grpc.secure_channel(options.endpoint, secrets, arguments)

    def close(self) -> None:
        self._channel.close()

    def call(self, method: Method[Request, Response], request: Request, deadline: float | None) -> Response:
        """One call, retries included; FavorError."""
        return self.call_all(method, [request], deadline)[0]

    def call_all(
        self, method: Method[Request, Response], requests: Sequence[Request], deadline: float | None
    ) -> list[Response]:
        """A call for each request, some at once; answers in their order. The first FavorError ends all of them."""
        deadline = self._options.deadline if deadline is None else deadline
        end = None if deadline is None else time.monotonic() + deadline
        group = _Group()

        def run(request: Request) -> Response:
            left = None if end is None else end - time.monotonic()
            return self._call(method, request, Attempts(self._options.retries, left), group)

        try:
            if len(requests) <= 1:
                return [run(request) for request in requests]
            with ThreadPoolExecutor(min(len(requests), self._options.embed_requests_in_flight)) as pool:
                try:
                    futures = [pool.submit(run, request) for request in requests]
                    done, _ = wait(futures, return_when=FIRST_EXCEPTION)
                    # The failure that came first, not the cancellations that followed it.
                    for future in done:
                        future.result()
                    return [future.result() for future in futures]
                finally:
                    group.stop()
                    pool.shutdown(wait=False, cancel_futures=True)
        finally:
            group.stop()

    def _call(
        self, method: Method[Request, Response], request: Request, attempts: Attempts, group: _Group
    ) -> Response:
        callable_ = self._channel.unary_unary(method.path, request_serializer=None, response_deserializer=None)
        payload = method.serialize(request)
        while True:
            timeout = attempts.timeout()
            call = callable_.future(payload, timeout=timeout, metadata=self._metadata)
            group.add(call)
            try:
                return method.parse(cast(bytes, call.result()))
            except (grpc.RpcError, grpc.FutureCancelledError) as failure:
                if isinstance(failure, grpc.FutureCancelledError):
                    raise CancelledError(grpc.StatusCode.CANCELLED, "the call was cancelled") from None
                error = from_call(cast(FailedCall, failure))
                delay = attempts.delay_after(error)
            finally:
                group.remove(call)
            group.sleep(delay)

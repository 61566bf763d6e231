"""Blocking calls with retries; several at once, the first failure ending all of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Any, cast

import grpc

from favor._methods import Method, Response
from favor._retry import Attempts
from favor.errors import CancelledError, FailedCall, from_call
from favor.options import ClientOptions, channel_arguments, credentials, metadata


_GIVEN_UP = "another request of the same call failed"


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
            raise CancelledError(grpc.StatusCode.CANCELLED, _GIVEN_UP)


class BlockingTransport:
    """A connection, made with the first call and made again whenever it breaks. Thread-safe."""

    def __init__(self, options: ClientOptions) -> None:
        self._options = options
        self._metadata = metadata(options)
        self._closed = False
        self._callables: dict[str, grpc.UnaryUnaryMultiCallable[bytes, bytes]] = {}
        secrets = credentials(options)
        arguments = channel_arguments(options)
        if secrets is None:
            self._channel = grpc.insecure_channel(options.endpoint, arguments)
        else:
            self._channel = grpc.secure_channel(options.endpoint, secrets, arguments)

    def close(self) -> None:
        self._closed = True
        self._channel.close()

    def call(self, method: Method[Response], request: bytes, deadline: float | None) -> Response:
        """One call of an encoded request, retries included; FavorError."""
        callable_ = self._callable(method.path)

        def attempt(request: bytes, timeout: float | None) -> bytes:
            return callable_(request, timeout=timeout, metadata=self._metadata)

        attempts = Attempts(self._options.retries, self._options.deadline if deadline is None else deadline)
        return self._repeat(method, request, attempts, attempt, time.sleep)

    def call_all(
        self, method: Method[Response], requests: Sequence[bytes], deadline: float | None
    ) -> list[Response]:
        """A call for each request, some at once; answers in their order. The first FavorError ends all of them."""
        if len(requests) <= 1:
            return [self.call(method, request, deadline) for request in requests]
        deadline = self._options.deadline if deadline is None else deadline
        end = None if deadline is None else time.monotonic() + deadline
        callable_ = self._callable(method.path)
        group = _Group()

        def attempt(request: bytes, timeout: float | None) -> bytes:
            # Half as fast as a blocking call, but others can end it.
            call = callable_.future(request, timeout=timeout, metadata=self._metadata)
            group.add(call)
            try:
                return call.result()
            except grpc.FutureCancelledError:
                raise CancelledError(grpc.StatusCode.CANCELLED, _GIVEN_UP) from None
            finally:
                group.remove(call)

        def run(request: bytes) -> Response:
            attempts = Attempts(self._options.retries, None if end is None else end - time.monotonic())
            return self._repeat(method, request, attempts, attempt, group.sleep)

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

    def stream(
        self,
        method: Method[Response],
        requests: Iterable[bytes],
        deadline: float | None,
        on_open: Callable[[Callable[[], object]], None] | None = None,
    ) -> Generator[Response, None, None]:
        """The answers to a stream of requests, as they come; never tried again. FavorError, or what `requests` raises.
        `on_open` is told how to cancel the call, from any thread."""
        failures: list[BaseException] = []

        def guarded() -> Iterator[bytes]:
            iterator = iter(requests)
            while True:
                try:
                    request = next(iterator)
                except StopIteration:
                    return
                except BaseException as failure:  # gRPC tells the caller nothing of it
                    failures.append(failure)
                    # Of one that is no Exception its thread would die, and the call go on without it.
                    raise RuntimeError("what the caller sends has failed") from failure
                yield request

        callable_ = self._channel.stream_stream(method.path, request_serializer=None, response_deserializer=None)
        timeout = self._options.deadline if deadline is None else deadline
        call: Any = callable_(guarded(), timeout=timeout, metadata=self._metadata)
        if on_open is not None:
            on_open(call.cancel)
        try:
            for answer in call:
                yield method.parse(answer)
        except grpc.RpcError as failure:
            if failures:
                raise failures[0] from None
            raise from_call(cast(FailedCall, failure)) from None
        finally:
            call.cancel()  # when the caller has had enough; after the end it does nothing

    def _callable(self, path: str) -> grpc.UnaryUnaryMultiCallable[bytes, bytes]:
        callable_ = self._callables.get(path)
        if callable_ is None:  # two threads may both make one: no harm
            callable_ = self._channel.unary_unary(path, request_serializer=None, response_deserializer=None)
            self._callables[path] = callable_
        return callable_

    def _repeat(
        self,
        method: Method[Response],
        request: bytes,
        attempts: Attempts,
        attempt: Callable[[bytes, float | None], bytes],
        sleep: Callable[[float], None],
    ) -> Response:
        while True:
            timeout = attempts.timeout()
            try:
                return method.parse(attempt(request, timeout))
            except grpc.RpcError as failure:
                if self._closed:  # by another thread, which cancels what is under way
                    attempts.give_up()
                delay = attempts.delay_after(from_call(cast(FailedCall, failure)))
            sleep(delay)

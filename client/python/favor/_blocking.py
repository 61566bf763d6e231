"""Blocking calls with retries; several at once, the first failure ending all of them."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Any, cast

import grpc

from favor._methods import Method, Response
from favor._parts import Part
from favor._retry import Attempts, client_is_closed
from favor.errors import CancelledError, FailedCall, FavorError, from_call
from favor.options import ClientOptions, call_deadline, channel_arguments, credentials, metadata


_GIVEN_UP = "another request of the same call failed"


class _Group:
    """Calls that are given up together, guarded by a condition that is told of it. Thread-safe."""

    def __init__(self, changed: threading.Condition) -> None:
        self.is_stopped = False
        self._changed = changed
        self._calls: set[Any] = set()

    def add(self, call: Any) -> None:
        with self._changed:
            self._calls.add(call)
        if self.is_stopped:
            call.cancel()

    def remove(self, call: Any) -> None:
        with self._changed:
            self._calls.discard(call)

    def stop(self) -> None:
        with self._changed:
            self.is_stopped = True
            calls = list(self._calls)
            self._changed.notify_all()
        for call in calls:
            call.cancel()


class BlockingTransport:
    """A connection, made with the first call and made again whenever it breaks. Thread-safe."""

    def __init__(self, options: ClientOptions) -> None:
        self._options = options
        self._metadata = metadata(options)
        self._closed = False
        self._changed = threading.Condition()  # it was closed, or a group of calls stopped
        self._callables: dict[str, grpc.UnaryUnaryMultiCallable[bytes, bytes]] = {}
        secrets = credentials(options)
        arguments = channel_arguments(options)
        if secrets is None:
            self._channel = grpc.insecure_channel(options.endpoint, arguments)
        else:
            self._channel = grpc.secure_channel(options.endpoint, secrets, arguments)

    @property
    def is_closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._channel.close()

    def call(self, method: Method[Response], request: bytes, deadline: float | None) -> Response:
        """One call of an encoded request, retries included; FavorError."""
        def attempt(request: bytes, timeout: float | None) -> bytes:
            return self._callable(method.path)(request, timeout=timeout, metadata=self._metadata)

        attempts = Attempts(self._options.retries, call_deadline(deadline, self._options))
        return self._repeat(method, request, attempts, attempt)

    def call_all(self, method: Method[Response], parts: Sequence[Part], deadline: float | None) -> list[Response]:
        """A call for each part of a list, some at once; answers in their order. The first FavorError ends them all."""
        if len(parts) <= 1:
            return [self.call(method, part.request, deadline) for part in parts]
        deadline = call_deadline(deadline, self._options)
        end = None if deadline is None else time.monotonic() + deadline
        group = _Group(self._changed)

        def attempt(request: bytes, timeout: float | None) -> bytes:
            # Half as fast as a blocking call, but others can end it.
            call = self._callable(method.path).future(request, timeout=timeout, metadata=self._metadata)
            group.add(call)
            try:
                return call.result()
            except grpc.FutureCancelledError:
                raise CancelledError(grpc.StatusCode.CANCELLED, _GIVEN_UP) from None
            finally:
                group.remove(call)

        def run(part: Part) -> Response:
            attempts = Attempts(self._options.retries, None if end is None else end - time.monotonic())
            try:
                return self._repeat(method, part.request, attempts, attempt, group)
            except FavorError as error:
                raise part.of_whole(error) from None

        with ThreadPoolExecutor(min(len(parts), self._options.embed_requests_in_flight)) as pool:
            try:
                futures = [pool.submit(run, part) for part in parts]
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

        timeout = call_deadline(deadline, self._options)
        with self._while_open():
            callable_ = self._channel.stream_stream(method.path, request_serializer=None, response_deserializer=None)
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

    @contextlib.contextmanager
    def _while_open(self) -> Iterator[None]:
        """Has a closed client say so, whatever gRPC says of it."""
        if self._closed:
            raise client_is_closed()
        try:
            yield
        except ValueError:  # which it raises where a channel is closed meanwhile
            if not self._closed:
                raise
            raise client_is_closed() from None

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
        group: _Group | None = None,
    ) -> Response:
        while True:
            timeout = attempts.timeout()
            try:
                with self._while_open():
                    answer = attempt(request, timeout)
            except grpc.RpcError as failure:
                delay = attempts.delay_after(from_call(cast(FailedCall, failure)))
            else:
                return method.parse(answer)
            with self._changed:
                self._changed.wait_for(lambda: self._closed or (group is not None and group.is_stopped), delay)
            if group is not None and group.is_stopped:
                raise CancelledError(grpc.StatusCode.CANCELLED, _GIVEN_UP)

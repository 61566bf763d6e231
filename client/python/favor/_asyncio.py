"""Calls of asyncio with retries; several at once, the first failure ending all of them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from typing import Any, cast

import grpc
import grpc.aio

from favor._methods import Method, Response
from favor._parts import Part
from favor._retry import Attempts, client_is_closed
from favor.errors import CancelledError, FailedCall, FavorError, from_call
from favor.options import ClientOptions, call_deadline, channel_arguments, credentials, metadata


class _PatientCall:
    """A call of grpcio whose own words do not hide the server's. When a message cannot be sent since the call has
    ended, grpcio 1.85 takes "Internal error from Core" for the status if the server's has not been read yet; here that
    has some seconds to come, as it had in earlier ones."""

    def __init__(self, call: Any) -> None:
        self._call = call

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)

    def set_internal_error(self, error: str) -> None:
        def set_if_nothing_came() -> None:
            if not self._call.done():
                self._call.set_internal_error(error)

        asyncio.get_running_loop().call_later(5, set_if_nothing_came)


def is_being_cancelled() -> bool:
    """Whether somebody cancels the current task; else a CancelledError is that of something it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class AsyncTransport:
    """A connection, made with the first call and made again whenever it breaks. Of one event loop."""

    def __init__(self, options: ClientOptions) -> None:
        self._options = options
        self._metadata = metadata(options)
        self._credentials = credentials(options)
        self._closed = asyncio.Event()
        self._channel: grpc.aio.Channel | None = None
        self._loop: asyncio.AbstractEventLoop | None = None  # of the channel

    @property
    def is_closed(self) -> bool:
        return self._closed.is_set()

    async def close(self) -> None:
        self._closed.set()
        if self._channel is not None:
            await self._channel.close(None)

    def _open(self) -> grpc.aio.Channel:
        if self._closed.is_set():
            raise client_is_closed()
        if self._loop not in (None, asyncio.get_running_loop()):
            raise RuntimeError("this AsyncClient belongs to the event loop of its first call: make one in each loop")
        if self._channel is None:  # not before a loop runs: the channel belongs to it
            self._loop = asyncio.get_running_loop()
            arguments = channel_arguments(self._options)
            if self._credentials is None:
                self._channel = grpc.aio.insecure_channel(self._options.endpoint, arguments)
            else:
                self._channel = grpc.aio.secure_channel(self._options.endpoint, self._credentials, arguments)
        return self._channel

    async def call(self, method: Method[Response], request: bytes, deadline: float | None) -> Response:
        """One call of an encoded request, retries included; FavorError."""
        return (await self.call_all(method, [Part(request)], deadline))[0]

    async def call_all(self, method: Method[Response], parts: Sequence[Part], deadline: float | None) -> list[Response]:
        """A call for each part of a list, some at once; answers in their order. The first FavorError ends them all."""
        deadline = call_deadline(deadline, self._options)
        end = None if deadline is None else time.monotonic() + deadline
        places = asyncio.Semaphore(self._options.embed_requests_in_flight)

        async def run(part: Part) -> Response:
            async with places:
                left = None if end is None else end - time.monotonic()
                try:
                    return await self._call(method, part.request, Attempts(self._options.retries, left))
                except FavorError as error:
                    raise part.of_whole(error) from None

        tasks = [asyncio.ensure_future(run(part)) for part in parts]
        try:
            return list(await asyncio.gather(*tasks))
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise

    async def stream(
        self,
        method: Method[Response],
        requests: AsyncIterator[bytes],
        deadline: float | None,
        on_open: Callable[[Callable[[], object]], None] | None = None,
    ) -> AsyncGenerator[Response, None]:
        """The answers to a stream of requests, as they come; never tried again. FavorError, or what `requests` raises.
        `on_open` is told how to cancel the call."""
        failures: list[BaseException] = []

        async def guarded() -> AsyncIterator[bytes]:
            while True:
                try:
                    request = await anext(requests)
                except StopAsyncIteration:
                    return
                except BaseException as failure:  # gRPC tells the caller nothing of it
                    if not is_being_cancelled():
                        failures.append(failure)
                    raise
                yield request

        callable_ = self._open().stream_stream(method.path, request_serializer=None, response_deserializer=None)
        timeout = call_deadline(deadline, self._options)
        call = callable_(guarded(), timeout=timeout, metadata=self._metadata)
        if hasattr(call, "_cython_call"):
            call._cython_call = _PatientCall(call._cython_call)
        if on_open is not None:
            on_open(call.cancel)
        try:
            async for answer in call:
                yield method.parse(cast(bytes, answer))
        except grpc.aio.AioRpcError as failure:
            if failures:
                raise failures[0] from None
            raise from_call(cast(FailedCall, failure)) from None
        except asyncio.CancelledError as cancellation:
            if failures:  # which is how gRPC ends the call then
                raise failures[0] from None
            raise self._reason_of(cancellation) from None
        finally:
            call.cancel()  # when the caller has had enough; after the end it does nothing

    async def _call(self, method: Method[Response], request: bytes, attempts: Attempts) -> Response:
        while True:
            callable_ = self._open().unary_unary(method.path, request_serializer=None, response_deserializer=None)
            try:
                answer = await callable_(request, timeout=attempts.timeout(), metadata=self._metadata)
                return method.parse(cast(bytes, answer))
            except grpc.aio.AioRpcError as failure:
                delay = attempts.delay_after(from_call(cast(FailedCall, failure)))
            except asyncio.CancelledError as cancellation:
                raise self._reason_of(cancellation) from None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._closed.wait()

    def _reason_of(self, cancellation: asyncio.CancelledError) -> BaseException:
        """gRPC raises it for calls that are cancelled, too, in tasks that nobody cancels, which would then end as if
        somebody had."""
        if is_being_cancelled():
            return cancellation
        if self._closed.is_set():
            return client_is_closed()
        return CancelledError(grpc.StatusCode.CANCELLED, "the call was cancelled")

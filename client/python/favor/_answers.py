"""Answers of a stream, as they come, and its end from elsewhere."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterable, Iterator
from types import AsyncGeneratorType
from typing import Generic, Self, TypeVar, cast

from favor._asyncio import AsyncTransport
from favor._blocking import BlockingTransport
from favor._methods import Method, Response

Answer = TypeVar("Answer")
Stream = tuple[Generator[Answer, None, None], Callable[[], object]]
"""Answers, and how to end the call that they come from, from any thread."""
AsyncStream = tuple[AsyncGenerator[Answer, None], Callable[[], object]]


class _Call:
    """A call, to be cancelled from any thread, also before it is opened."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cancel: Callable[[], object] | None = None
        self._is_ended = False

    def on_open(self, cancel: Callable[[], object]) -> None:
        with self._lock:
            self._cancel = cancel
            is_ended = self._is_ended
        if is_ended:
            cancel()

    def end(self) -> None:
        with self._lock:
            self._is_ended = True
            cancel = self._cancel
        if cancel is not None:
            cancel()


def open_stream(
    transport: BlockingTransport,
    method: Method[Response],
    requests: Iterable[bytes],
    deadline: float | None,
    take: Callable[[Response], Answer | None],
) -> Stream[Answer]:
    """What `take` makes of a call's answers, None left out."""
    call = _Call()

    def answers() -> Generator[Answer, None, None]:
        with contextlib.closing(transport.stream(method, requests, deadline, call.on_open)) as wire:
            for message in wire:
                answer = take(message)
                if answer is not None:
                    yield answer

    return answers(), call.end


def open_async_stream(
    transport: AsyncTransport,
    method: Method[Response],
    requests: AsyncIterator[bytes],
    deadline: float | None,
    take: Callable[[Response], Answer | None],
) -> AsyncStream[Answer]:
    """The same for asyncio."""
    call = _Call()

    async def answers() -> AsyncGenerator[Answer, None]:
        async with contextlib.aclosing(transport.stream(method, requests, deadline, call.on_open)) as wire:
            async for message in wire:
                answer = take(message)
                if answer is not None:
                    yield answer

    return answers(), call.end


class AnswerIterator(Iterator[Answer], Generic[Answer]):
    """The answers of a stream, as they come. The call ends with the last one, with `close()`, or when nobody holds this
    any more; it is a context manager too."""

    def __init__(self, stream: Stream[Answer]) -> None:
        self._answers, self._end = stream

    def __next__(self) -> Answer:
        return next(self._answers)

    def close(self) -> None:
        """Ends the call, whatever is under way, from any thread. One that waits for an answer meanwhile gets
        favor.CancelledError."""
        self._end()
        with contextlib.suppress(ValueError):  # another thread is in there, on its way out
            self._answers.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class AsyncAnswerIterator(AsyncIterator[Answer], Generic[Answer]):
    """The same for asyncio, with `aclose()`."""

    def __init__(self, stream: AsyncStream[Answer]) -> None:
        self._answers = cast("AsyncGeneratorType[Answer, None]", stream[0])
        self._end = stream[1]

    async def __anext__(self) -> Answer:
        return await anext(self._answers)

    async def aclose(self) -> None:
        """Ends the call, whatever is under way, from any task. One that waits for an answer meanwhile gets
        favor.CancelledError."""
        self._end()
        if not self._answers.ag_running:  # else another task is in there, on its way out
            await self._answers.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()

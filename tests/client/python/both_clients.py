"""Runs a test with either client: calls of the blocking one, and of the asyncio one to their end."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest

import favor

both = pytest.mark.parametrize("asynchronous", [False, True], ids=["blocking", "asyncio"])


async def awaited(values: Iterable[Any]) -> AsyncIterator[Any]:
    """The values, each after a turn of the event loop."""
    for value in values:
        await asyncio.sleep(0)
        yield value


async def waited_for(values: Iterable[Any]) -> AsyncIterator[Any]:
    """The same for values that take their time, and are not None: other tasks go on meanwhile."""
    iterator = iter(values)
    while (value := await asyncio.to_thread(next, iterator, None)) is not None:
        yield value


async def no_task_is_left() -> None:
    """Waits until the caller's task is the only one; gRPC's own end a moment later."""
    end = time.monotonic() + 20
    while len(asyncio.all_tasks()) > 1:
        assert time.monotonic() < end, asyncio.all_tasks()
        await asyncio.sleep(0.001)


def call(asynchronous: bool, endpoint: str, method: str, *arguments: Any, **options: Any) -> Any:
    """The answer of a unary method."""
    if not asynchronous:
        with favor.Client(endpoint, deadline=60) as client:
            return getattr(client, method)(*arguments, **options)

    async def run() -> Any:
        async with favor.AsyncClient(endpoint, deadline=60) as client:
            return await getattr(client, method)(*arguments, **options)

    return asyncio.run(run())


def stream(asynchronous: bool, endpoint: str, chunks: Iterable[Any], **options: Any) -> tuple[list[Any], Any]:
    """The answers of `attend_stream`, and its report."""
    if not asynchronous:
        with favor.Client(endpoint, deadline=60) as client:
            answers = client.attend_stream(chunks, **options)
            return list(answers), answers.report

    async def run() -> tuple[list[Any], Any]:
        async with favor.AsyncClient(endpoint, deadline=60) as client:
            answers = client.attend_stream(awaited(chunks), **options)
            return [answer async for answer in answers], answers.report

    return asyncio.run(run())

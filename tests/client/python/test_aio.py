"""The client for asyncio: the same calls, concurrent, and cancelled together."""

import asyncio
import inspect
import threading
import time
import warnings

import grpc
import numpy as np
import pytest
from fake_server import Failure, embed_by_length
from test_attend import answer_with_queries, arrays

import favor
from favor import _methods

FAST = favor.RetryOptions(initial_backoff=0.001)


def test_has_every_method_of_the_blocking_client():
    def methods(cls):
        members = inspect.getmembers(cls, inspect.isfunction)
        # Iterator for AsyncIterator, and so on.
        return {name: str(inspect.signature(f)).replace("Async", "") for name, f in members if not name.startswith("__") or name == "__init__"}

    assert methods(favor.AsyncClient) == methods(favor.Client)


def test_attends_and_embeds(server):
    server.on(_methods.ATTEND, answer_with_queries)
    server.on(_methods.EMBED, embed_by_length)
    queries, keys, values = arrays()

    async def run():
        async with favor.AsyncClient(server.endpoint) as client:
            result, vectors = await asyncio.gather(client.attend(queries, keys, values), client.embed(["ab", "c"]))
            return result.output, vectors

    output, vectors = asyncio.run(run())
    np.testing.assert_array_equal(output, queries)
    np.testing.assert_array_equal(vectors, [[2, ord("a")], [1, ord("c")]])


def test_another_event_loop_is_told_so(server):
    server.on(_methods.ATTEND, answer_with_queries)
    client = favor.AsyncClient(server.endpoint)

    async def stream():
        return [answer async for answer in client.attend_stream([arrays()])]

    asyncio.run(client.attend(*arrays()))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for again in (lambda: client.attend(*arrays()), stream):
            with pytest.raises(RuntimeError, match="belongs to the event loop of its first call"):
                asyncio.run(again())
        asyncio.run(client.close())


def test_requests_are_under_way_at_once_and_come_back_in_order(server):
    barrier = threading.Barrier(3, timeout=20)  # breaks unless three requests are in the server together

    def answer(request):
        barrier.wait()
        return embed_by_length(request)

    server.on(_methods.EMBED, answer)

    async def run():
        async with favor.AsyncClient(server.endpoint, embed_request_bytes=1, embed_requests_in_flight=3) as client:
            return await client.embed(["a", "bb", "ccc", "a", "bb", "ccc"])

    np.testing.assert_array_equal(asyncio.run(run())[:, 0], [1, 2, 3, 1, 2, 3])


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED])
def test_retries(server, code):
    failures = [Failure(code, "draining")]

    def answer(request):
        if failures:
            raise failures.pop()
        return embed_by_length(request)

    server.on(_methods.EMBED, answer)

    async def run():
        async with favor.AsyncClient(server.endpoint, retries=FAST) as client:
            return await client.embed(["a"])

    assert asyncio.run(run()).shape == (1, 2)
    assert len(server.requests) == 2


def test_one_failed_request_ends_the_call_and_the_requests_under_way(server):
    released = threading.Event()

    def answer(request):
        if request.inputs[0].text == "b":
            raise Failure(grpc.StatusCode.NOT_FOUND, "no model x")
        released.wait(20)
        return embed_by_length(request)

    server.on(_methods.EMBED, answer)

    async def run():
        async with favor.AsyncClient(server.endpoint, embed_request_bytes=1, embed_requests_in_flight=2) as client:
            await client.embed(["a", "b", "c", "d"])

    begin = time.monotonic()
    with pytest.raises(favor.NotFoundError, match="no model x"):
        asyncio.run(run())
    assert time.monotonic() - begin < 15  # it does not wait for a
    released.set()
    assert len(server.requests) <= 3


def test_the_deadline_of_a_call_counts(server):
    released = threading.Event()
    server.on(_methods.EMBED, lambda request: released.wait(20))

    async def run():
        async with favor.AsyncClient(server.endpoint) as client:
            await client.embed(["a"], deadline=0.1)

    with pytest.raises(favor.DeadlineExceededError):
        asyncio.run(run())
    released.set()

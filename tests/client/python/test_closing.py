"""Closing a client ends what is under way on it, and only that: as favor.CancelledError, in whatever it was."""

import asyncio
import contextlib
import threading
import time

import grpc
import pytest
from both_clients import both
from fake_server import Failure
from test_attend_stream import ONES, await_that

import favor
from favor import _methods

PATIENT = favor.RetryOptions(max_retries=5, initial_backoff=60.0, max_backoff=60.0)
WAYS = ["unary", "several", "backoff", "several in backoff", "stream", "resuming"]


class Held:
    """A server's method that holds its calls until the test is over."""

    def __init__(self):
        self.num_calls = 0
        self.released = threading.Event()

    def __call__(self, request):
        self.num_calls += 1
        self.released.wait(60)
        raise Failure(grpc.StatusCode.INTERNAL, "the test is over")

    def stream(self, requests):
        self(requests)
        yield

    def unavailable(self, request):
        self.num_calls += 1
        raise Failure(grpc.StatusCode.UNAVAILABLE, "draining")


@pytest.fixture
def held(server):
    answer = Held()
    server.on(_methods.ATTEND, answer)
    server.on(_methods.EMBED, answer)
    server.on(_methods.FOLD, answer.unavailable)
    server.on(_methods.TOKENIZE, answer.unavailable)
    server.on_stream(_methods.ATTEND_STREAM, answer.stream)
    yield answer
    answer.released.set()


def start(client, way):
    """The call, or the stream to read."""
    if way == "unary":
        return client.attend(ONES, ONES, ONES)
    if way == "several":
        return client.embed(["a", "b"])
    if way == "backoff":
        return client.fold(ONES, ONES)
    if way == "several in backoff":
        return client.tokenize(["a", "b"])
    if way == "stream":
        return client.attend_stream([ONES])
    if isinstance(client, favor.AsyncClient):
        return favor.AsyncResumingStream([client], [ONES])
    return favor.ResumingStream([client], [ONES])


def run(client, way):
    result = start(client, way)
    return list(result) if way in ("stream", "resuming") else result


async def run_async(client, way):
    result = start(client, way)
    return [answer async for answer in result] if way in ("stream", "resuming") else await result


def num_calls(way):
    return 2 if way.startswith("several") else 1


def close_while_it_runs(endpoint, held, way):
    client = favor.Client(endpoint, retries=PATIENT, embed_request_bytes=1)

    def close():
        await_that(lambda: held.num_calls == num_calls(way), "the calls")
        client.close()

    closer = threading.Thread(target=close)
    closer.start()
    try:
        run(client, way)
    finally:
        closer.join()


async def close_while_a_task_runs(endpoint, held, way):
    client = favor.AsyncClient(endpoint, retries=PATIENT, embed_request_bytes=1)
    task = asyncio.ensure_future(run_async(client, way))
    await asyncio.to_thread(await_that, lambda: held.num_calls == num_calls(way), "the calls")
    await client.close()
    done, _ = await asyncio.wait([task], timeout=20)
    assert done and not task.cancelled()
    task.result()


@both
@pytest.mark.parametrize("way", WAYS)
def test_what_is_under_way_ends_as_cancelled(server, held, asynchronous, way):
    begin = time.monotonic()
    with pytest.raises(favor.CancelledError):
        if asynchronous:
            asyncio.run(close_while_a_task_runs(server.endpoint, held, way))
        else:
            close_while_it_runs(server.endpoint, held, way)
    assert time.monotonic() - begin < 20 and held.num_calls == num_calls(way)


@both
@pytest.mark.parametrize("is_used", [False, True], ids=["new", "used"])
@pytest.mark.parametrize("way", WAYS)
def test_calls_of_a_closed_client_are_cancelled(server, held, asynchronous, way, is_used):
    held.released.set()

    async def run_later():
        client = favor.AsyncClient(server.endpoint, embed_request_bytes=1)
        if is_used:
            with contextlib.suppress(favor.InternalError):
                await client.attend(ONES, ONES, ONES)
        await client.close()
        await run_async(client, way)

    with pytest.raises(favor.CancelledError, match="the client is closed"):
        if asynchronous:
            asyncio.run(run_later())
        else:
            client = favor.Client(server.endpoint, embed_request_bytes=1)
            if is_used:
                with contextlib.suppress(favor.InternalError):
                    client.attend(ONES, ONES, ONES)
            client.close()
            run(client, way)


def test_a_task_that_is_cancelled_ends_as_cancelled_also_when_its_client_is_closed(server, held):
    async def cancel(way):
        client = favor.AsyncClient(server.endpoint, retries=PATIENT, embed_request_bytes=1)
        held.num_calls = 0
        task = asyncio.ensure_future(run_async(client, way))
        await asyncio.to_thread(await_that, lambda: held.num_calls == num_calls(way), "the calls")
        task.cancel("enough")
        await client.close()
        await asyncio.wait([task], timeout=20)
        assert task.cancelled()

    for way in WAYS:
        asyncio.run(cancel(way))


@both
def test_a_resuming_stream_goes_on_where_a_client_is_open(server, held, asynchronous):
    def answer(requests):
        next(requests)
        for request in requests:
            output = request.chunk.queries
            yield _methods.attention_pb2.AttendStreamResponse(output=output, report={"num_features": 7})
        yield _methods.attention_pb2.AttendStreamResponse(report={"num_features": 8})

    server.on_stream(_methods.ATTEND_STREAM, answer)

    async def run_on():
        closed, client = favor.AsyncClient(server.endpoint), favor.AsyncClient(server.endpoint)
        await closed.close()
        async with client:
            return [answer async for answer in favor.AsyncResumingStream([closed, client], [(ONES, ONES, ONES)])]

    if asynchronous:
        answers = asyncio.run(run_on())
    else:
        closed = favor.Client(server.endpoint)
        closed.close()
        with favor.Client(server.endpoint) as client:
            answers = list(favor.ResumingStream([closed, client], [(ONES, ONES, ONES)]))
    assert [answer.output.tolist() for answer in answers] == [ONES.tolist()]

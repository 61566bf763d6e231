"""Closing a client, or a stream, ends what is under way on it, and only that: as favor.CancelledError, in whatever
waits for it."""

import asyncio
import contextlib
import threading
import time

import grpc
import pytest
from both_clients import both, no_task_is_left
from fake_server import Failure
from test_attend_stream import ONES, await_that, num_threads

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
    server.on_stream(_methods.EMBED_STREAM, answer.stream)
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


STREAMS = ["attend_stream", "embed_stream", "embed_sequence", "resuming", "resuming in backoff"]


def open_stream(client, kind):
    """A stream whose source has no end."""
    chunk = {"embed_stream": "a text", "embed_sequence": [1]}.get(kind, ONES)
    chunks = (chunk for _ in range(10**9))
    if not kind.startswith("resuming"):
        return getattr(client, kind)(chunks)
    options = favor.ResumeOptions(initial_backoff=60.0, max_backoff=60.0)
    cls = favor.AsyncResumingStream if isinstance(client, favor.AsyncClient) else favor.ResumingStream
    return cls([client], chunks, resume=options)


def refuse_streams(server, held):
    def refuse(requests):
        held.unavailable(next(requests))
        yield

    server.on_stream(_methods.ATTEND_STREAM, refuse)


@pytest.mark.parametrize("kind", STREAMS)
def test_a_stream_is_closed_while_a_thread_waits_for_its_answer(server, held, kind):
    if kind == "resuming in backoff":
        refuse_streams(server, held)
    before = num_threads()
    outcome = []
    with favor.Client(server.endpoint) as client:
        stream = open_stream(client, kind)

        def read():
            try:
                outcome.append(next(stream))
            except Exception as failure:
                outcome.append(type(failure))

        reader = threading.Thread(target=read)
        reader.start()
        await_that(lambda: held.num_calls == 1, "the call")
        stream.close()
        reader.join(20)
        assert outcome == [favor.CancelledError]
        assert next(stream, None) is None
        stream.close()
        assert held.num_calls == 1
    await_that(lambda: num_threads() <= before, "threads")


@pytest.mark.parametrize("kind", STREAMS)
def test_a_stream_is_closed_while_a_task_waits_for_its_answer(server, held, kind):
    if kind == "resuming in backoff":
        refuse_streams(server, held)

    async def run_and_close():
        async with favor.AsyncClient(server.endpoint) as client:
            stream = open_stream(client, kind)
            reader = asyncio.ensure_future(anext(stream))
            await asyncio.to_thread(await_that, lambda: held.num_calls == 1, "the call")
            await stream.aclose()
            done, _ = await asyncio.wait([reader], timeout=20)
            assert done and not reader.cancelled() and isinstance(reader.exception(), favor.CancelledError)
            assert await anext(stream, None) is None
            await stream.aclose()
            await no_task_is_left()
        assert held.num_calls == 1

    asyncio.run(run_and_close())


@both
@pytest.mark.parametrize("kind", STREAMS[:-1])
def test_a_stream_that_is_closed_before_anybody_reads_makes_no_call(server, held, asynchronous, kind):
    async def open_and_close():
        async with favor.AsyncClient(server.endpoint) as client:
            async with open_stream(client, kind) as stream:
                pass
            assert await anext(stream, None) is None

    if asynchronous:
        asyncio.run(open_and_close())
    else:
        with favor.Client(server.endpoint) as client:
            with open_stream(client, kind) as stream:
                pass
            assert next(stream, None) is None
    assert held.num_calls == 0

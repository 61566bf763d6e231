"""What the caller's own chunks and inputs raise reaches whoever reads the answers, whatever it is."""

import asyncio
import threading

import pytest
from both_clients import both
from fake_server import embed_stream_by_length
from test_attend_stream import ONES, answer_chunks

import favor
from favor import _methods

METHODS = ["attend_stream", "ResumingStream", "embed_stream", "embed_sequence"]


class Interrupt(BaseException):
    """Like KeyboardInterrupt, without what Python itself does about that one."""


def items(method, why):
    yield {"embed_stream": "a text", "embed_sequence": [1]}.get(method, (ONES, ONES, ONES))
    raise why


async def async_items(method, why):
    yield next(items(method, why))
    await asyncio.sleep(0)
    if isinstance(why, asyncio.CancelledError):  # as of a task that the source waits for
        task = asyncio.ensure_future(asyncio.sleep(1000))
        asyncio.get_running_loop().call_soon(task.cancel)
        await task
    raise why


def read(method, endpoint, why):
    with favor.Client(endpoint) as client:
        if method == "ResumingStream":
            return list(favor.ResumingStream([client], items(method, why)))
        return list(getattr(client, method)(items(method, why)))


async def read_async(method, endpoint, why):
    async with favor.AsyncClient(endpoint) as client:
        if method == "ResumingStream":
            answers = favor.AsyncResumingStream([client], async_items(method, why))
        else:
            answers = getattr(client, method)(async_items(method, why))
        try:
            async with asyncio.timeout(20):
                return [answer async for answer in answers]
        finally:
            assert asyncio.current_task().cancelling() == 0


@both
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("why", [LookupError("mine"), asyncio.CancelledError("mine"), Interrupt("mine")], ids=repr)
@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_the_chunks_raise_reaches_the_reader(server, asynchronous, method, why):
    server.on_stream(_methods.ATTEND_STREAM, answer_chunks)
    server.on_stream(_methods.EMBED_STREAM, embed_stream_by_length)
    outcome = []

    def run():
        try:
            if asynchronous:
                asyncio.run(read_async(method, server.endpoint, why))
            else:
                read(method, server.endpoint, why)
        except BaseException as failure:
            outcome.append(type(failure))

    reader = threading.Thread(target=run, daemon=True)  # which a failing test leaves behind
    reader.start()
    reader.join(30)
    assert outcome == [type(why)]

"""ResumingStream and AsyncResumingStream, against servers of the test's own and processes of favord."""

import asyncio
import gc
import itertools
import signal
import threading
import time

import grpc
import numpy as np
import pytest
from both_clients import awaited, both, no_task_is_left, waited_for
from fake_server import FakeServer, Failure
from favord import BINARY, favord_process
from test_attend_stream import ONES, answer_chunks, await_that, num_threads

import favor
from favor import _methods
from favor._proto import attention_pb2

needs_favord = pytest.mark.skipif(not BINARY, reason="FAVORD_BINARY is not set")
QUICK = {"initial_backoff": 0.001, "max_backoff": 0.01}


def resume(asynchronous, endpoints, chunks, on_answer=lambda answer: None, options=None, as_async=awaited, **arguments):
    """All answers, and the stream; on_answer is called with each as it comes."""
    arguments["resume"] = favor.ResumeOptions(**(QUICK | (options or {})))
    answers = []
    if not asynchronous:
        stream = favor.ResumingStream([favor.Client(endpoint) for endpoint in endpoints], chunks, **arguments)
        for answer in stream:
            answers.append(answer)
            on_answer(answer)
        return answers, stream

    async def run():
        clients = [favor.AsyncClient(endpoint) for endpoint in endpoints]
        stream = favor.AsyncResumingStream(clients, as_async(chunks), **arguments)
        try:
            async for answer in stream:
                answers.append(answer)
                await asyncio.to_thread(on_answer, answer)
        finally:
            for client in clients:
                await client.close()
        await no_task_is_left()
        return answers, stream

    return asyncio.run(run())


class Counting:
    """Chunks are numbers; the state is how many there were, so that what is lost or comes twice is seen. Breaks after
    `lives` messages, one number for each call; then it goes on to the end."""

    def __init__(self, lives=(), why=lambda: Failure(grpc.StatusCode.UNAVAILABLE, "going down")):
        self.lives = list(lives)
        self.why = why
        self.starts = []
        self.num_messages = []

    def __call__(self, requests):
        life = self.lives.pop(0) if self.lives else 10**9
        start = next(requests).start
        self.starts.append(start)
        self.num_messages.append(0)
        count = start.state.num_keys[0] if start.HasField("state") else 0
        keys_ended = False
        for request in requests:
            if life == 0:
                raise self.why()
            life -= 1
            self.num_messages[-1] += 1
            kind = request.WhichOneof("message")
            if kind == "end_of_keys":
                assert not keys_ended
                keys_ended = True
            if kind == "get_state":
                state = attention_pb2.AttentionState(
                    version=1, head_dim=1, value_dim=1, num_features=1, num_keys=[count], encoding=1, payload=b"x"
                )
                yield attention_pb2.AttendStreamResponse(state=state)
            elif kind == "chunk":
                if not request.chunk.HasField("keys") and not keys_ended:
                    raise Failure(grpc.StatusCode.INVALID_ARGUMENT, "queries before end_of_keys")
                answer = attention_pb2.AttendStreamResponse(report={"degenerate_rows": 1})
                if request.chunk.HasField("keys"):
                    count += 1
                if request.chunk.HasField("queries"):
                    output = np.array([request.chunk.queries.data[0], count], np.float32)
                    answer.output.CopyFrom(favor._tensors.to_wire("", output))
                yield answer
        yield attention_pb2.AttendStreamResponse(report={"degenerate_rows": 10**6})


def numbered(count):
    numbers = [np.full((1, 1, 1, 1), 0, np.float32) for _ in range(count)]
    for i, number in enumerate(numbers):
        number.view(np.uint8)[..., 0] = i
    return [(number, number, number) for number in numbers]


@both
@pytest.mark.parametrize("lives", [[0], [1], [3, 0, 2, 40], [5] * 30, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]])
def test_no_answer_is_lost_or_doubled_wherever_streams_break(asynchronous, lives):
    counting = Counting(lives)
    with FakeServer() as one, FakeServer() as other:
        for server in (one, other):
            server.on_stream(_methods.ATTEND_STREAM, counting)
        breaks = []
        options = {"checkpoint_every": 3, "on_break": breaks.append}
        endpoints = [one.endpoint, other.endpoint]
        answers, stream = resume(asynchronous, endpoints, iter(numbered(60)), options=options, seed=4)
    assert [answer.output.tolist() for answer in answers] == [[i, i + 1] for i in range(60)]
    assert stream.num_resumes == len(counting.starts) - 1 == len(breaks) >= 1
    assert all(isinstance(why, favor.UnavailableError) and "127.0.0.1" in str(why) for why in breaks)
    assert stream.report.degenerate_rows == 60  # what was sent again does not count, nor does the last server's sum
    assert counting.starts[0].spec.features.projection.seed == 4
    for start in counting.starts[1:]:  # a checkpoint says what it is for
        assert start.HasField("spec") != start.HasField("state") and start.report_every_chunk
    # What is sent again is what came since the last checkpoint: twice 3 chunks and their requests of states at most.
    assert sum(counting.num_messages) <= 60 + 20 + 1 + 8 * len(lives)


@both
def test_bidirectional_streams_end_their_keys_once_and_are_told_again(asynchronous):
    pairs = [(keys, values) for _, keys, values in numbered(7)]
    queries = [queries for queries, _, _ in numbered(20)]
    chunks = [*pairs[:4], favor.GET_STATE, *pairs[4:], favor.END_OF_KEYS, *queries, favor.GET_STATE]
    for lives in ([2], [8], [11], [15], [3, 9, 4, 4, 4]):
        with FakeServer() as server:
            server.on_stream(_methods.ATTEND_STREAM, Counting(lives))
            answers, _ = resume(asynchronous, [server.endpoint], chunks, options={"checkpoint_every": 2})
        assert [answer.state.num_keys for answer in answers if answer.state] == [(4,), (7,)]
        assert [answer.output.tolist() for answer in answers if answer.output is not None] == [[i, 7] for i in range(20)]
        assert len(answers) == 7 + 20 + 2  # chunks of keys have reports


@both
def test_checkpoints_are_given_where_they_are_wanted_and_what_is_kept_is_bounded(asynchronous):
    taken = []

    def chunks():
        for i, chunk in enumerate(numbered(40)):
            taken.append(i)
            yield chunk

    ahead = []

    def on_answer(answer):
        if answer.output is not None:
            time.sleep(0.002)
            ahead.append(len(taken) - int(answer.output[0]))

    with FakeServer() as server:
        server.on_stream(_methods.ATTEND_STREAM, Counting([10, 10]))
        options = {"checkpoint_every": 4, "give_checkpoints": True}
        answers, _ = resume(asynchronous, [server.endpoint], chunks(), on_answer, options)
    count = 0
    states = []
    for answer in answers:
        if answer.state is not None:
            states.append(answer.state.num_keys[0])
            assert states[-1] == count  # behind the answers to all that it holds
        else:
            count += 1
    assert states == list(range(4, 41, 4))
    assert max(ahead) <= 2 * 4 + 2  # and one that waits for room


@both
def test_what_is_no_break_ends_the_stream_and_names_the_server(asynchronous):
    def invalid():
        return Failure(grpc.StatusCode.INVALID_ARGUMENT, "keys.shape", field="keys.shape")

    def full():
        return Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "message too large")

    for why, error in ((invalid, favor.InvalidArgumentError), (full, favor.ResourceExhaustedError)):
        with FakeServer() as server:
            server.on_stream(_methods.ATTEND_STREAM, Counting([2], why))
            answers = []
            with pytest.raises(error, match=server.endpoint):
                resume(asynchronous, [server.endpoint], numbered(5), answers.append)
            assert len(answers) == 2

    def exhausted():
        return Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "no room", retry_delay=0.3)

    with FakeServer() as server:
        server.on_stream(_methods.ATTEND_STREAM, Counting([2], exhausted))
        begin = time.monotonic()
        answers, stream = resume(asynchronous, [server.endpoint], numbered(5))
        assert len(answers) == 5 and stream.num_resumes == 1
        assert time.monotonic() - begin >= 0.3


@both
def test_attempts_and_the_deadline_are_bounded(asynchronous):
    with FakeServer() as server:
        counting = Counting([0] * 1000)
        server.on_stream(_methods.ATTEND_STREAM, counting)
        with pytest.raises(favor.UnavailableError, match="after 7 attempts that brought nothing new"):
            resume(asynchronous, [server.endpoint], numbered(5), options={"max_attempts": 7})
        assert len(counting.starts) == 7
        begin = time.monotonic()
        with pytest.raises(favor.FavorError):
            options = {"max_attempts": 10**6}
            resume(asynchronous, [server.endpoint], numbered(5), options=options, deadline=0.5)
        assert time.monotonic() - begin < 10


@both
def test_a_source_that_pauses_holds_no_place_of_a_server_meanwhile(asynchronous):
    """As with a server whose stream-idle-timeout is shorter than the pause."""
    counting = Counting()
    broken, goes_on = threading.Event(), threading.Event()

    def idle():
        return Failure(grpc.StatusCode.DEADLINE_EXCEEDED, "the client sent no message for 1s")

    def answer(requests):
        if not counting.starts:
            yield from itertools.islice(counting(requests), 2)
            raise idle()
        if not goes_on.is_set():
            counting.starts.append(next(requests).start)
            raise idle()
        yield from counting(requests)

    def pausing(*more):
        yield numbered(1)[0]
        assert broken.wait(20)
        time.sleep(0.3)  # thirty backoffs, in which it must not ask again
        goes_on.set()
        yield from more

    with FakeServer() as server:
        server.on_stream(_methods.ATTEND_STREAM, answer)
        options = {"checkpoint_every": 1, "max_attempts": 5, "on_break": lambda why: broken.set()}
        arguments = {"options": options, "as_async": waited_for}
        answers, stream = resume(asynchronous, [server.endpoint], pausing(numbered(2)[1]), **arguments)
        assert [answer.output.tolist() for answer in answers] == [[0, 1], [1, 2]]
        assert len(counting.starts) == 2 and stream.num_resumes == 1
        broken.clear(), goes_on.clear(), counting.starts.clear()
        answers, stream = resume(asynchronous, [server.endpoint], pausing(), **arguments)
        assert len(answers) == len(counting.starts) == 1 and stream.num_resumes == 0  # nothing is left to ask for


@both
def test_the_deadline_and_closing_end_a_pause(asynchronous):
    released = threading.Event()

    def waiting():
        released.wait(60)
        yield from ()

    def blocking(server):
        with favor.Client(server.endpoint) as client:
            with pytest.raises(favor.DeadlineExceededError, match="the deadline passed"):
                next(favor.ResumingStream([client], waiting(), deadline=0.1))
            stream = favor.ResumingStream([client], waiting())
            threading.Timer(0.1, stream.close).start()
            with pytest.raises(favor.CancelledError, match="the stream is closed"):
                next(stream)

    async def run(server):
        async with favor.AsyncClient(server.endpoint) as client:
            with pytest.raises(favor.DeadlineExceededError, match="the deadline passed"):
                await anext(favor.AsyncResumingStream([client], waited_for(waiting()), deadline=0.1))
            stream = favor.AsyncResumingStream([client], waited_for(waiting()))
            asyncio.get_running_loop().call_later(0.1, lambda: asyncio.ensure_future(stream.aclose()))
            with pytest.raises(favor.CancelledError, match="the stream is closed"):
                await anext(stream)
            released.set()

    counting = Counting()
    with FakeServer() as server:
        server.on_stream(_methods.ATTEND_STREAM, counting)
        asyncio.run(run(server)) if asynchronous else blocking(server)
        released.set()
    assert not counting.starts


@both
def test_a_server_that_owes_an_answer_too_long_is_left(asynchronous):
    released = threading.Event()

    def silent(requests):
        yield from (answer for answer, _ in zip(Counting()(requests), range(2)))
        released.wait(60)

    with FakeServer() as one, FakeServer() as other:
        one.on_stream(_methods.ATTEND_STREAM, silent)
        other.on_stream(_methods.ATTEND_STREAM, Counting())
        breaks = []
        options = {"answer_timeout": 2.0, "on_break": breaks.append}  # more than an answer takes beside other tests
        answers, _ = resume(asynchronous, [one.endpoint, other.endpoint], numbered(30), options=options)
        released.set()
    assert [answer.output.tolist() for answer in answers] == [[i, i + 1] for i in range(30)]
    assert len(breaks) == 1 and isinstance(breaks[0], favor.DeadlineExceededError)
    assert f"the server owed an answer for 2.0 s ({one.endpoint})" in str(breaks[0])


@both
@pytest.mark.parametrize("count", [3, 0])
def test_a_server_that_falls_silent_after_its_last_answer_is_not_waited_for(asynchronous, count):
    released = threading.Event()

    def silent(requests):
        counting = Counting()(requests)
        yield from (next(counting) for _ in range(count))
        released.wait(60)

    with FakeServer() as one, FakeServer() as other:
        one.on_stream(_methods.ATTEND_STREAM, silent)
        other.on_stream(_methods.ATTEND_STREAM, Counting())
        begin = time.monotonic()
        options = {"answer_timeout": 2.0}  # more than an answer takes beside other tests
        answers, stream = resume(asynchronous, [one.endpoint, other.endpoint], numbered(count), options=options)
        assert time.monotonic() - begin < 30
        released.set()
    assert [answer.output.tolist() for answer in answers] == [[i, i + 1] for i in range(count)]
    assert stream.num_resumes == (count == 0)  # only where there was no answer does it have to be asked again


@both
def test_chunks_that_come_slowly_and_answers_taken_slowly_are_no_silence(asynchronous):
    def slowly():
        for chunk in numbered(2):
            time.sleep(1.3)
            yield chunk

    with FakeServer() as server:
        server.on_stream(_methods.ATTEND_STREAM, Counting())
        options = {"answer_timeout": 1.0}
        answers, stream = resume(asynchronous, [server.endpoint], slowly(), lambda _: time.sleep(1.3), options)
        assert len(answers) == 2 and stream.num_resumes == 0


@both
def test_what_the_chunks_raise_reaches_the_caller(asynchronous):
    def failing():
        yield numbered(1)[0]
        raise LookupError("no more of the corpus")

    def unavailable():
        yield numbered(1)[0]
        raise favor.UnavailableError(grpc.StatusCode.UNAVAILABLE, "of another call")

    with FakeServer() as server:
        counting = Counting()
        server.on_stream(_methods.ATTEND_STREAM, counting)
        with pytest.raises(LookupError, match="no more of the corpus"):
            resume(asynchronous, [server.endpoint], failing())
        with pytest.raises(favor.UnavailableError, match="of another call$"):
            resume(asynchronous, [server.endpoint], unavailable())
        with pytest.raises(TypeError, match=r"chunks\[1\] is a tuple of 1"):
            resume(asynchronous, [server.endpoint], [numbered(1)[0], (ONES,)])
        assert len(counting.starts) <= 3
        assert resume(asynchronous, [server.endpoint], [])[0] == []
    with pytest.raises(ValueError, match="clients is empty"):
        resume(asynchronous, [], [])
    with pytest.raises(ValueError, match="checkpoint_every is 0, the least is 1"):
        favor.ResumeOptions(checkpoint_every=0)


def test_leaving_early_and_dropping_end_the_call_and_all_threads(server):
    ended = threading.Event()

    def answer(requests):
        try:
            yield from answer_chunks(requests)
        finally:
            ended.set()

    def endless():
        while True:
            yield ONES
            time.sleep(0.001)

    server.on_stream(_methods.ATTEND_STREAM, answer)
    gc.disable()
    try:
        for way in ("drop", "with"):
            ended.clear()
            before = num_threads()
            with favor.Client(server.endpoint) as client:
                stream = favor.ResumingStream([client], endless())
                if way == "with":
                    with stream:
                        next(stream)
                else:
                    next(stream)
                    del stream
                assert ended.wait(20), way
                await_that(lambda: num_threads() <= before + 1, f"threads of {way}")  # the channel has one
            await_that(lambda: num_threads() <= before, f"threads of {way}")
    finally:
        gc.enable()


def test_a_task_that_is_cancelled_ends_the_call_and_all_tasks(server):
    ended = threading.Event()

    def answer(requests):
        try:
            yield from answer_chunks(requests)
        finally:
            ended.set()

    async def never():
        yield ONES
        await asyncio.sleep(1000)

    async def run():
        async with favor.AsyncClient(server.endpoint) as client:
            got = asyncio.Event()

            async def read():
                async with favor.AsyncResumingStream([client], never()) as stream:
                    async for _ in stream:
                        got.set()

            task = asyncio.ensure_future(read())
            await asyncio.wait_for(got.wait(), 20)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await asyncio.to_thread(ended.wait, 20)
            await no_task_is_left()

    server.on_stream(_methods.ATTEND_STREAM, answer)
    asyncio.run(run())


def arrays(length, seed=1):
    random = np.random.default_rng(seed)
    return [(random.standard_normal((1, heads, length, 16)) / 3).astype(np.float32) for heads in (4, 2, 2)]


def whole(endpoint, chunks, **options):
    """The same stream, unbroken."""
    with favor.Client(endpoint) as client:
        return [answer.output for answer in client.attend_stream(chunks, **options) if answer.output is not None]


@needs_favord
@both
@pytest.mark.parametrize("causal", [True, False], ids=["causal", "bidirectional"])
@pytest.mark.parametrize("signal_", [signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM], ids=lambda value: value.name)
def test_a_favord_that_dies_stops_or_drains_costs_no_bit(tmp_path_factory, asynchronous, causal, signal_):
    queries, keys, values = arrays(40 * 64)
    if causal:
        chunks = list(zip(*(np.split(array, 40, 2) for array in (queries, keys, values))))
    else:
        pairs = zip(*(np.split(array, 40, 2) for array in (keys, values)))
        chunks = [*pairs, favor.END_OF_KEYS, *np.split(queries, 40, 2)]
    options = {"causal": causal, "num_features": 64}
    with (
        favord_process(tmp_path_factory.mktemp("first"), "--drain-timeout", "1s") as (first, process),
        favord_process(tmp_path_factory.mktemp("second")) as (second, _),
    ):
        expected = whole(second, chunks, **options)
        taken = []

        def on_answer(answer):
            taken.append(answer)
            if len(taken) == (17 if causal else 57):
                process.send_signal(signal_)

        resume_options = {"checkpoint_every": 5, "answer_timeout": 1.0}
        answers, stream = resume(asynchronous, [first, second], chunks, on_answer, resume_options, **options)
        outputs = [answer.output for answer in answers if answer.output is not None]
        assert len(outputs) == len(expected)
        for output, other in zip(outputs, expected, strict=True):
            assert output.tobytes() == other.tobytes()
        assert stream.num_resumes >= 1 or signal_ is signal.SIGTERM  # a stream may be done before the drain's end

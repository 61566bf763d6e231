"""attend_stream of both clients, against a server of the test's own and against two processes of favord."""

import asyncio
import gc
import threading
import time

import grpc
import numpy as np
import pytest
from both_clients import both, call, no_task_is_left, stream
from fake_server import Failure
from favord import BINARY, running_favord

import favor
from favor import _methods, _tensors
from favor._proto import attention_pb2

needs_favord = pytest.mark.skipif(not BINARY, reason="FAVORD_BINARY is not set")


def answer_chunks(requests):
    """An output to each chunk with queries: the queries; a state to get_state; a report at the end."""
    start = next(requests).start
    report = attention_pb2.AttendReport(num_features=7)
    for request in requests:
        kind = request.WhichOneof("message")
        answer = attention_pb2.AttendStreamResponse(report=report if start.report_every_chunk else None)
        if kind == "get_state":
            answer.state.CopyFrom(attention_pb2.AttentionState(
                version=1, head_dim=1, value_dim=1, num_features=1, encoding=request.get_state or 1, payload=b"x"
            ))
            yield answer
        elif kind == "chunk" and request.chunk.HasField("queries"):
            answer.output.CopyFrom(request.chunk.queries)
            yield answer
        elif kind == "chunk" and start.report_every_chunk:
            yield answer
    yield attention_pb2.AttendStreamResponse(report=attention_pb2.AttendReport(num_features=8))


ONES = np.ones((1, 1, 2, 4), np.float32)


@both
def test_messages_carry_what_was_asked_for_and_answers_come_in_their_order(server, asynchronous):
    seen = []

    def answer(requests):
        def remembered():
            for request in requests:
                seen.append(request)
                yield request

        yield from answer_chunks(remembered())

    server.on_stream(_methods.ATTEND_STREAM, answer)
    chunks = [(ONES, ONES), favor.GET_STATE, favor.END_OF_KEYS, ONES * 2, (ONES * 3, ONES, ONES)]
    options = {"causal": True, "num_features": 9, "output_dtype": "float16", "encoding": "bf16"}
    answers, report = stream(asynchronous, server.endpoint, chunks, **options)
    assert [answer.state is not None for answer in answers] == [True, False, False]
    assert answers[0].state.encoding == "bf16" and answers[0].output is None
    np.testing.assert_array_equal(answers[1].output, ONES * 2)
    np.testing.assert_array_equal(answers[2].output, ONES * 3)
    assert [answer.report for answer in answers] == [None] * 3 and report.num_features == 8
    start = seen[0].start
    assert start.spec == attention_pb2.AttentionSpec(causal=True, features={"num_features": 9})
    assert start.output_type == _tensors.data_type("", "float16") and not start.HasField("state")
    assert [message.WhichOneof("message") for message in seen[1:]] == ["chunk", "get_state", "end_of_keys", "chunk", "chunk"]
    assert not seen[1].chunk.HasField("queries") and seen[1].chunk.HasField("values")
    assert seen[4].chunk.HasField("queries") and not seen[4].chunk.HasField("keys")
    # A state says what it is for.
    stream(asynchronous, server.endpoint, [], state=answers[0].state)
    assert seen[-1].start.state == attention_pb2.AttentionState.FromString(bytes(answers[0].state))
    assert not seen[-1].start.HasField("spec")


@both
def test_chunks_of_keys_are_answered_where_reports_are_asked_for(server, asynchronous):
    server.on_stream(_methods.ATTEND_STREAM, answer_chunks)
    chunks = [(ONES, ONES), favor.END_OF_KEYS, ONES]
    answers, report = stream(asynchronous, server.endpoint, chunks, report_every_chunk=True)
    assert [answer.output is not None for answer in answers] == [False, True]
    assert [answer.report.num_features for answer in answers] == [7, 7] and report.num_features == 8


@both
def test_what_is_no_chunk_is_named_and_what_the_chunks_raise_reaches_the_caller(server, asynchronous):
    server.on_stream(_methods.ATTEND_STREAM, answer_chunks)
    for chunk, match in [
        ((ONES,), r"chunks\[1\] is a tuple of 1"),
        ((ONES, ONES, ONES.astype(np.float64)), r"chunks\[1\].values is float64"),
        ("text", r"chunks\[1\].queries"),
    ]:
        with pytest.raises(TypeError, match=match):
            stream(asynchronous, server.endpoint, [(ONES, ONES), chunk])

    def failing():
        yield ONES
        raise LookupError("no more of the corpus")

    with pytest.raises(LookupError, match="no more of the corpus"):
        stream(asynchronous, server.endpoint, failing())
    with pytest.raises(ValueError, match="encoding is 'f64'"):
        stream(asynchronous, server.endpoint, [], encoding="f64")
    with pytest.raises(TypeError, match="mode"):
        stream(asynchronous, server.endpoint, [], mode="exact")


@both
def test_a_stream_that_fails_raises_the_servers_error_and_is_not_repeated(server, asynchronous):
    calls = []

    def answer(requests):
        calls.append(next(requests))
        raise Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "2 streams are open", retry_delay=1)
        yield

    server.on_stream(_methods.ATTEND_STREAM, answer)
    with pytest.raises(favor.ResourceExhaustedError, match="2 streams") as caught:
        stream(asynchronous, server.endpoint, [ONES])
    assert caught.value.retry_delay == 1 and len(calls) == 1


@both
def test_the_servers_status_is_told_also_when_messages_are_on_their_way(server, asynchronous):
    def answer(requests):
        next(requests)
        raise Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "2 streams are open", retry_delay=1)
        yield

    server.on_stream(_methods.ATTEND_STREAM, answer)
    for _ in range(30):  # grpcio 1.85 lost a quarter of them
        with pytest.raises(favor.ResourceExhaustedError, match="2 streams"):
            stream(asynchronous, server.endpoint, [ONES] * 200)


def test_leaving_early_dropping_and_closing_end_the_call_and_its_thread(server):
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
    gc.disable()  # a dropped stream ends by itself, without a collection
    try:
        for way in ("break", "close", "with"):
            ended.clear()
            before = num_threads()
            with favor.Client(server.endpoint) as client:
                if way == "with":
                    with client.attend_stream(endless()) as answers:
                        next(answers)
                else:
                    answers = client.attend_stream(endless())
                    for _ in answers:
                        break
                    answers.close() if way == "close" else None
                    del answers
                assert ended.wait(20), way
            await_that(lambda: num_threads() <= before, f"threads of {way}")
    finally:
        gc.enable()


def num_threads():
    """Those of clients: the server of the test has a pool of its own."""
    return sum(not thread.name.startswith("ThreadPoolExecutor") for thread in threading.enumerate())


def await_that(condition, what):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.01)


def test_a_task_that_is_cancelled_ends_the_call(server):
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
                async for _ in client.attend_stream(never()):
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


@pytest.fixture(scope="module")
def favords(tmp_path_factory):
    """Two servers."""
    with (
        running_favord(tmp_path_factory.mktemp("first"), "--max-streams", "1") as first,
        running_favord(tmp_path_factory.mktemp("second")) as second,
    ):
        yield first, second


def inputs(random, length, dtype=np.float32):
    return [(random.standard_normal((1, heads, length, 16)) / 3).astype(dtype) for heads in (4, 2, 2)]


def fuzzed_cuts(random, length):
    """Places to cut at, some twice: chunks may be empty."""
    return sorted(random.integers(0, length + 1, random.integers(0, 9)).tolist())


def cut(arrays, cuts):
    return list(zip(*(np.split(array, cuts, 2) for array in arrays)))


def relative_error(actual, expected):
    return np.linalg.norm(actual.astype(np.float64) - expected) / np.linalg.norm(expected)


@needs_favord
@both
@pytest.mark.parametrize("seed", range(6))
def test_a_causal_stream_is_the_unary_call_however_it_is_cut(favords, asynchronous, seed):
    random = np.random.default_rng(seed)
    arrays = inputs(random, int(random.integers(1, 700)))
    options = {"causal": True, "num_features": int(random.integers(8, 80)), "seed": seed}
    whole = call(asynchronous, favords[0], "attend", *arrays, **options)
    chunks = cut(arrays, fuzzed_cuts(random, arrays[0].shape[2]))
    answers, report = stream(asynchronous, favords[0], chunks, **options)
    assert [answer.output.shape for answer in answers] == [chunk[0].shape for chunk in chunks]
    assert relative_error(np.concatenate([answer.output for answer in answers], 2), whole.output) < 1e-5
    assert report.projection_id == whole.report.projection_id


@needs_favord
@both
@pytest.mark.parametrize("seed", range(4))
def test_a_bidirectional_stream_is_the_unary_call_and_fold_and_read(favords, asynchronous, seed):
    random = np.random.default_rng(100 + seed)
    queries, keys, values = inputs(random, int(random.integers(1, 700)))
    whole = call(asynchronous, favords[1], "attend", queries, keys, values, num_features=32)
    cuts = fuzzed_cuts(random, keys.shape[2])
    chunks = [
        *cut([keys, values], cuts),
        favor.END_OF_KEYS,
        *np.split(queries, fuzzed_cuts(random, queries.shape[2]), 2),
        favor.GET_STATE,
    ]
    *answers, last = stream(asynchronous, favords[1], chunks, num_features=32, report_every_chunk=True)[0]
    outputs = [answer.output for answer in answers if answer.output is not None]
    assert len(answers) - len(outputs) == len(cuts) + 1 and all(answer.report is not None for answer in answers)
    assert relative_error(np.concatenate(outputs, 2), whole.output) < 1e-5
    state = call(asynchronous, favords[0], "fold", keys, values, num_features=32)
    read = call(asynchronous, favords[0], "read", queries, last.state)
    assert relative_error(read.output, whole.output) < 1e-5
    assert last.state.num_keys == state.num_keys and last.state.projection_id == state.projection_id


@needs_favord
@both
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_another_server_goes_on_from_a_state_with_the_same_bits(favords, asynchronous, dtype, tmp_path):
    if dtype == "bfloat16":
        dtype = pytest.importorskip("ml_dtypes").bfloat16
    arrays = inputs(np.random.default_rng(7), 500, dtype)
    chunks = cut(arrays, [100, 130, 300])
    chunks.insert(2, favor.GET_STATE)
    answers, _ = stream(asynchronous, favords[0], chunks, causal=True)
    answers[2].state.save(tmp_path / "at.state")
    resumed, _ = stream(asynchronous, favords[1], chunks[3:], state=favor.AttentionState.load(tmp_path / "at.state"))
    assert answers[0].output.dtype == np.dtype(dtype) and answers[2].state.num_keys == (130,)
    for answer, again in zip(answers[3:], resumed, strict=True):
        assert answer.output.tobytes() == again.output.tobytes()


@needs_favord
@both
def test_favord_names_what_is_wrong_and_where(favords, asynchronous):
    queries, keys, values = inputs(np.random.default_rng(8), 20)
    with pytest.raises(favor.InvalidArgumentError, match="head_dim"):
        stream(asynchronous, favords[0], [(queries, keys[..., :8], values)], causal=True)
    with pytest.raises(favor.InvalidArgumentError):
        stream(asynchronous, favords[0], [favor.GET_STATE], causal=True)
    state = call(asynchronous, favords[0], "fold", keys, values, causal=True)
    with pytest.raises(favor.FailedPreconditionError, match="state"):
        stream(asynchronous, favords[0], [(queries, keys, values)], causal=True, state=state, seed=5)


@needs_favord
def test_favord_bounds_its_streams_and_frees_the_place_of_one_left_early(favords):
    chunk = tuple(inputs(np.random.default_rng(9), 20))
    with favor.Client(favords[0], deadline=60) as client:
        answers = client.attend_stream((chunk for _ in range(10**9)), causal=True)
        next(answers)
        with pytest.raises(favor.ResourceExhaustedError, match="max-streams is 1"):
            next(client.attend_stream([chunk], causal=True))
        answers.close()

        def free():
            try:
                return len(list(client.attend_stream([chunk], causal=True))) == 1
            except favor.ResourceExhaustedError:
                return False

        await_that(free, "the place of a stream that was closed")

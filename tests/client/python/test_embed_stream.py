"""embed_stream of both clients, against a server of the test's own and against favord."""

import asyncio
import threading
import time

import grpc
import numpy as np
import pytest
from fake_server import Failure, embed_stream_by_length
from favord import BINARY, DATA, running_favord
from test_real_embedding import make_bert, serves_models

import favor
from favor import _methods


def stream_of(endpoint, inputs, asynchronous, **options):
    """The results of a stream as a list, by either client."""
    if not asynchronous:
        with favor.Client(endpoint, deadline=60) as client:
            return list(client.embed_stream(inputs, **options))

    async def awaited():
        for value in inputs:
            await asyncio.sleep(0)
            yield value

    async def run():
        async with favor.AsyncClient(endpoint, deadline=60) as client:
            return [result async for result in client.embed_stream(awaited(), **options)]

    return asyncio.run(run())


both = pytest.mark.parametrize("asynchronous", [False, True], ids=["blocking", "asyncio"])


@both
def test_results_come_in_the_order_of_the_inputs_with_errors_in_their_places(server, asynchronous):
    server.on_stream(_methods.EMBED_STREAM, embed_stream_by_length)
    results = stream_of(server.endpoint, iter(["a", "bb", "bad", [5, 6, 7]]), asynchronous)
    np.testing.assert_array_equal(results[0].vector, [1, ord("a")])
    np.testing.assert_array_equal(results[1].vector, [2, ord("b")])
    assert results[2].vector is None and isinstance(results[2].error, favor.InvalidArgumentError)
    np.testing.assert_array_equal(results[3].vector, [3, 18])


@both
def test_the_start_carries_the_options(server, asynchronous):
    starts = []

    def answer(requests):
        starts.append(next(requests).start)
        yield from ()

    server.on_stream(_methods.EMBED_STREAM, answer)
    assert stream_of(server.endpoint, [], asynchronous, model="m", pooling="cls", dtype="float16", prompt="") == []
    assert starts[0].model == "m" and starts[0].HasField("prompt") and not starts[0].inputs
    with pytest.raises(ValueError, match="pooling"):
        stream_of(server.endpoint, [], asynchronous, pooling="median")


@both
def test_a_stream_that_fails_raises_the_servers_error_and_is_not_repeated(server, asynchronous):
    calls = []

    def answer(requests):
        calls.append(next(requests))
        raise Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "2 streams are open", retry_delay=1)
        yield

    server.on_stream(_methods.EMBED_STREAM, answer)
    with pytest.raises(favor.ResourceExhaustedError, match="2 streams") as caught:
        stream_of(server.endpoint, ["a"], asynchronous)
    assert caught.value.retry_delay == 1
    assert len(calls) == 1


@both
def test_what_the_inputs_raise_reaches_the_caller(server, asynchronous):
    server.on_stream(_methods.EMBED_STREAM, embed_stream_by_length)

    def inputs():
        yield "a"
        raise LookupError("no more of the corpus")

    with pytest.raises(LookupError, match="no more of the corpus"):
        stream_of(server.endpoint, inputs(), asynchronous)
    with pytest.raises(TypeError, match=r"inputs\[1\] is neither"):
        stream_of(server.endpoint, ["a", [[1]]], asynchronous)


def test_one_text_is_no_stream_of_texts(server):
    with favor.Client(server.endpoint) as client, pytest.raises(TypeError, match="one text"):
        client.embed_stream("a text")
    with pytest.raises(TypeError, match="one text"):
        favor.AsyncClient(server.endpoint).embed_stream("a text")


def test_leaving_early_ends_the_stream(server):
    ended = threading.Event()

    def answer(requests):
        try:
            yield from embed_stream_by_length(requests)
        finally:
            ended.set()

    def endless():
        while True:
            yield "a"
            time.sleep(0.001)

    server.on_stream(_methods.EMBED_STREAM, answer)
    with favor.Client(server.endpoint) as client:
        for result in client.embed_stream(endless()):
            assert result.num_tokens == 1
            break
        assert ended.wait(20)
    ended.clear()

    async def run():
        async with favor.AsyncClient(server.endpoint) as client:
            stream = client.embed_stream(endless())
            async for result in stream:
                assert result.num_tokens == 1
                break
            await stream.aclose()
            assert await asyncio.to_thread(ended.wait, 20)

    asyncio.run(run())


@pytest.fixture(scope="module")
def favord(tmp_path_factory):
    if not serves_models():
        pytest.skip("FAVORD_BINARY is not set, or serves no models")
    folder = tmp_path_factory.mktemp("models")
    make_bert(DATA / "models" / "bert" / "gelu.safetensors", folder)
    with running_favord(folder, "--model", f"gelu={folder / 'bert_gelu'}", "--max-streams", "1") as endpoint:
        yield endpoint


@both
def test_favord_answers_a_long_stream_as_it_answers_embed(favord, asynchronous):
    random = np.random.default_rng(5)
    inputs = [random.integers(0, 50, random.integers(1, 60)) for _ in range(2000)]
    inputs[7] = [1, 999]
    results = stream_of(favord, inputs, asynchronous)
    with favor.Client(favord, deadline=60) as client:
        expected = client.embed(inputs, return_errors=True)
    assert len(results) == len(inputs)
    assert isinstance(results[7].error, favor.InvalidArgumentError) and "999" in results[7].error.message
    for i, (result, vector) in enumerate(zip(results, expected, strict=True)):
        if i != 7:
            # Batches differ, and with them the order of sums.
            np.testing.assert_allclose(result.vector, vector, rtol=1e-4, atol=1e-5)


def test_favord_bounds_its_streams_and_frees_the_place_of_one_left_early(favord):
    with favor.Client(favord, deadline=60) as client:
        stream = client.embed_stream([1] for _ in range(10**9))
        next(stream)
        with pytest.raises(favor.ResourceExhaustedError, match="max-streams is 1") as caught:
            next(client.embed_stream([[1]]))
        assert caught.value.retry_delay == 1
        stream.close()
        end = time.monotonic() + 20
        while True:
            try:
                assert len(list(client.embed_stream([[1], [2]]))) == 2
                break
            except favor.ResourceExhaustedError:
                assert time.monotonic() < end

"""embed and tokenize: splitting, order, types, and errors of single inputs."""

import asyncio
import threading
import time

import grpc
import numpy as np
import pytest
from both_clients import both
from fake_server import Failure, FakeServer, embed_by_length

import favor
from favor import _methods
from favor._proto import embedding_pb2
from favor.embedding import embed_parts, split_by_bytes, tokenize_parts


@pytest.fixture
def client(server: FakeServer):
    server.on(_methods.EMBED, embed_by_length)
    with favor.Client(server.endpoint, retries=favor.RetryOptions(initial_backoff=0.001)) as client:
        yield client


def test_one_row_for_each_text(client):
    vectors = client.embed(["ab", "cde"])
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, [[2, ord("a")], [3, ord("c")]])


def test_ids_travel_as_ids(server, client):
    np.testing.assert_array_equal(client.embed([[5, 6, 7], np.array([9])]), [[3, 18], [1, 9]])
    assert list(server.requests[0].inputs[0].ids.ids) == [5, 6, 7]


def test_no_inputs_make_no_call(server, client):
    assert client.embed([]).shape == (0, 0)
    assert server.requests == []


def test_a_text_that_is_not_in_a_list_is_refused(client):
    with pytest.raises(TypeError, match="put it in a list"):
        client.embed("ab")


def test_inputs_that_are_neither_text_nor_ids_are_refused_by_index(client):
    with pytest.raises(TypeError, match=r"inputs\[1\]"):
        client.embed(["a", [0.5]])
    with pytest.raises(ValueError, match=r"inputs\[0\] .* 32 bits"):
        client.embed([[2**40]])


def test_what_is_no_text_is_refused_by_index(client):
    with pytest.raises(TypeError, match=r"texts\[1\] is no text"):
        client.tokenize(["a", 5])


def test_texts_that_are_no_unicode_are_refused_by_index(client):
    with pytest.raises(ValueError, match=r"^inputs\[1\] has half a surrogate pair as character 1"):
        client.embed(["a", "b\ud800"])
    with pytest.raises(ValueError, match=r"^texts\[1\] has half a surrogate pair as character 0"):
        client.tokenize(["a", "\udfff"])
    with pytest.raises(ValueError, match=r"^prompt has half a surrogate pair"):
        client.embed(["a"], prompt="\ud800")


def test_truth_values_are_named(client):
    with pytest.raises(TypeError, match="normalize is 'no', where there may be True or False"):
        client.embed(["a"], normalize="no")
    with pytest.raises(TypeError, match="pieces is 'no', where there may be True or False"):
        client.tokenize(["a"], pieces="no")


def test_long_lists_are_split_by_bytes_and_come_back_in_order(server):
    server.on(_methods.EMBED, embed_by_length)
    texts = [chr(97 + i % 26) * (1 + i % 40) for i in range(500)]
    with favor.Client(server.endpoint, embed_request_bytes=1000) as client:
        vectors = client.embed(texts)
    np.testing.assert_array_equal(vectors, [[len(text), ord(text[0])] for text in texts])
    assert len(server.requests) > 10
    assert max(request.ByteSize() for request in server.requests) <= 1000
    assert sum(len(request.inputs) for request in server.requests) == 500


def test_a_request_has_no_more_inputs_than_servers_take():
    parts = list(split_by_bytes([1] * 131_073, 10**9))
    assert parts == [slice(0, 65_536), slice(65_536, 131_072), slice(131_072, 131_073)]
    assert list(split_by_bytes([1] * 65_536, 10**9)) == [slice(0, 65_536)]
    texts = [""] * 65_537
    embeds = embed_parts(embedding_pb2.EmbedRequest(), texts, 10**9)
    assert [len(embedding_pb2.EmbedRequest.FromString(part.request).inputs) for part in embeds] == [65_536, 1]
    tokenizes = tokenize_parts(texts, None, True, False, 10**9)
    assert [len(embedding_pb2.TokenizeRequest.FromString(part.request).texts) for part in tokenizes] == [65_536, 1]


def test_requests_are_under_way_at_once(server):
    barrier = threading.Barrier(3, timeout=20)  # breaks unless three requests are in the server together

    def answer(request):
        barrier.wait()
        return embed_by_length(request)

    server.on(_methods.EMBED, answer)
    with favor.Client(server.endpoint, embed_request_bytes=1, embed_requests_in_flight=3) as client:
        assert client.embed(["a", "b", "c"]).shape == (3, 2)


def test_one_failed_request_ends_the_call_and_the_requests_under_way(server):
    released = threading.Event()

    def answer(request):
        if request.inputs[0].text == "b":
            raise Failure(grpc.StatusCode.NOT_FOUND, "no model x")
        released.wait(20)
        return embed_by_length(request)

    server.on(_methods.EMBED, answer)
    with favor.Client(server.endpoint, embed_request_bytes=1, embed_requests_in_flight=2) as client:
        begin = time.monotonic()
        with pytest.raises(favor.NotFoundError, match="no model x"):
            client.embed(["a", "b", "c", "d"])
        assert time.monotonic() - begin < 15  # it does not wait for a
    released.set()
    assert len(server.requests) <= 3


def refuse_bad(request):
    """Embeds by length, and names the "bad" as favord does, by their places in the request."""
    response = embed_by_length(request)
    for i, result in enumerate(response.results):
        if result.HasField("error"):
            failure = Failure(grpc.StatusCode.INVALID_ARGUMENT, f"inputs[{i}].text is bad", field=f"inputs[{i}].text")
            result.error.CopyFrom(failure.status)
    return response


@both
def test_errors_name_inputs_and_texts_by_their_places_in_the_whole_list(server, asynchronous):
    def refuse(request):
        for i, text in enumerate(request.texts):
            if text == "bad":
                raise Failure(grpc.StatusCode.INVALID_ARGUMENT, f"texts[{i}]: bad", field=f"texts[{i}]")
        return embedding_pb2.TokenizeResponse()

    server.on(_methods.EMBED, refuse_bad)
    server.on(_methods.TOKENIZE, refuse)
    texts = ["ab"] * 70 + ["bad"]

    def answers(call_):
        options = {"embed_request_bytes": 100, "embed_requests_in_flight": 1}
        if not asynchronous:
            with favor.Client(server.endpoint, **options) as client:
                return call_(client)

        async def run():
            async with favor.AsyncClient(server.endpoint, **options) as client:
                return await call_(client)

        return asyncio.run(run())

    with pytest.raises(favor.EmbedInputsError, match=r"input 70: inputs\[70\].text is bad") as caught:
        answers(lambda client: client.embed(texts))
    assert caught.value.field_violations[0].field == "inputs[70].text"
    error = answers(lambda client: client.embed(texts, return_errors=True))[70]
    assert isinstance(error, favor.InvalidArgumentError)
    assert error.field_violations == (favor.FieldViolation("inputs[70].text", "inputs[70].text is bad"),)
    assert len(server.requests) > 2 * 5
    with pytest.raises(favor.InvalidArgumentError, match=r"texts\[70\]: bad") as caught:
        answers(lambda client: client.tokenize(texts))
    assert caught.value.field_violations[0].field == "texts[70]"


def test_errors_of_inputs_are_raised_together(client):
    with pytest.raises(favor.EmbedInputsError, match="input 1: 600 tokens") as caught:
        client.embed(["ab", "bad", "cd", "bad"])
    assert sorted(caught.value.errors) == [1, 3]
    assert isinstance(caught.value.errors[1], favor.InvalidArgumentError)
    assert caught.value.code == grpc.StatusCode.INVALID_ARGUMENT


def test_errors_of_inputs_can_be_returned(client):
    first, second = client.embed(["ab", "bad"], return_errors=True)
    np.testing.assert_array_equal(first, [2, ord("a")])
    assert isinstance(second, favor.InvalidArgumentError) and second.message == "600 tokens, the window is 256"


def test_unpooled_embeddings_are_a_list(client):
    first, second = client.embed(["ab", "cde"], pooling="none")
    assert (first.shape, second.shape) == ((2, 2), (3, 2))


def test_vectors_come_in_the_type_asked_for(client):
    assert client.embed(["ab"], dtype=np.float16).dtype == np.float16
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    vectors = client.embed(["ab"], dtype=bfloat16)
    assert vectors.dtype == bfloat16 and vectors[0, 0] == 2
    with pytest.raises(TypeError, match="dtype is float64"):
        client.embed(["ab"], dtype="float64")


@pytest.mark.parametrize("pooling", ["mean", "none"])
def test_int8_vectors_are_multiplied_out(client, pooling):
    vectors = np.atleast_2d(client.embed(["abc"], dtype="int8", pooling=pooling)[0])
    assert vectors.dtype == np.float32
    for i, vector in enumerate(vectors):
        expected = np.array([3, ord("a")]) * (i + 1)
        np.testing.assert_allclose(vector, expected, atol=0.51 * expected.max() / 127)  # half a step
    result = client.embed_results(["ab"], dtype="int8").results[0]
    assert result.vector.dtype == np.int8 and result.scale.shape == (1,)


def test_every_option_lands_in_its_field(server, client):
    client.embed(
        ["ab"],
        model="m",
        pooling="cls",
        normalize=False,
        over_length="truncate_left",
        window_overlap=3,
        dtype="float16",
        dimensions=1,
        prompt="query: ",
        attention="exact",
    )
    request = server.requests[0]
    expected = embedding_pb2.EmbedRequest(
        model="m",
        pooling=embedding_pb2.POOLING_CLS,
        normalize=False,
        over_length=embedding_pb2.OVER_LENGTH_TRUNCATE_LEFT,
        window_overlap=3,
        output_type=embedding_pb2.EMBEDDING_TYPE_F16,
        dimensions=1,
        prompt="query: ",
        inputs=request.inputs,
    )
    expected.attention.exact.SetInParent()
    assert request == expected


def test_what_is_not_asked_for_is_not_sent(server, client):
    client.embed(["ab"], model=None, normalize=None, dtype=None, dimensions=None, prompt=None, attention=None)
    assert not server.requests[0].HasField("normalize") and not server.requests[0].HasField("attention")
    client.embed(["ab"], attention=favor.Features(num_features=64, seed=3))
    assert server.requests[1].attention.features.num_features == 64


def test_no_prompt_is_not_the_default_prompt(server, client):
    client.embed(["ab"], prompt="")
    client.embed(["ab"], prompt=None)
    client.embed(["ab"], prompt_name="query")
    assert [request.HasField("prompt") for request in server.requests] == [True, False, False]
    assert server.requests[2].prompt_name == "query"
    with pytest.raises(ValueError, match="prompt and prompt_name"):
        client.embed(["ab"], prompt="", prompt_name="query")


def test_two_prompts_are_refused(client):
    with pytest.raises(ValueError, match="prompt and prompt_name"):
        client.embed(["ab"], prompt="a", prompt_name="b")


def test_results_tell_tokens_and_reports(server):
    server.on(_methods.EMBED, embed_by_length)
    with favor.Client(server.endpoint, embed_request_bytes=1) as client:
        answer = client.embed_results(["ab", "bad"])
    assert [result.num_tokens for result in answer.results] == [2, 0]
    assert answer.results[1].vector is None and answer.results[1].error is not None
    assert [report.model for report in answer.reports] == ["fake", "fake"]


@pytest.mark.parametrize("ids", [["one", "two"], ["one", "one", "two"]])
def test_vectors_of_two_models_are_not_mixed(server, ids):
    def answer(request):
        response = embed_by_length(request)
        response.report.model_id = ids[int(request.inputs[0].text)]
        return response

    server.on(_methods.EMBED, answer)
    texts = [str(i) for i in range(len(ids))]
    with favor.Client(server.endpoint, embed_request_bytes=1) as client:
        with pytest.raises(favor.AbortedError, match="model fake was replaced .* was one and became two"):
            client.embed(texts)
        with pytest.raises(favor.AbortedError):
            client.embed_results(texts, pooling="none")
        assert client.embed(texts[:-1]).shape == (len(ids) - 1, 2)


def test_a_busy_server_is_asked_again_for_that_part_alone(server, client):
    seen = []

    def answer(request):
        seen.append(request)
        if len(seen) == 1:
            raise Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "no room", retry_delay=0.001)
        return embed_by_length(request)

    server.on(_methods.EMBED, answer)
    assert client.embed(["ab"]).shape == (1, 2)
    assert len(seen) == 2


def test_tokens_keep_their_places(server):
    def answer(request):
        response = embedding_pb2.TokenizeResponse()
        for text in request.texts:
            tokens = response.results.add()
            tokens.ids.extend([101, len(text)])
            tokens.begins.extend([0, 0])
            tokens.ends.extend([0, len(text)])
            tokens.pieces.extend(["[CLS]", text] if request.with_pieces else [])
        return response

    server.on(_methods.TOKENIZE, answer)
    with favor.Client(server.endpoint, embed_request_bytes=1) as client:
        first, second = client.tokenize(["ab", "cde"], pieces=True, special_tokens=False)
        assert client.tokenize(["ab"])[0].pieces is None
    assert server.requests[0].without_special_tokens
    np.testing.assert_array_equal(second.ids, [101, 3])
    np.testing.assert_array_equal(second.ends, [0, 3])
    assert first.pieces == ["[CLS]", "ab"]

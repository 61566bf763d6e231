"""embed_sequence of both clients, against a server of the test's own and against two processes of favord."""

import asyncio

import numpy as np
import pytest
from favord import DATA, running_favord
from test_real_embedding import make_performer, serves_models

import favor
from favor import _methods
from favor._proto import embedding_pb2

both = pytest.mark.parametrize("asynchronous", [False, True], ids=["blocking", "asyncio"])


def answers_of(endpoint, chunks, asynchronous, **options):
    """The answers of a sequence as a list, by either client."""
    if not asynchronous:
        with favor.Client(endpoint, deadline=60) as client:
            return list(client.embed_sequence(chunks, **options))

    async def awaited():
        for chunk in chunks:
            await asyncio.sleep(0)
            yield chunk

    async def run():
        async with favor.AsyncClient(endpoint, deadline=60) as client:
            return [answer async for answer in client.embed_sequence(awaited(), **options)]

    return asyncio.run(run())


def test_a_state_shows_what_it_is_and_not_its_bytes():
    wire = embedding_pb2.EncoderState(version=1, num_tokens=7, model_id="ab", payload=b"xyz")
    assert repr(favor.SequenceState(wire.SerializeToString())) == "SequenceState(num_tokens=7, model_id='ab')"


@both
def test_messages_carry_what_was_asked_for(server, asynchronous):
    seen = []

    def answer(requests):
        for request in requests:
            seen.append(request)
            if request.WhichOneof("message") == "get_state":
                yield embedding_pb2.EmbedStreamResponse(state={"version": 1, "num_tokens": 7, "model_id": "ab"})

    server.on_stream(_methods.EMBED_STREAM, answer)
    state = embedding_pb2.EncoderState(version=1, payload=b"xyz", checksum=5)
    options = {"model": "m", "normalize": False, "dtype": "float16", "dimensions": 3, "state": state.SerializeToString()}
    answers = answers_of(server.endpoint, [[1, 2], favor.GET_STATE, np.array([3])], asynchronous, **options)
    sequence = seen[0].sequence
    assert sequence.state == state
    assert sequence.settings == embedding_pb2.EmbedRequest(
        model="m", normalize=False, output_type="EMBEDDING_TYPE_F16", dimensions=3
    )
    assert [list(seen[1].tokens.ids), seen[2].get_state, list(seen[3].tokens.ids)] == [[1, 2], True, [3]]
    (state,) = answers
    assert isinstance(state, favor.SequenceState) and (state.num_tokens, state.model_id) == (7, "ab")


@both
def test_a_chunk_that_is_no_list_of_ids_is_named(server, asynchronous):
    def answer(requests):
        for _ in requests:
            pass
        yield from ()

    server.on_stream(_methods.EMBED_STREAM, answer)
    for chunk, error, match in (("text", TypeError, r"chunks\[1\] is no list"), ([2**40], ValueError, r"chunks\[1\]")):
        with pytest.raises(error, match=match):
            answers_of(server.endpoint, [[1], chunk], asynchronous)


@both
def test_bytes_that_are_no_state_are_refused(server, asynchronous):
    with pytest.raises(ValueError, match="this is no serialised favor.v1.EncoderState"):
        favor.SequenceState(b"junk")
    with pytest.raises(ValueError, match="this is no serialised favor.v1.EncoderState"):
        answers_of(server.endpoint, [[1]], asynchronous, state=b"junk")


@pytest.fixture(scope="module")
def favords(tmp_path_factory):
    """Two processes that serve the same models."""
    if not serves_models():
        pytest.skip("FAVORD_BINARY is not set, or serves no models")
    folders = [tmp_path_factory.mktemp("models"), tmp_path_factory.mktemp("models")]
    flags = []
    for name in ("relu_causal", "shift_tokens_causal"):
        make_performer(DATA / "models" / "performer" / f"{name}.safetensors", folders[0])
        flags += ["--model", f"{name}={folders[0] / name}"]
    with running_favord(folders[0], *flags) as first, running_favord(folders[1], *flags) as second:
        yield first, second


@both
def test_favord_gives_every_token_the_vector_of_the_whole(favords, asynchronous):
    ids = np.random.default_rng(3).integers(0, 4, 120)
    chunks = np.split(ids, [1, 50, 53])
    answers = answers_of(favords[0], chunks, asynchronous, model="relu_causal")
    with favor.Client(favords[0], deadline=60) as client:
        (whole,) = client.embed([ids], model="relu_causal", pooling="none")
    vectors = np.concatenate([answer.vector for answer in answers])
    assert np.abs(vectors - whole).max() < 1e-5 * np.abs(whole).max()


@both
@pytest.mark.parametrize("model", ["relu_causal", "shift_tokens_causal"])
def test_another_process_goes_on_from_a_state_with_the_same_bits(favords, asynchronous, model):
    first, second = [3, 1, 2, 0, 1], [2, 2, 3]
    _, state, uninterrupted = answers_of(favords[0], [first, favor.GET_STATE, second], asynchronous, model=model)
    kept = bytes(state)
    assert state.num_tokens == 5
    (resumed,) = answers_of(favords[1], [second], asynchronous, model=model, state=kept)
    np.testing.assert_array_equal(resumed.vector, uninterrupted.vector)


@both
def test_favord_refuses_a_broken_state_and_one_of_another_model(favords, asynchronous):
    (state,) = answers_of(favords[0], [favor.GET_STATE], asynchronous, model="relu_causal")
    broken = bytearray(bytes(state))
    broken[len(broken) // 2] ^= 1
    with pytest.raises(favor.DataLossError, match="sequence.state.checksum"):
        answers_of(favords[0], [[1]], asynchronous, model="relu_causal", state=bytes(broken))
    with pytest.raises(favor.FailedPreconditionError, match="sequence.state.model_id"):
        answers_of(favords[0], [[1]], asynchronous, model="shift_tokens_causal", state=state)

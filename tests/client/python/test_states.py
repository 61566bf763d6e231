"""AttentionState, fold, merge and read of both clients, against favord."""

import hashlib
import os

import numpy as np
import pytest
from both_clients import both, call, stream
from fake_server import FakeServer
from favord import BINARY, running_favord

import favor
from favor import _methods
from favor._proto import attention_pb2, tensor_pb2

needs_favord = pytest.mark.skipif(not BINARY, reason="FAVORD_BINARY is not set")


def some_state(payload=b"xyz"):
    return attention_pb2.AttentionState(
        version=1,
        spec={"causal": True, "features": {"projection": {"matrix": {"shape": [1, 4], "data": bytes(16)}}}},
        projection_id="ab",
        batch_size=2,
        num_heads=3,
        head_dim=4,
        value_dim=5,
        num_features=6,
        num_keys=[7, 8],
        encoding="ENCODING_BF16",
        payload=payload,
        checksum=9,
    ).SerializeToString()


def test_a_state_says_what_it_is_and_keeps_its_bytes(tmp_path):
    state = favor.AttentionState(some_state())
    assert bytes(state) == some_state()
    assert (state.version, state.projection_id, state.batch_size, state.num_heads) == (1, "ab", 2, 3)
    assert (state.head_dim, state.value_dim, state.num_features) == (4, 5, 6)
    assert state.num_keys == (7, 8) and state.encoding == "bf16"
    assert state.spec == {"causal": True, "features": {"projection": {}}}  # the matrix is among the bytes alone
    assert "xyz" not in repr(state) and "num_keys=(7, 8)" in repr(state)
    assert state == favor.AttentionState(some_state()) != favor.AttentionState(some_state(b"xyy"))
    assert len({state, favor.AttentionState(some_state())}) == 1


def test_a_state_goes_through_a_file_which_is_replaced_at_once(tmp_path, monkeypatch):
    path = tmp_path / "at.state"
    path.write_bytes(b"another")
    state = favor.AttentionState(some_state())
    state.save(path)
    assert favor.AttentionState.load(path) == state
    assert [file.name for file in tmp_path.iterdir()] == ["at.state"]

    def fail(descriptor):
        raise OSError("no space")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="no space"):
        favor.AttentionState(some_state(b"abc")).save(path)
    assert favor.AttentionState.load(path) == state
    assert [file.name for file in tmp_path.iterdir()] == ["at.state"]


@pytest.mark.parametrize("data", [b"\xff\xff\xff", b"", some_state(b""), some_state()[:-12]])
def test_what_is_no_state_is_refused_naming_the_file(tmp_path, data):
    with pytest.raises(ValueError, match="no serialised favor.v1.AttentionState"):
        favor.AttentionState(data)
    (tmp_path / "broken").write_bytes(data)
    with pytest.raises(ValueError, match="broken: this is no serialised"):
        favor.AttentionState.load(tmp_path / "broken")


@both
def test_requests_carry_what_was_asked_for(server: FakeServer, asynchronous):
    wire = attention_pb2.AttentionState.FromString(some_state())
    server.on(_methods.FOLD, lambda request: attention_pb2.FoldResponse(state=wire))
    server.on(_methods.MERGE, lambda request: attention_pb2.MergeResponse(state=wire))
    server.on(_methods.READ, lambda request: attention_pb2.ReadResponse(output=request.queries))
    state = favor.AttentionState(some_state())
    array = np.ones((2, 3, 7, 4), np.float16)
    folded = call(
        asynchronous, server.endpoint, "fold", array, array * 2, key_lengths=[7, 5], encoding="f32", num_features=6
    )
    assert folded == state
    fold = server.requests[-1]
    assert fold.spec == attention_pb2.AttentionSpec(features={"num_features": 6}) and not fold.HasField("state")
    assert list(fold.key_lengths) == [7, 5] and fold.encoding == attention_pb2.AttentionState.ENCODING_F32
    assert fold.values.data == (array * 2).tobytes() and list(fold.keys.shape) == [2, 3, 7, 4]
    call(asynchronous, server.endpoint, "fold", array, array, state=state)
    assert server.requests[-1].state == wire and server.requests[-1].spec == wire.spec
    assert call(asynchronous, server.endpoint, "merge", [state, state]) == state
    assert list(server.requests[-1].states) == [wire, wire]
    result = call(asynchronous, server.endpoint, "read", array, state, output_dtype="float32")
    np.testing.assert_array_equal(result.output, array)
    assert server.requests[-1].state == wire and server.requests[-1].output_type == tensor_pb2.DATA_TYPE_F32
    with pytest.raises(ValueError, match="encoding is 'f64', and must be one of f32_compensated, f32, bf16"):
        call(asynchronous, server.endpoint, "merge", [state], encoding="f64")


@both
def test_arguments_that_are_none_are_refused_in_the_callers_words(server: FakeServer, asynchronous):
    array = np.ones((1, 1, 1, 1), np.float32)
    state = favor.AttentionState(some_state())
    for method, arguments, options, message in [
        ("fold", (array, array), {"mode": "exact"}, r"fold\(\) got an unexpected keyword argument 'mode'"),
        ("attend", (array, array, array), {"rows": 1}, r"attend\(\) got an unexpected keyword argument 'rows'"),
        ("calibrate", (array, array), {"mode": "exact"}, r"calibrate\(\) got an unexpected keyword argument 'mode'"),
        ("fold", (array, array), {"state": some_state()}, "state is a bytes, and must be a favor.AttentionState"),
        ("merge", ([state, some_state()],), {}, r"states\[1\] is a bytes, and must be a favor.AttentionState"),
        ("read", (array, None), {}, "state is a NoneType, and must be a favor.AttentionState"),
    ]:
        with pytest.raises(TypeError, match=message):
            call(asynchronous, server.endpoint, method, *arguments, **options)
    with pytest.raises(TypeError, match=r"attend_stream\(\) got an unexpected keyword argument 'mode'"):
        stream(asynchronous, server.endpoint, [], mode="exact")
    with pytest.raises(TypeError, match="state is a bytes, and must be a favor.AttentionState"):
        stream(asynchronous, server.endpoint, [], state=some_state())
    with pytest.raises(TypeError, match=r"ResumingStream\(\) got an unexpected keyword argument 'mode'"):
        favor.ResumingStream([favor.Client(server.endpoint)], [], mode="exact")


@pytest.fixture(scope="module")
def favords(tmp_path_factory):
    """Two servers."""
    with (
        running_favord(tmp_path_factory.mktemp("first")) as first,
        running_favord(tmp_path_factory.mktemp("second")) as second,
    ):
        yield first, second


def inputs(seed=0, length=300, dtype=np.float32, heads=4, key_heads=2):
    random = np.random.default_rng(seed)
    shapes = [(2, heads, length, 16), (2, key_heads, length, 16), (2, key_heads, length, 24)]
    return [(random.standard_normal(shape) / 4).astype(dtype) for shape in shapes]


def relative_error(actual, expected):
    return np.linalg.norm(actual.astype(np.float64) - expected) / np.linalg.norm(expected)


OPTIONS = [
    {"num_features": 48},
    {"kernel": "generalized", "projection": "structured", "scale": 0.5},
    {"layout": "batch_length_heads_dim", "seed": 3},
    {"projection_matrix": np.random.default_rng(9).standard_normal((40, 16)).astype(np.float32)},
]


@needs_favord
@both
@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: next(iter(options)))
def test_parts_folded_by_two_servers_read_as_the_whole(favords, asynchronous, options):
    queries, keys, values = inputs()
    axis = 2
    if "layout" in options:
        queries, keys, values = (np.swapaxes(array, 1, 2) for array in (queries, keys, values))
        axis = 1
    whole = call(asynchronous, favords[0], "attend", queries, keys, values, **options)
    states = []
    for part, (k, v) in enumerate(zip(np.split(keys, [70, 200], axis), np.split(values, [70, 200], axis))):
        states.append(call(asynchronous, favords[part % 2], "fold", k, v, **options))
    merged = call(asynchronous, favords[1], "merge", states)
    assert merged.num_keys == (300, 300) and merged.encoding == "f32_compensated"
    result = call(asynchronous, favords[0], "read", queries, merged)
    assert relative_error(result.output, whole.output) < 1e-5  # order of float32 sums
    assert result.report.projection_id == whole.report.projection_id == merged.projection_id
    # Folding on top of a state, without saying again what it is for, is the same as folding the parts.
    (first, *_), (k, *rest_k), (v, *rest_v) = states, np.split(keys, [70], axis), np.split(values, [70], axis)
    state = call(asynchronous, favords[1], "fold", rest_k[0], rest_v[0], state=first)
    assert relative_error(call(asynchronous, favords[0], "read", queries, state).output, whole.output) < 1e-5


@needs_favord
@both
def test_key_lengths_and_half_precision(favords, asynchronous):
    queries, keys, values = inputs(dtype=np.float16)
    keys[1, :, 100:] = np.nan
    state = call(asynchronous, favords[0], "fold", keys, values, key_lengths=[300, 100])
    assert state.num_keys == (300, 100)
    output = call(asynchronous, favords[1], "read", queries, state).output
    whole = call(asynchronous, favords[1], "attend", queries, keys, values, key_lengths=[300, 100]).output
    assert output.dtype == np.float16 and np.isfinite(output).all()
    np.testing.assert_allclose(output.astype(np.float32), whole.astype(np.float32), atol=2e-3)  # float16's last bits
    ml_dtypes = pytest.importorskip("ml_dtypes")
    short = call(asynchronous, favords[1], "read", queries, state, output_dtype=ml_dtypes.bfloat16).output
    assert short.dtype == np.dtype(ml_dtypes.bfloat16)
    np.testing.assert_allclose(short.astype(np.float32), output.astype(np.float32), rtol=2**-7, atol=1e-6)  # float16 subnormals


@needs_favord
@both
def test_merging_commutes_bit_for_bit_and_encodings_have_their_sizes(favords, asynchronous):
    _, keys, values = inputs()
    one, other = (call(asynchronous, favords[i], "fold", keys[:, :, i::2], values[:, :, i::2]) for i in range(2))
    merged = call(asynchronous, favords[0], "merge", [one, other])
    assert hashlib.sha256(bytes(merged)).digest() == hashlib.sha256(
        bytes(call(asynchronous, favords[1], "merge", [other, one]))
    ).digest()
    sizes = [
        len(bytes(call(asynchronous, favords[0], "merge", [merged], encoding=encoding)))
        for encoding in ("bf16", "f32", "f32_compensated")
    ]
    assert sizes[0] < 0.6 * sizes[1] and sizes[1] < 0.6 * sizes[2]


@needs_favord
@both
def test_states_that_do_not_match_or_are_broken_raise_the_packages_errors(favords, asynchronous):
    queries, keys, values = inputs()
    state = call(asynchronous, favords[0], "fold", keys, values)
    other = call(asynchronous, favords[0], "fold", keys, values, seed=1)
    with pytest.raises(favor.FailedPreconditionError, match="states"):
        call(asynchronous, favords[0], "merge", [state, other])
    with pytest.raises(favor.FailedPreconditionError, match="state"):
        call(asynchronous, favords[0], "fold", keys, values, state=state, seed=1)
    broken = bytearray(bytes(state))
    broken[len(broken) // 2] ^= 1
    with pytest.raises(favor.DataLossError, match="state.checksum"):
        call(asynchronous, favords[0], "read", queries, favor.AttentionState(bytes(broken)))
    with pytest.raises(favor.InvalidArgumentError) as caught:
        call(asynchronous, favords[0], "read", queries[..., :8], state)
    assert caught.value.field_violations
    with pytest.raises(TypeError, match="values is float64"):
        call(asynchronous, favords[0], "fold", keys, values.astype(np.float64))

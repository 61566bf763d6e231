"""attend: what goes out, and what comes back."""

import re

import numpy as np
import pytest
from fake_server import FakeServer
from favord import BINARY, running_favord

import favor
from favor import _methods, _tensors
from favor._proto import attention_pb2, tensor_pb2


def answer_with_queries(request: attention_pb2.AttendRequest) -> attention_pb2.AttendResponse:
    response = attention_pb2.AttendResponse(output=request.queries)
    response.report.num_features = 256
    response.report.compute_time.FromMilliseconds(1500)
    response.report.spec.CopyFrom(request.spec)
    return response


@pytest.fixture
def client(server: FakeServer):
    server.on(_methods.ATTEND, answer_with_queries)
    with favor.Client(server.endpoint) as client:
        yield client


def arrays(dtype="float32"):
    random = np.random.default_rng(1)
    return [random.standard_normal((1, 2, 5, 4)).astype(dtype) for _ in range(3)]


def test_arrays_travel_unchanged(server, client):
    queries, keys, values = arrays()
    result = client.attend(queries, keys, values)
    np.testing.assert_array_equal(result.output, queries)
    np.testing.assert_array_equal(_tensors.from_wire(server.requests[0].values), values)
    assert result.output.dtype == np.float32 and result.output.flags.writeable
    assert result.report.num_features == 256 and result.report.compute_time == 1.5


def test_strided_and_big_endian_arrays_are_the_values_they_show(server, client):
    queries, keys, values = arrays()
    turned = np.ascontiguousarray(queries.transpose(0, 2, 1, 3)).transpose(0, 2, 1, 3)
    result = client.attend(turned, keys.astype(">f4"), values)
    np.testing.assert_array_equal(result.output, queries)
    np.testing.assert_array_equal(_tensors.from_wire(server.requests[0].keys), keys)


def test_sequences_may_be_empty(client):
    queries, keys, values = (array[:, :, :0] for array in arrays())
    assert client.attend(queries, keys, values).output.shape == (1, 2, 0, 4)


def test_sizes_that_take_several_bytes_to_encode_arrive(server, client):
    queries = np.arange(3 * 5 * 70 * 40, dtype=np.float32).reshape(3, 5, 70, 40)
    np.testing.assert_array_equal(client.attend(queries, queries, queries).output, queries)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_arrays_travel(client, dtype):
    if dtype == "bfloat16":
        dtype = pytest.importorskip("ml_dtypes").bfloat16
    queries, keys, values = arrays(dtype)
    output = client.attend(queries, keys, values).output
    assert output.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(output.view(np.uint16), queries.view(np.uint16))


def test_float64_is_refused_by_name(client):
    queries, keys, values = arrays()
    with pytest.raises(TypeError, match="keys is float64, and must be one of float32, float16, bfloat16"):
        client.attend(queries, keys.astype(np.float64), values)


def test_defaults_say_nothing_but_features(server, client):
    client.attend(*arrays())
    assert server.requests[0].spec == attention_pb2.AttentionSpec(features=attention_pb2.FeatureSpec())
    assert server.requests[0].output_type == 0


def test_every_option_lands_in_its_field(server, client):
    matrix = np.ones((3, 4), np.float32)
    client.attend(
        *arrays(),
        causal=True,
        kernel="generalized",
        estimator="positive",
        num_features=3,
        projection="supplied",
        projection_matrix=matrix,
        nonlinearity="squared_relu",
        polynomial_offset=0.5,
        epsilon_parity=favor.EpsilonParity(feature_epsilon=1e-3),
        scale=0.25,
        layout="batch_length_heads_dim",
        precision="bf16",
        query_lengths=[5],
        key_lengths=[4],
        output_dtype=np.float16,
    )
    request = server.requests[0]
    features = request.spec.features
    assert request.spec.causal and request.spec.scale == 0.25
    assert request.spec.layout == tensor_pb2.LAYOUT_BATCH_LENGTH_HEADS_DIM
    assert request.spec.precision == attention_pb2.PRECISION_BF16
    assert request.output_type == tensor_pb2.DATA_TYPE_F16
    assert (list(request.query_lengths), list(request.key_lengths)) == ([5], [4])
    assert features.kernel == attention_pb2.KERNEL_GENERALIZED
    assert features.estimator == attention_pb2.ESTIMATOR_POSITIVE
    assert features.nonlinearity == attention_pb2.NONLINEARITY_SQUARED_RELU
    assert features.num_features == 3 and features.polynomial_offset == 0.5
    assert features.epsilon_parity.feature_epsilon == 1e-3 and not features.epsilon_parity.HasField("causal_epsilon")
    assert features.projection.kind == attention_pb2.PROJECTION_KIND_SUPPLIED
    np.testing.assert_array_equal(_tensors.from_wire(features.projection.matrix), matrix)


def test_seed_zero_is_sent(server, client):
    client.attend(*arrays(), seed=0, row_norms="sqrt_dim")
    projection = server.requests[0].spec.features.projection
    assert projection.HasField("seed") and projection.row_norms == attention_pb2.ROW_NORMS_SQRT_DIM


def test_exact_mode_is_asked_for(server, client):
    client.attend(*arrays(), mode="exact")
    assert server.requests[0].spec.WhichOneof("mode") == "exact"


def test_exact_mode_refuses_features(client):
    with pytest.raises(ValueError, match="num_features is given, and means nothing"):
        client.attend(*arrays(), mode="exact", num_features=3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernel": "sofmax"}, "kernel is 'sofmax', and must be one of softmax, gaussian"),
        ({"mode": "approximate"}, "mode is 'approximate'"),
        ({"layout": "bhld"}, "layout is 'bhld', and must be one of batch_heads_length_dim"),
    ],
)
def test_unknown_names_are_refused_with_those_there_are(client, options, message):
    with pytest.raises(ValueError, match=message):
        client.attend(*arrays(), **options)


def test_unknown_options_are_refused(client):
    with pytest.raises(TypeError, match="kernels"):
        client.attend(*arrays(), kernels="softmax")


def test_statistics_travel_as_they_came(server, client):
    head = attention_pb2.Statistics.Head(
        key_shift=[0.1, 2.0], query_transform=[1.0, 0.5, 0.25, 1.5], proposal=[-0.125], anchors=[1.5], directions=[0.5]
    )
    wire = attention_pb2.Statistics(heads=[head, head])
    server.on(_methods.CALIBRATE, lambda request: attention_pb2.CalibrateResponse(statistics=wire))
    queries, keys, values = arrays()
    statistics = client.calibrate(queries, keys, estimator="oprf", precondition=True, scale=0.5)
    request = server.requests[-1]
    np.testing.assert_array_equal(_tensors.from_wire(request.keys), keys)
    assert request.spec.scale == 0.5 and request.spec.features.precondition
    assert request.spec.features.estimator == attention_pb2.ESTIMATOR_OPRF
    client.attend(queries, keys, values, estimator="oprf", precondition=True, antithetic=True, statistics=statistics)
    features = server.requests[-1].spec.features
    assert features.statistics == wire and features.antithetic and features.precondition


def test_anchors_are_asked_for_by_number(server, client):
    client.attend(*arrays(), estimator="anchors", num_anchors=5, num_directions=3, num_fit_rows=32)
    features = server.requests[-1].spec.features
    assert features.estimator == attention_pb2.ESTIMATOR_ANCHORS
    assert (features.num_anchors, features.num_directions, features.num_fit_rows) == (5, 3, 32)


def test_statistics_that_a_call_measured_are_in_its_report(server, client):
    def answer(request):
        response = answer_with_queries(request)
        response.report.statistics.heads.add(proposal=[-0.5])
        return response

    server.on(_methods.ATTEND, answer)
    assert client.attend(*arrays()).report.statistics.heads[0].proposal.tolist() == [-0.5]
    server.on(_methods.ATTEND, answer_with_queries)
    assert client.attend(*arrays()).report.statistics is None


def test_mode_auto_travels_and_its_report_comes_back(server, client):
    def answer(request: attention_pb2.AttendRequest) -> attention_pb2.AttendResponse:
        response = answer_with_queries(request)
        response.report.reason = "8 anchors will do"
        response.report.error_bound_missed = True
        response.report.measured_error.upper = 0.125
        return response

    server.on(_methods.ATTEND, answer)
    report = client.attend(*arrays(), mode="auto", max_relative_error=0.25, time_budget=0.5, when_missed="warn").report
    spec = server.requests[0].spec.auto
    assert spec.max_relative_error == 0.25 and spec.time_budget.nanos == 500_000_000
    assert spec.when_missed == attention_pb2.AutoSpec.WHEN_MISSED_WARN
    assert report.reason == "8 anchors will do" and report.error_bound_missed
    assert report.measured_error.upper == 0.125 and report.predicted_error is None
    client.attend(*arrays(), mode="auto", max_relative_error=0.25, time_budget=float("inf"))
    assert not server.requests[1].spec.auto.HasField("time_budget")
    with pytest.raises(ValueError, match="time_budget is nan"):
        client.attend(*arrays(), mode="auto", max_relative_error=0.25, time_budget=float("nan"))


def test_rows_to_measure_the_error_by_are_asked_for(server, client):
    client.attend(*arrays(), measure_error_rows=32)
    client.attend(*arrays())
    assert [request.measure_error_rows for request in server.requests] == [32, 0]


@pytest.mark.skipif(not BINARY, reason="FAVORD_BINARY is not set")
def test_a_measured_error_is_that_of_the_answer(tmp_path):
    random = np.random.default_rng(3)
    tensors = [random.standard_normal((1, 2, 900, 16)).astype(np.float32) for _ in range(3)]
    with running_favord(tmp_path) as endpoint, favor.Client(endpoint) as client:
        exact = client.attend(*tensors, mode="exact").output
        plain = client.attend(*tensors, num_features=64)
        measured = client.attend(*tensors, num_features=64, measure_error_rows=64)
        with pytest.raises(favor.InvalidArgumentError, match="measure_error_rows is 4, must be from 8"):
            client.attend(*tensors, measure_error_rows=4)
    np.testing.assert_array_equal(measured.output, plain.output)
    assert plain.report.measured_error is None
    error = np.linalg.norm(measured.output - exact) / np.linalg.norm(exact)
    estimate = measured.report.measured_error
    assert estimate.num_rows == 64 and 0.7 * estimate.lower < error < 1.4 * estimate.upper


def test_modes_that_do_not_exist_are_answered_with_those_that_do(client):
    with pytest.raises(ValueError, match="mode is 'foo', and must be \"features\", \"exact\" or \"auto\""):
        client.attend(*arrays(), mode="foo", num_features=8)


@pytest.mark.parametrize(
    ("name", "value", "kinds"),
    [
        ("num_features", 2**70, "whole numbers of 64 bits"),
        ("num_features", 1.5, "whole numbers of 64 bits"),
        ("num_anchors", "x", "whole numbers of 64 bits"),
        ("seed", -1, "whole numbers of 64 bits, from 0"),
        ("scale", "x", "numbers"),
        ("key_lengths", [3.5], "a list of whole numbers of 64 bits"),
        ("key_lengths", 3, "a list of whole numbers of 64 bits"),
        ("causal", "yes", "True or False"),
        ("measure_error_rows", -1, "whole numbers of 32 bits, from 0"),
    ],
)
def test_values_that_no_field_can_hold_are_named(client, name, value, kinds):
    with pytest.raises((TypeError, ValueError), match=re.escape(f"{name} is {value!r}, where there may be {kinds}")):
        client.attend(*arrays(), **{name: value})


def test_a_bound_is_for_mode_auto_which_needs_it(client):
    with pytest.raises(ValueError, match="max_relative_error is missing"):
        client.attend(*arrays(), mode="auto")
    with pytest.raises(ValueError, match='max_relative_error is given, and means nothing without mode="auto"'):
        client.attend(*arrays(), max_relative_error=0.1)
    with pytest.raises(ValueError, match='num_features is given, and means nothing with mode="auto"'):
        client.attend(*arrays(), mode="auto", max_relative_error=0.1, num_features=8)

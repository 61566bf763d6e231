"""Against the real favord: set FAVORD_BINARY to the program."""

import asyncio
import hashlib

import numpy as np
import pytest
from favord import BINARY, DATA, load, running_favord

import favor

pytestmark = pytest.mark.skipif(not BINARY, reason="FAVORD_BINARY is not set")


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    with running_favord(tmp_path_factory.mktemp("favord")) as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def client(endpoint):
    with favor.Client(endpoint, deadline=60) as client:
        yield client


def relative_error(actual, expected):
    return np.linalg.norm(actual - expected) / np.linalg.norm(expected)


def test_exact_attention_is_softmax_attention(client):
    _, tensors = load(DATA / "qkv_rxnmapper_layer0.safetensors")
    output = client.attend(tensors["queries"], tensors["keys"], tensors["values"], mode="exact").output
    assert relative_error(output, tensors["exact_softmax_output"]) < 1e-5  # float32 against float64


def test_performer_is_reproduced(client):
    _, tensors = load(DATA / "attention_softmax_causal.safetensors")
    result = client.attend(
        tensors["queries"],
        tensors["keys"],
        tensors["values"],
        causal=True,
        projection_matrix=tensors["projection_matrix"],
        epsilon_parity=favor.EpsilonParity(),
    )
    assert relative_error(result.output, tensors["output"]) < 1e-5  # float32 against float64
    assert result.report.num_features == tensors["projection_matrix"].shape[0]
    assert result.report.spec["features"]["projection"]["kind"] == "PROJECTION_KIND_SUPPLIED"


def test_half_precision_goes_in_and_out(client):
    queries, keys, values = (np.ones((1, 1, 3, 8), np.float16) * i for i in range(3))
    output = client.attend(queries, keys, values).output
    assert output.dtype == np.float16
    np.testing.assert_array_equal(output, values)


def test_violations_name_the_field(client):
    queries = np.zeros((1, 1, 3, 8), np.float32)
    with pytest.raises(favor.InvalidArgumentError) as caught:
        client.attend(queries, queries[..., :4], queries)
    assert caught.value.field_violations[0].field.startswith("keys")


def test_info_and_health(client):
    info = client.info()
    assert info.version == favor.__version__
    assert info.max_message_bytes > 0
    assert client.health() is favor.ServingStatus.SERVING


def test_asyncio(endpoint):
    queries = np.ones((1, 2, 50, 16), np.float32)

    async def run():
        async with favor.AsyncClient(endpoint) as client:
            return await asyncio.gather(*(client.attend(queries, queries, queries * i) for i in range(4)))

    for i, result in enumerate(asyncio.run(run())):
        np.testing.assert_allclose(result.output, queries * i, rtol=1e-6)


def test_an_api_key_is_what_a_server_with_keys_asks_for(tmp_path):
    keys = tmp_path / "keys"
    keys.write_text(f"python {hashlib.sha256(b'the-key').hexdigest()}\n")
    with running_favord(tmp_path, "--api-keys", str(keys)) as endpoint:
        for wrong in (None, "another"):
            with favor.Client(endpoint, deadline=60, api_key=wrong) as client:
                with pytest.raises(favor.UnauthenticatedError):
                    client.info()
        with favor.Client(endpoint, deadline=60, api_key="the-key") as client:
            assert client.info().version == favor.__version__


def test_statistics_of_a_sample_serve_a_causal_call(client):
    _, tensors = load(DATA / "qkv_rxnmapper_layer0.safetensors")
    queries, keys, values = ((tensors[name] * factor).astype(np.float32) for name, factor in (("queries", 0.25), ("keys", 0.25), ("values", 1)))
    options = {"estimator": "sderf", "precondition": True, "antithetic": True, "num_features": 128}
    measured = client.attend(queries, keys, values, **options)
    statistics = client.calibrate(queries, keys, estimator="sderf", precondition=True)
    assert len(statistics.heads) == keys.shape[1]
    for head, other in zip(statistics.heads, measured.report.statistics.heads):
        np.testing.assert_array_equal(head.query_transform, other.query_transform)
    given = client.attend(queries, keys, values, statistics=statistics, **options)
    np.testing.assert_array_equal(given.output, measured.output)
    assert given.report.projection_id == measured.report.projection_id
    exact = client.attend(queries, keys, values, causal=True, mode="exact").output
    errors = [
        relative_error(client.attend(queries, keys, values, causal=True, statistics=each, **options).output, exact)
        for each in (statistics, None)
    ]
    assert errors[0] < 0.7 * errors[1]  # None: FAVOR+


def test_the_best_estimator_is_far_closer_than_favor_plus(client):
    _, tensors = load(DATA / "qkv_rxnmapper_layer11.safetensors")
    queries, keys, values = (tensors[name].astype(np.float32) for name in ("queries", "keys", "values"))
    exact = client.attend(queries / 2, keys / 2, values, mode="exact").output
    best = client.attend(queries / 2, keys / 2, values, estimator="best", num_features=256)
    favor_plus = client.attend(queries / 2, keys / 2, values, num_features=256)
    assert best.report.spec["features"]["estimator"] == "ESTIMATOR_ANCHORS"
    assert relative_error(best.output, exact) < 0.25 * relative_error(favor_plus.output, exact)
    features = best.report.spec["features"]
    sizes = {name: int(features[name]) for name in ("num_anchors", "num_directions", "num_fit_rows")}
    again = client.attend(queries / 2, keys / 2, values, estimator="anchors", statistics=best.report.statistics, **sizes)
    np.testing.assert_array_equal(again.output, best.output)

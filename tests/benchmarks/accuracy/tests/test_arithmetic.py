"""The oracle, the inputs and what ways are asked for."""
import estimators
import numpy as np
import oracle
import pytest
import study
import tensors
import texts
from favord import DATA, load


def test_the_oracle_is_what_the_recorded_model_answered():
    for inputs, layer in zip(tensors.test_data(), (0, 11)):
        expected = load(DATA / f"qkv_rxnmapper_layer{layer}.safetensors")[1]["exact_softmax_output"][0]
        output = oracle.exact(inputs.queries, inputs.keys, inputs.values)
        np.testing.assert_allclose(output, expected, rtol=1e-9, atol=1e-12)


def test_a_causal_query_sees_no_later_key():
    inputs = tensors.synthetic(8, 20, 2)
    output = oracle.exact(inputs.queries, inputs.keys, inputs.values, causal=True)
    for end in (1, 7, 20):
        first = oracle.exact(inputs.queries[:, end - 1:end], inputs.keys[:, :end], inputs.values[:, :end])
        np.testing.assert_allclose(output[:, end - 1:end], first)
        np.testing.assert_allclose(oracle.mean_of_values(inputs.values, causal=True)[:, end - 1],
                                   inputs.values[:, :end].astype(float).mean(axis=1))


def test_errors_are_of_heads_and_nan_is_no_error_of_zero():
    expected = np.ones((3, 4, 2))
    output = expected * [[[1.0]], [[1.5]], [[np.nan]]]
    np.testing.assert_allclose(oracle.relative_errors(output, expected), [0, 0.5, np.inf])


def test_the_spread_of_logits_is_their_deviation_over_keys():
    inputs = tensors.synthetic(16, 50, 3)
    logits = inputs.queries.astype(float) @ inputs.keys.astype(float).transpose(0, 2, 1) / 4
    np.testing.assert_allclose(oracle.logit_spread(inputs.queries, inputs.keys),
                               np.sqrt(logits.var(axis=2).mean(axis=1)))


def test_a_factor_of_queries_and_keys_is_squared_in_the_spread():
    inputs = tensors.synthetic(16, 50, 3)
    half = inputs.scaled(0.5)
    np.testing.assert_allclose(oracle.logit_spread(half.queries, half.keys),
                               oracle.logit_spread(inputs.queries, inputs.keys) / 4, rtol=1e-6)


def test_weights_at_an_angle_are_those_of_the_formula():
    inputs = tensors.one_angle(np.pi / 3, 1.2, 16, 5)
    logit = 1.2**2 / 2
    np.testing.assert_allclose(oracle.exact(inputs.queries, inputs.keys, inputs.values),
                               np.full((5, 1, 1), np.exp(logit) / (1 + np.exp(logit))), rtol=1e-5)


def test_ways_with_two_features_a_row_get_half_the_rows():
    assert estimators.by_name("FAVOR+").arguments(256, 3) == {"estimator": "positive", "num_features": 256, "seed": 3}
    assert estimators.by_name("SDERF precond. antith.").arguments(256, 0)["num_features"] == 128
    assert estimators.by_name("hyperbolic").arguments(256, 0)["num_features"] == 128
    assert estimators.by_name("anchors").arguments(256, 3) == {"estimator": "anchors", "num_features": 256}
    assert estimators.by_name("first order").arguments(256, 3) == {"estimator": "first_order"}
    for way in estimators.EVERY:
        options = dict(way.options)
        pairs = options["estimator"] in ("hyperbolic", "trigonometric") or options.get("antithetic", False)
        assert way.paired == pairs, way.name


def test_names_are_one_of_a_kind_and_charts_know_them():
    names = [way.name for way in estimators.EVERY]
    assert len(set(names)) == len(names)
    assert set(estimators.IN_CHARTS) <= set(names)


def test_reactions_fill_their_windows_and_differ():
    windows = list(texts.reactions(4, 510))
    assert [len(window) for window in windows] == [510] * 4
    assert len({"".join(window) for window in windows}) == 4
    assert all(">>" in window for window in windows)
    assert texts.TOKEN.findall("[Na+].BrCCl>>C1%12") == ["[Na+]", ".", "Br", "C", "Cl", ">>", "C", "1", "%12"]


def test_a_summary_averages_seeds_before_it_looks_at_heads():
    errors = np.array([[0.1, 0.2, 0.9], [0.3, 0.2, 0.1]])
    made = study.summary(errors, np.array([0.4, 0.4, 1.0]))
    assert made == pytest.approx({"median": 0.2, "worst": 0.5, "worst_by_mean": 0.5, "seeds": 2})

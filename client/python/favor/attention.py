"""Attention: what can be asked for, and what comes back. The fields' reference is proto/favor/v1/attention.proto."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict, get_args

import numpy as np
from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from numpy.typing import ArrayLike, DTypeLike

from favor import _enums, _numbers, _tensors
from favor._proto import attention_pb2, tensor_pb2
from favor._tensors import Array
from favor.options import LONGEST_WAIT

Kernel = Literal[
    "softmax",
    "gaussian",
    "softmax_regularized",
    "generalized",
    "elu_plus_one",
    "no_projection",
    "taylor2",
    "polynomial2",
]
Estimator = Literal[
    "positive",
    "hyperbolic",
    "trigonometric",
    "oprf",
    "sderf",
    "saderf",
    "first_order",
    "second_cumulant",
    "anchors",
    "best",
]
Nonlinearity = Literal["relu", "squared_relu", "exp", "abs", "gelu", "sigmoid", "gelu_tanh", "silu", "softplus", "leaky_relu"]
ProjectionKind = Literal["orthogonal", "iid", "supplied", "identity", "structured", "simplex"]
RowNorms = Literal["chi", "sqrt_dim"]
Precision = Literal["f32", "bf16"]
Layout = Literal["batch_heads_length_dim", "batch_length_heads_dim"]
Mode = Literal["features", "exact", "auto"]
WhenMissed = Literal["fail", "warn"]


@dataclass(frozen=True, kw_only=True)
class EpsilonParity:
    """The epsilons of performer-pytorch 1.1.4, reproduced; None: that version's own."""

    feature_epsilon: float | None = None
    causal_epsilon: float | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class HeadStatistics:
    """What an estimator was fitted to, of one key head; float64. The fields' reference is Statistics.Head."""

    key_shift: Array
    query_transform: Array
    proposal: Array
    anchors: Array = field(default_factory=lambda: np.empty(0))
    directions: Array = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True, kw_only=True, eq=False)
class Statistics:
    """What a call measured of its queries and keys, or `calibrate` of a sample: to be passed on as it is."""

    heads: tuple[HeadStatistics, ...]
    """One for each key head."""


@dataclass(frozen=True, kw_only=True)
class Features:
    """How features are made. As it is: FAVOR+ with 4 * head_dim orthogonal features and seed 0."""

    kernel: Kernel | None = None
    estimator: Estimator | None = None
    num_features: int | None = None
    seed: int | None = None
    """The same seed gives the same features on every machine."""
    projection: ProjectionKind | None = None
    row_norms: RowNorms | None = None
    projection_matrix: ArrayLike | None = field(default=None, repr=False)
    """[num_features, head_dim] or [key heads, num_features, head_dim], as a trained model's checkpoint has it."""
    nonlinearity: Nonlinearity | None = None
    """f of kernel "generalized"."""
    polynomial_offset: float | None = None
    epsilon_parity: EpsilonParity | None = None
    antithetic: bool = False
    """Rows in pairs, w and -w: two features of each."""
    precondition: bool = False
    """Queries and keys transformed such that attention stays as it is and its estimate varies least."""
    num_anchors: int | None = None
    """Of estimator "anchors": cluster centres of the queries. None: as many as cost what num_features would."""
    num_directions: int | None = None
    """Of estimator "anchors": directions in which it is of second order."""
    num_fit_rows: int | None = None
    """Of estimator "anchors": rows computed exactly to weigh its parts."""
    statistics: Statistics | None = field(default=None, repr=False)
    """For estimators "oprf", "sderf", "saderf", "anchors" and for `precondition`. None: a bidirectional call measures
    its own, any other runs FAVOR+."""


class SpecOptions(TypedDict, total=False):
    """What attention to compute: of a call, a stream or a state. What is left out or None is the server's to choose."""

    causal: bool
    scale: float | None
    """Left out: 1 / sqrt(head_dim)."""
    layout: Layout | None
    """Order of the axes of all tensors."""
    precision: Precision | None
    kernel: Kernel | None
    estimator: Estimator | None
    num_features: int | None
    seed: int | None
    projection: ProjectionKind | None
    row_norms: RowNorms | None
    projection_matrix: ArrayLike | None
    nonlinearity: Nonlinearity | None
    polynomial_offset: float | None
    epsilon_parity: EpsilonParity | None
    antithetic: bool
    num_anchors: int | None
    num_directions: int | None
    num_fit_rows: int | None
    precondition: bool
    statistics: Statistics | None


class AttendOptions(SpecOptions, total=False):
    """What `attend` can be told beyond its tensors. What is left out or None is the server's to choose."""

    mode: Mode
    """"features" (the default) is FAVOR+, or what the arguments that favor.Features describes make of it; "exact" is
    softmax attention itself, at quadratic cost; "auto" is whatever the server expects to be the fastest way to keep
    max_relative_error, verified."""
    max_relative_error: float | None
    """Bound of |output - exact| / |exact|; mode "auto" needs it."""
    time_budget: float | None
    """Seconds that mode "auto" may compute for; left out, or infinity: no bound."""
    when_missed: WhenMissed | None
    """Of mode "auto", where the bound cannot be kept within time_budget: "fail" (the default) raises
    favor.FailedPreconditionError, "warn" answers as well as it can and sets report.error_bound_missed."""
    query_lengths: Sequence[int] | None
    """Valid queries of each sequence, [batch]; left out: all. Rows past it are zero in the output."""
    key_lengths: Sequence[int] | None
    """Valid keys of each sequence, [batch]; left out: all."""
    output_dtype: DTypeLike
    """Left out: the queries'."""
    measure_error_rows: int | None
    """Rows, 8 to 4,096, that the server computes exactly as well, to measure the error of an approximation:
    report.measured_error. 32 are within a fifth of it; the output keeps its bits. Left out: none."""


class CalibrateOptions(TypedDict, total=False):
    """What `calibrate` can be told beyond its tensors: what the statistics are for, as in AttendOptions."""

    scale: float | None
    layout: Layout | None
    estimator: Estimator | None
    precondition: bool
    num_anchors: int | None
    num_directions: int | None


@dataclass(frozen=True, kw_only=True)
class ErrorEstimate:
    """How far an answer is from exact attention: |output - exact| / |exact|, Frobenius, of sampled rows."""

    relative_error: float
    lower: float
    """Ends of the 95% interval."""
    upper: float
    mean_of_values_error: float
    """The error of answering every row with the mean of its visible values."""
    num_rows: int
    """Rows that it rests on."""


@dataclass(frozen=True, kw_only=True)
class AttendReport:
    """What ran, and how it went."""

    spec: dict[str, Any]
    """What was computed, every default filled in: proto/favor/v1 AttentionSpec as JSON, names as in the file."""
    projection_id: str
    """Same id, same features on every machine; empty when no projection took part."""
    num_features: int
    degenerate_rows: int
    """Rows without a visible key, or whose denominator is not positive and finite; they are zero."""
    queue_time: float
    """Seconds that the call waited for the compute pool."""
    compute_time: float
    """Seconds from the first kernel to the last."""
    server_version: str
    cpu_target: str
    statistics: Statistics | None = field(default=None, repr=False)
    """Those that the call measured; None where they were given, or none took part."""
    predicted_error: ErrorEstimate | None = None
    """What is to be expected, from norms and logits of a few rows; in mode "auto" of the rows that chose the way. None
    for answers that approximate nothing."""
    measured_error: ErrorEstimate | None = None
    """Of the answer, where it is an approximation, in mode "auto" or where measure_error_rows asks for it."""
    error_bound_missed: bool = False
    """Mode "auto" with when_missed="warn": the bound was missed."""
    reason: str = ""
    """Mode "auto": why this way was taken."""


@dataclass(frozen=True, kw_only=True)
class AttendResult:
    """The answer of `attend`."""

    output: Array
    """[batch, heads, query_length, value_dim], axes in the order of the inputs'."""
    report: AttendReport


def seconds(duration: Duration) -> float:
    """A duration in seconds."""
    return duration.seconds + duration.nanos / 1e9


def as_dict(message: Message) -> dict[str, Any]:
    """A message as JSON, names as in the .proto file, fields that are not set left out."""
    return json_format.MessageToDict(message, preserving_proto_field_name=True)


def _statistics_to_wire(statistics: Statistics) -> attention_pb2.Statistics:
    return attention_pb2.Statistics(
        heads=[
            attention_pb2.Statistics.Head(
                key_shift=head.key_shift,
                query_transform=head.query_transform,
                proposal=head.proposal,
                anchors=head.anchors,
                directions=head.directions,
            )
            for head in statistics.heads
        ]
    )


def statistics_from_wire(wire: attention_pb2.Statistics) -> Statistics:
    """Statistics of a report, or of `calibrate`."""
    return Statistics(
        heads=tuple(
            HeadStatistics(
                key_shift=np.array(head.key_shift),
                query_transform=np.array(head.query_transform),
                proposal=np.array(head.proposal),
                anchors=np.array(head.anchors),
                directions=np.array(head.directions),
            )
            for head in wire.heads
        )
    )


def feature_spec(features: Features) -> attention_pb2.FeatureSpec:
    """Features on the wire; ValueError or TypeError naming the argument."""
    spec = attention_pb2.FeatureSpec(
        kernel=_enums.value("kernel", attention_pb2.Kernel, "KERNEL_", features.kernel),  # type: ignore[arg-type]
        estimator=_enums.value(  # type: ignore[arg-type]
            "estimator", attention_pb2.Estimator, "ESTIMATOR_", features.estimator
        ),
        nonlinearity=_enums.value(  # type: ignore[arg-type]
            "nonlinearity", attention_pb2.Nonlinearity, "NONLINEARITY_", features.nonlinearity
        ),
        antithetic=_numbers.flag("antithetic", features.antithetic),
        precondition=_numbers.flag("precondition", features.precondition),
        statistics=None if features.statistics is None else _statistics_to_wire(features.statistics),
    )
    _numbers.put(
        spec,
        num_features=features.num_features,
        polynomial_offset=features.polynomial_offset,
        num_anchors=features.num_anchors,
        num_directions=features.num_directions,
        num_fit_rows=features.num_fit_rows,
    )
    projection = attention_pb2.Projection(
        kind=_enums.value(  # type: ignore[arg-type]
            "projection", attention_pb2.ProjectionKind, "PROJECTION_KIND_", features.projection
        ),
        row_norms=_enums.value(  # type: ignore[arg-type]
            "row_norms", attention_pb2.RowNorms, "ROW_NORMS_", features.row_norms
        ),
    )
    _numbers.put(projection, seed=features.seed)
    if features.projection_matrix is not None:
        projection.matrix.CopyFrom(_tensors.to_wire("projection_matrix", features.projection_matrix))
    if projection.ByteSize() > 0:
        spec.projection.CopyFrom(projection)
    if features.epsilon_parity is not None:
        parity = attention_pb2.EpsilonParity()
        _numbers.put(
            parity,
            feature_epsilon=features.epsilon_parity.feature_epsilon,
            causal_epsilon=features.epsilon_parity.causal_epsilon,
        )
        spec.epsilon_parity.CopyFrom(parity)
    return spec


def attention_mode(argument: str, mode: Mode | Features | None) -> attention_pb2.AttentionSpec:
    """A spec with nothing but its mode."""
    if isinstance(mode, Features):
        return attention_pb2.AttentionSpec(features=feature_spec(mode))
    if mode == "features":
        return attention_pb2.AttentionSpec(features=attention_pb2.FeatureSpec())
    if mode == "exact":
        return attention_pb2.AttentionSpec(exact=attention_pb2.ExactSpec())
    if mode is None:
        return attention_pb2.AttentionSpec()
    raise ValueError(f'{argument} is {mode!r}, and must be "features", "exact" or a favor.Features')


def attention_spec(
    caller: str,
    /,
    *,
    causal: bool = False,
    scale: float | None = None,
    layout: Layout | None = None,
    precision: Precision | None = None,
    **features: Any,
) -> attention_pb2.AttentionSpec:
    """SpecOptions on the wire; ValueError or TypeError naming the argument, and the caller's where it has none such."""
    for name in features:
        if name not in Features.__dataclass_fields__:
            raise TypeError(f"{caller}() got an unexpected keyword argument {name!r}")
    spec = attention_pb2.AttentionSpec(
        features=feature_spec(Features(**features)), causal=_numbers.flag("causal", causal)
    )
    _numbers.put(spec, scale=scale)
    spec.layout = _enums.value("layout", tensor_pb2.Layout, "LAYOUT_", layout)  # type: ignore[assignment]
    spec.precision = _enums.value(  # type: ignore[assignment]
        "precision", attention_pb2.Precision, "PRECISION_", precision
    )
    return spec


def _auto_spec(
    max_relative_error: float | None, time_budget: float | None, when_missed: WhenMissed | None
) -> attention_pb2.AttentionSpec:
    if max_relative_error is None:
        raise ValueError('max_relative_error is missing, mode="auto" needs it')
    spec = attention_pb2.AttentionSpec()
    _numbers.put(spec.auto, max_relative_error=max_relative_error)
    if time_budget is not None and math.isnan(time_budget):
        raise ValueError("time_budget is nan, and must be a number of seconds")
    if time_budget is not None and time_budget != math.inf:
        spec.auto.time_budget.FromNanoseconds(round(min(time_budget, LONGEST_WAIT) * 1e9))
    spec.auto.when_missed = _enums.value(  # type: ignore[assignment]
        "when_missed", attention_pb2.AutoSpec.WhenMissed, "WHEN_MISSED_", when_missed
    )
    return spec


def attend_request(
    queries: ArrayLike,
    keys: ArrayLike,
    values: ArrayLike,
    *,
    mode: Mode = "features",
    max_relative_error: float | None = None,
    time_budget: float | None = None,
    when_missed: WhenMissed | None = None,
    query_lengths: Sequence[int] | None = None,
    key_lengths: Sequence[int] | None = None,
    output_dtype: DTypeLike | None = None,
    measure_error_rows: int | None = None,
    **options: Any,
) -> bytes:
    """The encoded request of `attend`, of AttendOptions."""
    if isinstance(mode, str) and mode not in get_args(Mode):
        raise ValueError(f'mode is {mode!r}, and must be "features", "exact" or "auto"')
    spec = attention_spec("attend", **options)
    if mode != "features":
        if spec.features.ByteSize() > 0:
            fields = Features.__dataclass_fields__
            given = [key for key in options if key in fields and options[key] is not None and options[key] is not False]
            raise ValueError(f'{given[0]} is given, and means nothing with mode="{mode}"')
        if mode == "auto":
            spec.MergeFrom(_auto_spec(max_relative_error, time_budget, when_missed))
        else:
            spec.MergeFrom(attention_mode("mode", mode))
    bounds = {"max_relative_error": max_relative_error, "time_budget": time_budget, "when_missed": when_missed}
    for name, value in bounds.items():
        if mode != "auto" and value is not None:
            raise ValueError(f'{name} is given, and means nothing without mode="auto"')
    request = attention_pb2.AttendRequest(spec=spec)
    _numbers.put(
        request, query_lengths=query_lengths, key_lengths=key_lengths, measure_error_rows=measure_error_rows
    )
    if output_dtype is not None:
        request.output_type = _tensors.data_type("output_dtype", output_dtype)
    numbers = attention_pb2.AttendRequest
    return b"".join(
        [
            request.SerializeToString(),
            *_tensors.encode_field(numbers.QUERIES_FIELD_NUMBER, "queries", queries),
            *_tensors.encode_field(numbers.KEYS_FIELD_NUMBER, "keys", keys),
            *_tensors.encode_field(numbers.VALUES_FIELD_NUMBER, "values", values),
        ]
    )


def calibrate_request(
    queries: ArrayLike,
    keys: ArrayLike,
    *,
    scale: float | None = None,
    layout: Layout | None = None,
    **features: Any,
) -> bytes:
    """The encoded request of `calibrate`, of CalibrateOptions."""
    spec = attention_spec("calibrate", scale=scale, layout=layout, **features)
    request = attention_pb2.CalibrateRequest(spec=spec)
    numbers = attention_pb2.CalibrateRequest
    return b"".join(
        [
            request.SerializeToString(),
            *_tensors.encode_field(numbers.QUERIES_FIELD_NUMBER, "queries", queries),
            *_tensors.encode_field(numbers.KEYS_FIELD_NUMBER, "keys", keys),
        ]
    )


def attend_report(report: attention_pb2.AttendReport) -> AttendReport:
    """What ran."""
    return AttendReport(
        spec=as_dict(report.spec),
        projection_id=report.projection_id,
        num_features=report.num_features,
        degenerate_rows=report.degenerate_rows,
        queue_time=seconds(report.queue_time),
        compute_time=seconds(report.compute_time),
        server_version=report.server_version,
        cpu_target=report.cpu_target,
        statistics=statistics_from_wire(report.statistics) if report.HasField("statistics") else None,
        predicted_error=_error_from_wire(report.predicted_error) if report.HasField("predicted_error") else None,
        measured_error=_error_from_wire(report.measured_error) if report.HasField("measured_error") else None,
        error_bound_missed=report.error_bound_missed,
        reason=report.reason,
    )


def _error_from_wire(wire: attention_pb2.ErrorEstimate) -> ErrorEstimate:
    return ErrorEstimate(
        relative_error=wire.relative_error,
        lower=wire.lower,
        upper=wire.upper,
        mean_of_values_error=wire.mean_of_values_error,
        num_rows=wire.num_rows,
    )


def attend_result(response: attention_pb2.AttendResponse | attention_pb2.ReadResponse) -> AttendResult:
    """The answer of `attend`, or of `read`."""
    return AttendResult(output=_tensors.from_wire(response.output), report=attend_report(response.report))

"""The names and shapes that a model's state_dict has, out of its constructor arguments."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from favor.convert.arguments import local_heads

Shape = tuple[int, ...]


def _linear(name: str, outputs: int, inputs: int, bias: bool) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.weight", (outputs, inputs)
    if bias:
        yield f"{name}.bias", (outputs,)


def _layer_norm(name: str, dim: int) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.weight", (dim,)
    yield f"{name}.bias", (dim,)


def _wrapper(full: Mapping[str, Any], name: str) -> Iterator[tuple[str, Shape]]:
    if full["use_scalenorm"]:
        yield f"{name}.g", (1,)
    elif full["use_rezero"]:
        yield f"{name}.g", ()
    else:
        yield from _layer_norm(f"{name}.norm", full["dim"])


def _attention(full: Mapping[str, Any], name: str, local: int) -> Iterator[tuple[str, Shape]]:
    dim = full["dim"]
    head_dim = full["dim_head"] or dim // full["heads"]
    inner = head_dim * full["heads"]
    num_features = full["nb_features"] or int(head_dim * math.log(head_dim))
    yield f"{name}.fast_attention.projection_matrix", (num_features, head_dim)
    if local > 0:
        yield f"{name}.local_attn.rel_pos.inv_freq", ((head_dim + 1) // 2,)
    for part in ("to_q", "to_k", "to_v"):
        yield from _linear(f"{name}.{part}", inner, dim, full["qkv_bias"])
    yield from _linear(f"{name}.to_out", dim, inner, full["attn_out_bias"])


def _feed_forward(full: Mapping[str, Any], name: str) -> Iterator[tuple[str, Shape]]:
    dim, inner = full["dim"], full["dim"] * full["ff_mult"]
    yield from _linear(f"{name}.fn.w1", inner * (2 if full["ff_glu"] else 1), dim, True)
    yield from _linear(f"{name}.fn.w2", dim, inner, True)


def _layers(full: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Shape]]:
    inner = ".fn.fn" if full["shift_tokens"] else ".fn"
    for i, local in enumerate(local_heads(full)):
        if full["reversible"]:
            first, second = f"{prefix}net.blocks.{i}.f.net", f"{prefix}net.blocks.{i}.g.net"
        else:
            first, second = f"{prefix}net.layers.{i}.0", f"{prefix}net.layers.{i}.1"
        yield from _wrapper(full, first)
        yield from _attention(full, first + inner, local)
        yield from _wrapper(full, second)
        yield from _feed_forward(full, second + inner)


def _positions(full: Mapping[str, Any]) -> Iterator[tuple[str, Shape]]:
    dim, length = full["dim"], full["max_seq_len"]
    if full["rotary_position_emb"]:
        yield "pos_emb.emb", (length, dim)
        yield "layer_pos_emb.emb", (length, full["dim_head"])
    elif full["axial_position_emb"]:
        sizes = full["axial_position_shape"] or (math.ceil(length / 64), 64)
        for axis, size in enumerate(sizes):
            yield f"pos_emb.weights.{axis}", (1, *(size if i == axis else 1 for i in range(len(sizes))), dim)
    else:
        yield "pos_emb.emb.weight", (length, dim)


def expected_tensors(class_name: str, full: Mapping[str, Any]) -> dict[str, Shape]:
    """Every tensor that the vectors of a model built with these arguments rest on: without the layer for logits,
    `to_out.*`, which fine-tuning often puts another head in place of; those of a Performer with its token_emb.weight
    left out."""
    if class_name == "Performer":
        return dict(_layers(full, ""))
    dim = full["dim"]
    tensors: dict[str, Shape] = {"token_emb.weight": (full["num_tokens"], dim)}
    tensors |= dict(_positions(full))
    tensors |= dict(_layers(full, "performer."))
    tensors |= dict(_layer_norm("norm", dim))
    return tensors

"""The constructor options that tests/data/models/performer holds a golden of.

Each case is one file. `kwargs` are the constructor's arguments as JSON can say them: `kernel_fn` is the name of a
function, tuples are lists. Models are tiny, but cross the edges that matter: lengths 1, 37, 53, 64, 70, 97 and 130 against attention
tiles of 48 tokens and local windows of 8 to 32.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Case:
    name: str
    kwargs: dict[str, Any]
    length: int = 37
    batch_size: int = 1
    class_name: str = "PerformerLM"
    with_logits: bool = False
    with_aliases: bool = False  # keeps proj_updater.instance.*, the second names of every tensor
    with_mask: bool = False  # adds golden.encodings_with_mask: the same call with a mask of ones


_DIM = {"dim": 20, "depth": 2, "heads": 2}


def _lm(name: str, options: dict[str, Any], length: int = 37, **how: Any) -> Case:
    defaults = {"num_tokens": 20, "max_seq_len": max(length, 40), **_DIM, "dim_head": 8, "ff_mult": 1}
    return Case(name, {**defaults, **options}, length, **how)


_ABSOLUTE = {"rotary_position_emb": False}
_LOCAL = {"heads": 4, "local_attn_heads": 2, "local_window_size": 16}

CASES = [
    # Positions.
    _lm("rotary", {"num_tokens": 50, "dim": 32}, batch_size=2, with_logits=True, with_aliases=True),
    _lm("absolute", _ABSOLUTE, length=97),
    _lm("axial", {**_ABSOLUTE, "axial_position_emb": True, "axial_position_shape": [5, 8]}),
    _lm("axial_default_shape", {**_ABSOLUTE, "depth": 1, "axial_position_emb": True}, length=70),
    Case("no_positions", {**_DIM, "dim_head": 8}, class_name="Performer"),
    # Attention.
    _lm("causal", {"causal": True}, length=130),
    _lm("causal_absolute", {"depth": 1, **_ABSOLUTE, "causal": True}),
    _lm("relu", {"depth": 1, "generalized_attention": True}),
    _lm("relu_causal", {"depth": 1, "generalized_attention": True, "kernel_fn": "relu", "causal": True}, length=53),
    _lm("gelu", {"generalized_attention": True, "kernel_fn": "gelu", "depth": 1}),
    _lm("sigmoid", {"generalized_attention": True, "kernel_fn": "sigmoid", "depth": 1}),
    _lm("softplus", {"generalized_attention": True, "kernel_fn": "softplus", "depth": 1}),
    _lm("softplus_causal", {"generalized_attention": True, "kernel_fn": "softplus", "depth": 1, "causal": True}),
    _lm("gelu_tanh", {"generalized_attention": True, "kernel_fn": "gelu_tanh", "depth": 1}),
    _lm("silu", {"generalized_attention": True, "kernel_fn": "silu", "depth": 1}),
    # Deep enough for denominators of either sign.
    _lm("gelu_deep", {"generalized_attention": True, "kernel_fn": "gelu", "depth": 4, "heads": 4}),
    _lm("silu_causal", {"generalized_attention": True, "kernel_fn": "silu", "depth": 2, "heads": 4, "causal": True}),
    _lm("leaky_relu", {"generalized_attention": True, "kernel_fn": "leaky_relu", "depth": 1}),
    _lm("exp", {"generalized_attention": True, "kernel_fn": "exp", "depth": 1}),
    _lm("no_projection", {"depth": 1, "no_projection": True}),
    _lm("no_projection_causal", {"depth": 1, "no_projection": True, "causal": True}),
    # Sizes.
    _lm("default_sizes", {"depth": 1, "heads": 1, "dim_head": 64, "ff_mult": 4}),
    _lm("uneven_dim_head", {"depth": 1, "dim_head": 10}),
    _lm("nb_features", {"depth": 1, "nb_features": 21}),
    # Layers.
    _lm("ff_glu", {"depth": 1, "ff_glu": True}),
    _lm("scalenorm", {"depth": 1, "use_scalenorm": True}),
    _lm("rezero", {"use_rezero": True}),
    _lm("reversible", {"reversible": True}, with_aliases=True),
    _lm("shift_tokens", {"shift_tokens": True}),
    _lm("shift_tokens_causal", {"depth": 1, "shift_tokens": True, "causal": True}),
    _lm("biases", {"depth": 1, "qkv_bias": True, "attn_out_bias": True}),
    _lm("tied", {"tie_embed": True}, with_logits=True),
    _lm("ff_chunks", {"depth": 1, "ff_chunks": 3}),
    _lm("dropouts", {"depth": 1, "emb_dropout": 0.5, "ff_dropout": 0.5, "attn_dropout": 0.5}),
    # Local heads.
    _lm("local", _LOCAL, with_mask=True),
    _lm("local_absolute", {**_ABSOLUTE, **_LOCAL, "local_window_size": 32}, length=70, with_mask=True),
    _lm("local_causal", {**_LOCAL, "causal": True}, length=70),
    _lm("local_all", {"depth": 1, "local_attn_heads": 2, "local_window_size": 16}, length=64),
    _lm("local_per_layer", {"heads": 4, "local_attn_heads": [0, 3], "local_window_size": 16}),
    _lm("local_one_token", {**_LOCAL, "shift_tokens": True}, length=1, with_mask=True),
    # Together.
    _lm("together", {**_LOCAL, "causal": True, "reversible": True, "ff_glu": True, "use_rezero": True,
                     "shift_tokens": True, "qkv_bias": True, "attn_out_bias": True, "tie_embed": True, "ff_chunks": 2}),
    _lm("together_bidirectional", {**_ABSOLUTE, **_LOCAL, "local_window_size": 8, "reversible": True,
                                   "generalized_attention": True, "ff_glu": True, "use_scalenorm": True,
                                   "shift_tokens": True}, with_mask=True),
]

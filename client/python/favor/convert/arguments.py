"""The constructor arguments of performer-pytorch 1.1.4: their names, types and defaults, checked before anything else."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from favor.convert.errors import ConvertError

CLASSES = ("PerformerLM", "Performer")

KERNEL_FUNCTIONS = (
    "relu",
    "squared_relu",
    "exp",
    "abs",
    "gelu",
    "gelu_tanh",
    "sigmoid",
    "silu",
    "softplus",
    "leaky_relu",
)
"""How `kernel_fn` is written in JSON, and what favord can compute: relu for nn.ReLU(), gelu_tanh for
nn.GELU(approximate="tanh") ..., nn's modules without arguments of their own."""

_REQUIRED = object()


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _positive(value: Any) -> bool:
    return _is_int(value) and value >= 1


def _positives(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) > 0 and all(map(_positive, value))


def _heads(value: Any) -> bool:
    values = value if isinstance(value, (list, tuple)) else [value]
    return len(values) > 0 and all(_is_int(number) and number >= 0 for number in values)


def _number(value: Any) -> bool:
    return (_is_int(value) or isinstance(value, float)) and math.isfinite(value)


def _bool(value: Any) -> bool:
    return isinstance(value, bool)


def _kernel(value: Any) -> bool:
    return isinstance(value, str) and value in KERNEL_FUNCTIONS


def _or_none(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or check(value)


@dataclass(frozen=True)
class _Argument:
    check: Callable[[Any], bool]
    wanted: str
    default: Any = _REQUIRED


def _arguments(class_name: str) -> dict[str, _Argument]:
    number, flag = "a whole number, 1 or more", "true or false"
    is_lm = class_name == "PerformerLM"
    arguments = {
        "dim": _Argument(_positive, number),
        "depth": _Argument(_positive, number),
        "heads": _Argument(_positive, number),
        "dim_head": _Argument(_or_none(_positive), number, 64 if is_lm else _REQUIRED),
        "local_attn_heads": _Argument(_heads, "a number of heads, or a list with one for each layer", 0),
        "local_window_size": _Argument(_positive, number, 256),
        "causal": _Argument(_bool, flag, False),
        "ff_mult": _Argument(_positive, number, 4),
        "nb_features": _Argument(_or_none(_positive), number, None),
        "feature_redraw_interval": _Argument(_or_none(_is_int), "a whole number", 1000),
        "reversible": _Argument(_bool, flag, False),
        "ff_chunks": _Argument(_positive, number, 1),
        "ff_glu": _Argument(_bool, flag, False),
        "ff_dropout": _Argument(_number, "a number", 0.0),
        "attn_dropout": _Argument(_number, "a number", 0.0),
        "generalized_attention": _Argument(_bool, flag, False),
        "kernel_fn": _Argument(_kernel, f"one of {', '.join(KERNEL_FUNCTIONS)}", "relu"),
        "use_scalenorm": _Argument(_bool, flag, False),
        "use_rezero": _Argument(_bool, flag, False),
        "cross_attend": _Argument(_bool, flag, False),
        "no_projection": _Argument(_bool, flag, False),
        "auto_check_redraw": _Argument(_bool, flag, True),
        "qkv_bias": _Argument(_bool, flag, not is_lm),
        "attn_out_bias": _Argument(_bool, flag, not is_lm),
        "shift_tokens": _Argument(_bool, flag, False),
    }
    if is_lm:
        arguments |= {
            "num_tokens": _Argument(_positive, number),
            "max_seq_len": _Argument(_positive, number),
            "emb_dropout": _Argument(_number, "a number", 0.0),
            "tie_embed": _Argument(_bool, flag, False),
            "rotary_position_emb": _Argument(_bool, flag, True),
            "axial_position_emb": _Argument(_bool, flag, False),
            "axial_position_shape": _Argument(_or_none(_positives), "a list of whole numbers", None),
        }
    return arguments


def _check_names(class_name: str, kwargs: Mapping[str, Any], arguments: Mapping[str, _Argument]) -> None:
    for name in kwargs:
        if name not in arguments:
            close = difflib.get_close_matches(name, arguments, 1)
            hint = f" Did you mean {close[0]}?" if close else ""
            raise ConvertError(f"kwargs: {name} is not an argument of {class_name} of performer-pytorch 1.1.4.{hint}")
    missing = [name for name, argument in arguments.items() if argument.default is _REQUIRED and name not in kwargs]
    if missing:
        raise ConvertError(f"kwargs: {', '.join(missing)} missing; {class_name} has no default for it")


def _check_together(full: Mapping[str, Any]) -> None:
    if full["cross_attend"]:
        raise ConvertError("kwargs: cross_attend is true, and such models cannot be served")
    if full["dim"] % full["heads"] != 0:
        raise ConvertError(f"kwargs: dim is {full['dim']}, which is not a multiple of heads, {full['heads']}")
    local = local_heads(full)
    if len(local) != full["depth"]:
        raise ConvertError(f"kwargs: local_attn_heads has {len(local)} elements, and depth is {full['depth']}")
    if max(local) > full["heads"]:
        raise ConvertError(f"kwargs: local_attn_heads is {max(local)}, and there are {full['heads']} heads")
    if full.get("rotary_position_emb"):
        for name in ("dim", "dim_head"):
            if full[name] is None or full[name] % 2 != 0:
                raise ConvertError(f"kwargs: {name} is {full[name]}, and must be even with rotary_position_emb")


def check_kwargs(class_name: str, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments with every default filled in; ConvertError naming the one that is wrong."""
    arguments = _arguments(class_name)
    _check_names(class_name, kwargs, arguments)
    for name, value in kwargs.items():
        if not arguments[name].check(value):
            raise ConvertError(f"kwargs: {name} is {value!r}, and must be {arguments[name].wanted}")
    full = {name: kwargs.get(name, argument.default) for name, argument in arguments.items()}
    _check_together(full)
    return full


def local_heads(full: Mapping[str, Any]) -> list[int]:
    """Local heads of each layer."""
    value = full["local_attn_heads"]
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    return values * full["depth"] if len(values) == 1 else values

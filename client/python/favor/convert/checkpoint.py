"""Reads checkpoints, and finds the model's tensors in them."""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from favor.convert.errors import ConvertError


@dataclass(frozen=True)
class Stored:
    """A tensor as safetensors has it: type, shape, little-endian bytes."""

    dtype: str
    shape: tuple[int, ...]
    data: NDArray[np.uint8]

    def values(self) -> NDArray[np.floating[Any]]:
        """Its numbers; of a type that is not floating, none."""
        if self.dtype == "BF16":
            return (self.data.view("<u2").astype(np.uint32) << 16).view(np.float32)
        if self.dtype in _FLOATS:
            return self.data.view(_FLOATS[self.dtype])
        return np.zeros(0, np.float32)


_FLOATS = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}
_SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
Tensors = dict[str, Stored]

_TORCH_TYPES = {
    "torch.float64": "F64",
    "torch.float32": "F32",
    "torch.float16": "F16",
    "torch.bfloat16": "BF16",
    "torch.int64": "I64",
    "torch.int32": "I32",
    "torch.int16": "I16",
    "torch.int8": "I8",
    "torch.uint8": "U8",
    "torch.bool": "BOOL",
}


def read_safetensors(path: Path) -> Tensors:
    """All tensors of a safetensors file."""
    try:
        with path.open("rb") as file:
            (size,) = struct.unpack("<Q", file.read(8))
            if size > path.stat().st_size - 8:
                raise ValueError("the header is longer than the file")
            header = json.loads(file.read(size))
        body = np.memmap(path, np.uint8, "r", offset=8 + size) if path.stat().st_size > 8 + size else np.zeros(0, np.uint8)
        tensors = {}
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            begin, end = entry["data_offsets"]
            shape = tuple(entry["shape"])
            if end - begin != _SIZES[entry["dtype"]] * math.prod(shape) or not 0 <= begin <= end <= body.size:
                raise ValueError(f"{name} does not fill its place")
            tensors[name] = Stored(entry["dtype"], shape, np.asarray(body[begin:end]))
        return tensors
    except (ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise ConvertError(f"{path} is not a safetensors file: {error}") from None


def _load_torch(path: Path) -> Any:
    try:
        import torch
    except ImportError:
        raise ConvertError("PyTorch is needed to read its checkpoints: pip install favor[convert]") from None
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds
        foreign = re.search(r"Unsupported (?:global|class): (?:GLOBAL )?([\w.]+)", str(error))
        if foreign is None:
            raise ConvertError(f"{path} is not a checkpoint of torch.save: {type(error).__name__}: {error}") from None
        raise ConvertError(
            f"{path} holds more than tensors: a {foreign[1]}. To open it would run code of the file, so it is not done "
            "here. Where you trust it, load it yourself and save its weights:\n"
            "    torch.save(torch.load('model.pt', weights_only=False).state_dict(), 'weights.pt')"
        ) from None


def _is_tensor(value: Any) -> bool:
    return str(getattr(value, "dtype", "")).startswith("torch.") and hasattr(value, "detach")


def _store(name: str, tensor: Any) -> Stored:
    if str(tensor.dtype) not in _TORCH_TYPES:
        raise ConvertError(f"{name} is of type {tensor.dtype}, which safetensors does not have")
    import torch

    flat = tensor.detach().contiguous().reshape(-1)
    return Stored(_TORCH_TYPES[str(tensor.dtype)], tuple(tensor.shape), flat.view(torch.uint8).numpy())


def _choose(path: Path, loaded: Any, key: str | None) -> Mapping[str, Any]:
    """The state_dict of what a checkpoint holds."""
    if not isinstance(loaded, Mapping):
        raise ConvertError(f"{path} holds a {type(loaded).__name__}, not a state_dict")
    if key is None and not any(map(_is_tensor, loaded.values())):
        key = "state_dict"
        if key not in loaded:
            names = ", ".join(map(str, loaded)) or "nothing"
            raise ConvertError(f"{path} holds no tensors and no state_dict, but {names}: name one with --key")
    chosen = loaded if key is None else loaded.get(key)
    if not isinstance(chosen, Mapping) or not any(map(_is_tensor, chosen.values())):
        raise ConvertError(f"{path}: {key} is no state_dict; there are {', '.join(map(str, loaded))}")
    return chosen


def read_checkpoint(path: Path, key: str | None) -> Tensors:
    """All tensors of a checkpoint; ConvertError when there are none to be had."""
    if not path.exists():
        raise ConvertError(f"{path} does not exist")
    if path.suffix == ".safetensors":
        return read_safetensors(path)
    chosen = _choose(path, _load_torch(path), key)
    return {str(name): _store(str(name), value) for name, value in chosen.items() if _is_tensor(value)}


def _find_prefix(tensors: Tensors, expected: Mapping[str, Any]) -> str:
    wanted = next(name for name in expected if name.endswith("to_q.weight"))
    prefixes = sorted(name[: -len(wanted)] for name in tensors if name.endswith(wanted))
    prefixes = [prefix for prefix in prefixes if prefix == "" or prefix.endswith(".")]
    if len(prefixes) > 1 and prefixes[0] != "":
        raise ConvertError(f"the checkpoint holds several models, below {', '.join(prefixes)}: choose one with --prefix")
    return prefixes[0] if prefixes else ""


def strip_prefix(tensors: Tensors, expected: Mapping[str, Any], prefix: str | None) -> Tensors:
    """The tensors below a prefix, without it. None: the one under which the expected names are found, as wrappers put
    one in front ("module." of DataParallel, "net." of AutoregressiveWrapper)."""
    if prefix is None:
        prefix = _find_prefix(tensors, expected)
    return {name[len(prefix) :]: tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def normalise_names(tensors: Tensors) -> Tensors:
    """Without the second names that performer-pytorch gives every tensor, and without its counter; axial positions of
    old versions under their present names."""
    kept = {}
    for name, tensor in tensors.items():
        if re.search(r"(^|\.)proj_updater\.", name):
            continue
        kept[re.sub(r"^pos_emb\.weights_(\d+)$", r"pos_emb.weights.\1", name)] = tensor
    return kept

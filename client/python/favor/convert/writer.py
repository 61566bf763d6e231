"""Writes what was converted."""

from __future__ import annotations

import json
import os
import shutil
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from favor.convert.checkpoint import Stored, Tensors
from favor.convert.errors import ConvertError

CONFIG, WEIGHTS = "config.json", "model.safetensors"
# Which of them a tokenizer's file is, its name tells the server.
TOKENIZERS = ("tokenizer.json", "favor_tokenizer.json", "vocab.txt")


def _served(name: str, tensor: Stored) -> Stored:
    """In a type that favord reads; ConvertError for numbers that are none."""
    values = tensor.values()
    if not np.isfinite(values).all():
        raise ConvertError(f"{name} holds a value that is NaN or infinite")
    if tensor.dtype == "F64":
        return Stored("F32", tensor.shape, values.astype("<f4").view(np.uint8))
    return tensor


def _write_safetensors(path: Path, tensors: Tensors) -> None:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, tensor in tensors.items():
        header[name] = {
            "dtype": tensor.dtype,
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + tensor.data.nbytes],
        }
        offset += tensor.data.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in tensors.values():
            file.write(tensor.data.data)


def write_model(
    folder: Path, class_name: str, kwargs: Mapping[str, Any], tensors: Tensors, tokenizer: Path | None, force: bool
) -> None:
    """Makes the folder; ConvertError when it holds a model already."""
    if (folder / CONFIG).exists() and not force:
        raise ConvertError(f"{folder} holds a model already; --force writes over it")
    tensors = {name: _served(name, tensors[name]) for name in sorted(tensors)}
    config = {"model_type": "performer-pytorch", "format_version": 1, "class": class_name, "kwargs": dict(kwargs)}
    folder.mkdir(parents=True, exist_ok=True)
    if tokenizer is not None:
        shutil.copyfile(tokenizer, folder / (tokenizer.name if tokenizer.name in TOKENIZERS else TOKENIZERS[0]))
    # The configuration last, each file whole or not at all: a folder that looks like a model is one.
    _write_safetensors(folder / f"{WEIGHTS}.part", tensors)
    os.replace(folder / f"{WEIGHTS}.part", folder / WEIGHTS)
    (folder / f"{CONFIG}.part").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    os.replace(folder / f"{CONFIG}.part", folder / CONFIG)

"""The command favor-convert."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from favor.convert.arguments import CLASSES, check_kwargs
from favor.convert.checkpoint import Tensors, normalise_names, read_checkpoint, strip_prefix
from favor.convert.errors import ConvertError
from favor.convert.layout import expected_tensors
from favor.convert.writer import write_model

_HELP = """\
examples:
  favor-convert model.pt --kwargs '{"num_tokens": 256, "max_seq_len": 4096, "dim": 512, "depth": 6, "heads": 8}' \\
      --output models/mine
  favor-convert checkpoint.pt --key model --kwargs kwargs.json --tokenizer tokenizer.json --output models/mine
  favord --model mine=models/mine

kwargs are what the model's constructor was called with; those left out have its defaults. They are JSON: tuples are
lists ("local_attn_heads": [0, 4], "axial_position_shape": [64, 64]), and kernel_fn is the name of a function:
  nn.ReLU() "relu"   nn.GELU() "gelu"   nn.Sigmoid() "sigmoid"   torch.exp "exp"   torch.abs "abs"
  x -> relu(x)**2 "squared_relu"

Whatever a wrapper put in front of all names ("module.", "net.") is found and taken off; --prefix says it where that
fails. A Performer has no embeddings of its own: --embedding names the tensor that has one row for each token.
"""


def _read_kwargs(text: str) -> Mapping[str, Any]:
    if not text.lstrip().startswith("{"):
        try:
            text = Path(text).read_text(encoding="utf-8")
        except OSError as error:
            raise ConvertError(f"--kwargs: {error}") from None
    try:
        kwargs = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConvertError(f"--kwargs is not JSON: {error}") from None
    if not isinstance(kwargs, dict):
        raise ConvertError("--kwargs is not a JSON object")
    return kwargs


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _check_tensors(tensors: Tensors, expected: Mapping[str, tuple[int, ...]]) -> None:
    learned = [name for name in tensors if name.endswith("local_attn.rel_pos.weights")]
    if learned:
        raise ConvertError(f"{learned[0]}: relative positions of local-attention before 1.4 cannot be served")
    missing = [name for name in expected if name not in tensors]
    if missing:
        raise ConvertError(
            f"the checkpoint lacks {_some(missing)}; it has {_some(sorted(tensors)) or 'nothing'}. "
            "Are kwargs those of this model?"
        )
    unexpected = [name for name in tensors if name not in expected]
    if unexpected:
        raise ConvertError(f"the checkpoint has {_some(unexpected)}, which a model with these kwargs has not")
    for name, shape in expected.items():
        if tensors[name].shape != shape:
            raise ConvertError(f"{name} is {list(tensors[name].shape)}, and by kwargs would be {list(shape)}")


def convert(
    checkpoint: Path,
    kwargs: Mapping[str, Any],
    output: Path,
    *,
    class_name: str = "PerformerLM",
    key: str | None = None,
    prefix: str | None = None,
    embedding: str | None = None,
    tokenizer: Path | None = None,
    force: bool = False,
) -> int:
    """Does what the command says; returns how many tensors were written. ConvertError; OSError of the output."""
    full = check_kwargs(class_name, kwargs)
    if (embedding is not None) != (class_name == "Performer"):
        raise ConvertError("--embedding goes with --class Performer, and only with it")
    if tokenizer is not None and not tokenizer.exists():
        raise ConvertError(f"--tokenizer: {tokenizer} does not exist")
    expected = expected_tensors(class_name, full)
    everything = read_checkpoint(checkpoint, key)
    tensors = normalise_names(strip_prefix(everything, expected, prefix))
    tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith("to_out.")}
    if embedding is not None:
        if embedding not in everything:
            raise ConvertError(f"--embedding: the checkpoint lacks {embedding}; it has {_some(sorted(everything))}")
        # Only the Performer's own tensors: the model around it has others.
        tensors = {name: tensor for name, tensor in tensors.items() if name.startswith("net.")}
        tensors["token_emb.weight"] = everything[embedding]
        rows = everything[embedding].shape[:1]
        expected["token_emb.weight"] = (*rows, full["dim"])
    _check_tensors(tensors, expected)
    write_model(output, class_name, kwargs, tensors, tokenizer, force)
    return len(tensors)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="favor-convert",
        description="Turns a checkpoint of performer-pytorch into a folder that favord serves.",
        epilog=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("checkpoint", type=Path, help="a state_dict: .pt or .pth of torch.save, or .safetensors")
    parser.add_argument("--kwargs", required=True, help="the constructor's arguments: JSON, or a file of it")
    parser.add_argument("--output", required=True, type=Path, help="folder to write")
    parser.add_argument("--class", dest="class_name", choices=CLASSES, default=CLASSES[0], help="(default: %(default)s)")
    parser.add_argument("--key", help="where in the checkpoint the state_dict is (default: state_dict, or all of it)")
    parser.add_argument("--prefix", help="what stands in front of the model's names (default: found out)")
    parser.add_argument("--embedding", help="with --class Performer: name of the tensor [tokens, dim]")
    parser.add_argument("--tokenizer", type=Path, help="a tokenizer.json, favor_tokenizer.json or vocab.txt to put beside the model")
    parser.add_argument("--force", action="store_true", help="write over a model that is there")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command."""
    options = vars(_parser().parse_args(arguments))
    try:
        options["kwargs"] = _read_kwargs(options["kwargs"])
        count = convert(**options)
    except (ConvertError, OSError) as error:
        sys.exit(f"favor-convert: {error}")
    print(f"{options['output']}: {count} tensors")

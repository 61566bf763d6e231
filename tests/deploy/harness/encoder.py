"""A BERT of random weights in a folder that favord loads: as much arithmetic as a real one of its size."""

import json
import math
import random
import struct
from array import array
from pathlib import Path

HIDDEN = 192
INTERMEDIATE = 768
LAYERS = 2
HEADS = 6
POSITIONS = 512
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]  # every other word is [UNK], one token


def _tensors() -> dict[str, tuple[list[int], str]]:
    """Name to shape and kind: weights, ones or zeros."""
    tensors: dict[str, tuple[list[int], str]] = {
        "embeddings.word_embeddings.weight": ([len(WORDS), HIDDEN], "weights"),
        "embeddings.position_embeddings.weight": ([POSITIONS, HIDDEN], "weights"),
        "embeddings.token_type_embeddings.weight": ([2, HIDDEN], "weights"),
    }

    def norm(name: str) -> None:
        tensors[name + ".weight"] = ([HIDDEN], "ones")
        tensors[name + ".bias"] = ([HIDDEN], "zeros")

    def dense(name: str, outputs: int, inputs: int) -> None:
        tensors[name + ".weight"] = ([outputs, inputs], "weights")
        tensors[name + ".bias"] = ([outputs], "zeros")

    norm("embeddings.LayerNorm")
    for layer in range(LAYERS):
        prefix = f"encoder.layer.{layer}."
        for name in ("query", "key", "value"):
            dense(f"{prefix}attention.self.{name}", HIDDEN, HIDDEN)
        dense(prefix + "attention.output.dense", HIDDEN, HIDDEN)
        norm(prefix + "attention.output.LayerNorm")
        dense(prefix + "intermediate.dense", INTERMEDIATE, HIDDEN)
        dense(prefix + "output.dense", HIDDEN, INTERMEDIATE)
        norm(prefix + "output.LayerNorm")
    return tensors


def write_encoder(folder: Path) -> Path:
    """Writes it, about 4 MB, and returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "model_type": "bert",
        "vocab_size": len(WORDS),
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "intermediate_size": INTERMEDIATE,
        "max_position_embeddings": POSITIONS,
        "hidden_act": "gelu",
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "vocab.txt").write_text("".join(word + "\n" for word in WORDS))
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": True}))
    generator = random.Random(1)
    header: dict[str, object] = {}
    data = bytearray()
    for name, (shape, kind) in _tensors().items():
        size = math.prod(shape)
        if kind == "weights":
            values = array("f", (generator.uniform(-0.05, 0.05) for _ in range(size)))
        else:
            values = array("f", [1.0 if kind == "ones" else 0.0]) * size
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + 4 * size]}
        data += values.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
    return folder

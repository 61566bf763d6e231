"""Embeds sentences with a BERT sentence model (all-MiniLM-L6-v2) in float64: mean over all tokens, then length 1.

    pip install transformers torch
    python make_minilm_reference.py MODEL_FOLDER PAIRS.csv STORED.safetensors FULL.safetensors VECTORS.npy

STORED gets 24 sentences (tests/data/models/minilm), FULL 200 with their token vectors, VECTORS all of them for
stsb_spearman.py. Files: `pooled` float32 [sentences, dimensions], `tokens` int64 (all ids in a row), `offsets` int64
[sentences + 1], in FULL also `encodings` float64 [tokens, dimensions]; the metadata's `texts` is a JSON list.
Sentences stand alone, so nothing is padded.
"""

import csv
import json
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors_file import save
from tokenizers import Tokenizer
from transformers import BertModel

MAX_TOKENS = 256


def main() -> None:
    folder, pairs, stored, full, vectors = map(Path, sys.argv[1:])
    with pairs.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    texts = [row[0] for row in rows] + [row[1] for row in rows]
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    model = BertModel.from_pretrained(folder, attn_implementation="eager", add_pooling_layer=False).eval().double()

    ids, encodings = [], []
    with torch.no_grad():
        for text in texts:
            ids.append(tokenizer.encode(text).ids)
            encodings.append(model(torch.tensor([ids[-1]])).last_hidden_state[0].numpy())
    pooled = np.stack([vectors.mean(axis=0) for vectors in encodings])
    pooled /= np.linalg.norm(pooled, axis=1, keepdims=True)
    np.save(vectors, pooled)

    def write(path: Path, chosen: list[int], with_encodings: bool) -> None:
        tensors = {
            "pooled": pooled[chosen].astype(np.float32),
            "tokens": np.concatenate([ids[i] for i in chosen]).astype(np.int64),
            "offsets": np.cumsum([0] + [len(ids[i]) for i in chosen]).astype(np.int64),
        }
        if with_encodings:
            tensors["encodings"] = np.concatenate([encodings[i] for i in chosen])
        save(path, tensors, {"source": "all-MiniLM-L6-v2, float64", "texts": json.dumps([texts[i] for i in chosen])})

    by_length = sorted(range(len(texts)), key=lambda i: (len(ids[i]), i))
    write(stored, [by_length[i] for i in np.linspace(0, len(texts) - 1, 24).astype(int)], with_encodings=False)
    write(full, [by_length[i] for i in np.linspace(0, len(texts) - 1, 200).astype(int)], with_encodings=True)


if __name__ == "__main__":
    main()

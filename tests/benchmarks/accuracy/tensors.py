"""The inputs that estimators are compared on: real tensors and synthetic ones, heads of all layers side by side."""
import dataclasses
import json
import pathlib
import struct

import extract
import numpy

DATA = pathlib.Path(__file__).resolve().parents[2] / "data"


@dataclasses.dataclass
class Inputs:
    """queries, keys, values [heads, length, dim], float32, unscaled: heads of any layers, which share nothing."""

    name: str
    what: str
    queries: numpy.ndarray
    keys: numpy.ndarray
    values: numpy.ndarray

    @property
    def num_heads(self):
        return len(self.queries)

    @property
    def length(self):
        return self.queries.shape[1]

    @property
    def head_dim(self):
        return self.queries.shape[2]

    def scaled(self, factor):
        """Queries and keys both multiplied: logits are factor^2 times as large."""
        return dataclasses.replace(self, queries=self.queries * numpy.float32(factor),
                                   keys=self.keys * numpy.float32(factor))

    def heads(self, chosen):
        return dataclasses.replace(self, queries=self.queries[chosen], keys=self.keys[chosen],
                                   values=self.values[chosen])


def load_safetensors(path):
    """float32 tensors of a file, by name."""
    data = pathlib.Path(path).read_bytes()
    (size,) = struct.unpack_from("<Q", data)
    return {key: numpy.frombuffer(data, "<f4", count=int(numpy.prod(entry["shape"])),
                                  offset=8 + size + entry["data_offsets"][0]).reshape(entry["shape"])
            for key, entry in json.loads(data[8:8 + size]).items() if entry.get("dtype") == "F32"}


def test_data():
    """The layers of RXNMapper that the repository holds."""
    for layer in (0, 11):
        tensors = load_safetensors(DATA / f"qkv_rxnmapper_layer{layer}.safetensors")
        yield Inputs(f"rxnmapper-{layer}", f"RXNMapper, layer {layer}, a reaction",
                     *(tensors[name][0] for name in ("queries", "keys", "values")))


TITLES = {"minilm": "MiniLM, licences", "rxnfp": "rxnfp, reactions", "rxnmapper": "RXNMapper, reactions",
          "antiberty": "AntiBERTy, antibodies"}


def _flat(tensor):
    """[layers, heads, length, dim] as [layers * heads, length, dim]."""
    return numpy.ascontiguousarray(tensor.reshape(-1, *tensor.shape[2:]))


def recorded(name):
    """(short, joined, long or None) of a model whose tensors have been recorded.

    short: a sequence of 512 tokens, every head of every layer. joined: one of 4,096 tokens, every second head. long: one
    of 16,384, of some heads."""
    file = numpy.load(extract.file_of(name))
    whole = [file[key] for key in ("queries", "keys", "values")]
    tokens, window, title = whole[0].shape[2], int(file["window"]), TITLES[name]
    first = [_flat(part[:, :, :extract.WINDOW]) for part in whole]
    in_short = "" if window == extract.WINDOW else f", {extract.WINDOW // window + 1} joined"
    short = Inputs(f"{name}-{extract.WINDOW}", title + in_short, *first)
    joined = Inputs(f"{name}-{tokens}", f"{title}, {-(-tokens // window)} joined",
                    *(_flat(part)[::2] for part in whole))
    if "long_queries" not in file:
        return short, joined, None
    parts = [_flat(file[f"long_{key}"]) for key in ("queries", "keys", "values")]
    length = parts[0].shape[1]
    return short, joined, Inputs(f"{name}-{length}", f"{title}, {length // window} joined", *parts)


def another_window(name):
    """The last 512 tokens of what was recorded: another sequence of the model, every head of every layer."""
    file = numpy.load(extract.file_of(name))
    return Inputs(f"{name}-other", TITLES[name],
                  *(_flat(file[key][:, :, -extract.WINDOW:]) for key in ("queries", "keys", "values")))


def synthetic(head_dim, length, num_heads=8, seed=0):
    """Independent N(0, 1) entries."""
    draw = numpy.random.default_rng([seed, head_dim, length])
    shape = (3, num_heads, length, head_dim)
    return Inputs(f"normal-{head_dim}-{length}", f"N(0, 1), d = {head_dim}, L = {length}",
                  *draw.standard_normal(shape, dtype=numpy.float32))


def one_angle(angle, length, head_dim, num_heads, seed=0):
    """Queries and keys of norm `length`, each head one query and two keys: one at `angle` from it, and zero.

    The value of the first is 1 and that of the other 0, so that the output is the attention weight
    exp(q.k / sqrt(d)) / (1 + exp(q.k / sqrt(d)))."""
    draw = numpy.random.default_rng(seed)
    first, second = draw.standard_normal((2, num_heads, head_dim))
    first /= numpy.linalg.norm(first, axis=1, keepdims=True)
    second -= (second * first).sum(axis=1, keepdims=True) * first
    second /= numpy.linalg.norm(second, axis=1, keepdims=True)
    factor = length * head_dim**0.25  # the default scale takes it away again
    queries = (factor * first)[:, None]
    keys = numpy.zeros((num_heads, 2, head_dim))
    keys[:, 0] = factor * (numpy.cos(angle) * first + numpy.sin(angle) * second)
    values = numpy.zeros((num_heads, 2, 1))
    values[:, 0] = 1
    return Inputs(f"angle-{angle:.2f}", "", *(part.astype(numpy.float32) for part in (queries, keys, values)))

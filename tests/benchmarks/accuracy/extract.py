"""Records queries, keys and values of a real model into .cache/accuracy/MODEL.npz: extract.py MODEL

A model comes out of a Python package, which is downloaded and never installed, and runs under PyTorch and transformers,
pinned in peers/requirements.txt and peers/requirements-embed.txt. Nothing of it is committed.

The file: queries, keys, values [layers, heads, tokens, head_dim], float32, not scaled, windows one after the other;
`window`, tokens of one; long_queries, long_keys, long_values [layers, heads, more tokens, head_dim] of some heads, where
there are.
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import zipfile

import numpy
import texts

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
CACHE = REPOSITORY / ".cache/accuracy"
MINILM = REPOSITORY / ".cache/models/all-MiniLM-L6-v2"  # ./dev model
WINDOW = 512
WINDOWS = 8
LONG_WINDOWS = 32
LONG_HEADS = [0, 6]  # of every layer
WEIGHTS = "pytorch_model.bin"

# name: package, folder inside it, what it is. All of them are under the MIT licence but MiniLM (Apache-2.0).
PACKAGES = {
    "rxnfp": ("rxnfp==0.1.0", "rxnfp/models/transformers/bert_pretrained/"),
    "rxnmapper": ("rxnmapper==0.4.3", "rxnmapper/models/transformers/albert_heads_8_uspto_all_1310k/"),
    "antiberty": ("antiberty==0.1.3", "antiberty/trained_models/AntiBERTy_md_smooth/"),
}
NAMES = ["minilm", *PACKAGES]


def file_of(name):
    return CACHE / f"{name}.npz"


def download(package, work):
    """The wheel of a package."""
    subprocess.run([sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--dest", str(work), package],
                   check=True)
    return zipfile.ZipFile(next(pathlib.Path(work).glob("*.whl")))


def vocabulary_of(wheel, folder):
    parents = [folder, str(pathlib.PurePosixPath(folder).parent) + "/"]
    path = next(parent + "vocab.txt" for parent in parents if parent + "vocab.txt" in wheel.namelist())
    return {token: number for number, token in enumerate(wheel.read(path).decode().split("\n"))}


def load(folder):
    """The encoder of a folder with config.json and weights, without what stands on top of it."""
    import torch
    import transformers

    settings = json.loads((folder / "config.json").read_text())
    kind = settings.get("model_type", "bert")
    config, model = {"bert": (transformers.BertConfig, transformers.BertModel),
                     "albert": (transformers.AlbertConfig, transformers.AlbertModel)}[kind]
    model = model(config(**settings, attn_implementation="eager"), add_pooling_layer=False)
    if (folder / WEIGHTS).exists():
        weights = torch.load(folder / WEIGHTS, map_location="cpu", weights_only=True)
    else:
        from safetensors.torch import load_file
        weights = load_file(folder / "model.safetensors")
    heads = {name: value for name, value in weights.items() if not name.startswith(kind + ".")}
    weights = {name.removeprefix(kind + "."): value for name, value in weights.items()}
    missing = model.load_state_dict(weights, strict=False).missing_keys
    if missing := [name for name in missing if not name.endswith(("position_ids", "token_type_ids"))]:
        raise RuntimeError(f"{folder} lacks weights: {missing[:3]}")
    return model.eval(), heads


def record(model, windows):
    """queries, keys, values [layers, heads, tokens, head_dim]: what every layer makes of these windows of ids."""
    import torch

    heads = model.config.num_attention_heads
    made = {"query": [], "key": [], "value": []}

    def keep(kind):
        # One window at a time: [1, tokens, heads * head_dim]
        return lambda module, given, output: made[kind].append(
            output[0].reshape(output.shape[1], heads, -1).permute(1, 0, 2).numpy().copy())

    hooks = [module.register_forward_hook(keep(name.rsplit(".", 1)[-1])) for name, module in model.named_modules()
             if name.rsplit(".", 1)[-1] in made]
    with torch.no_grad():
        for number, ids in enumerate(windows):
            model(torch.tensor([ids]))
            print(f"\r{number + 1} of {len(windows)} windows ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    for hook in hooks:
        hook.remove()
    layers = model.config.num_hidden_layers
    return [numpy.stack([numpy.concatenate(made[kind][layer::layers], axis=1) for layer in range(layers)])
            for kind in ("query", "key", "value")]


def minilm():
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(MINILM / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    ids = tokenizer.encode(texts.licences(), add_special_tokens=False).ids
    begin, end = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
    inner = WINDOW - 2
    windows = [[begin, *ids[i * inner:(i + 1) * inner], end] for i in range(LONG_WINDOWS)]
    if len(windows[-1]) != WINDOW:
        raise RuntimeError("the licences of this system are too short")
    model, _ = load(MINILM)
    made = record(model, windows)
    long = {f"long_{name}": tensor[:, LONG_HEADS] for name, tensor in zip(("queries", "keys", "values"), made)}
    return [tensor[:, :, :WINDOWS * WINDOW] for tensor in made], WINDOW, long


def reactions(name, wheel, folder):
    vocabulary = vocabulary_of(wheel, PACKAGES[name][1])
    model, _ = load(folder)
    windows = [[vocabulary["[CLS]"], *(vocabulary.get(token, vocabulary["[UNK]"]) for token in tokens),
                vocabulary["[SEP]"]] for tokens in texts.reactions(WINDOWS, WINDOW - 2)]
    return record(model, windows), WINDOW, {}


def antiberty(name, wheel, folder):
    """Variants of two antibody domains, a third of whose residues the model itself has drawn."""
    import torch

    vocabulary = vocabulary_of(wheel, PACKAGES[name][1])
    model, weights = load(folder)
    head = {key.removeprefix("cls.predictions."): value for key, value in weights.items()}
    residues = torch.tensor([number for token, number in vocabulary.items() if len(token) == 1])
    generator = torch.Generator().manual_seed(1)
    windows = []
    while sum(map(len, windows)) < WINDOWS * WINDOW:
        domain = texts.ANTIBODY_DOMAINS[len(windows) % len(texts.ANTIBODY_DOMAINS)]
        ids = torch.tensor([vocabulary["[CLS]"], *(vocabulary[token] for token in domain), vocabulary["[SEP]"]])
        masked = torch.rand(len(ids), generator=generator) < 1 / 3
        masked[0] = masked[-1] = False
        with torch.no_grad():
            given = torch.where(masked, vocabulary["[MASK]"], ids)
            hidden = model(given[None]).last_hidden_state[0]
            hidden = torch.nn.functional.gelu(hidden @ head["transform.dense.weight"].T + head["transform.dense.bias"])
            hidden = torch.nn.functional.layer_norm(
                hidden, hidden.shape[1:], head["transform.LayerNorm.weight"], head["transform.LayerNorm.bias"], 1e-12)
            scores = hidden @ head["decoder.weight"].T + head["decoder.bias"]
            drawn = residues[torch.multinomial(scores[:, residues].softmax(1), 1, generator=generator)[:, 0]]
        windows.append(torch.where(masked, drawn, ids).tolist())
    made = record(model, windows)
    return [tensor[:, :, :WINDOWS * WINDOW] for tensor in made], len(windows[0]), {}


def extract(name):
    CACHE.mkdir(parents=True, exist_ok=True)
    if name == "minilm":
        made, window, more = minilm()
    else:
        package, inside = PACKAGES[name]
        with tempfile.TemporaryDirectory() as work:
            wheel, folder = download(package, work), pathlib.Path(work)
            for file in ("config.json", WEIGHTS):
                (folder / file).write_bytes(wheel.read(inside + file))
            made, window, more = (antiberty if name == "antiberty" else reactions)(name, wheel, folder)
    partial = CACHE / f"{name}.partial.npz"
    numpy.savez(partial, window=window, **dict(zip(("queries", "keys", "values"), made)), **more)
    partial.rename(file_of(name))
    print(f"{name}: {list(made[0].shape)}")


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in NAMES:
        sys.exit(f"{__doc__}\nMODEL is one of {', '.join(NAMES)}")
    extract(sys.argv[1])

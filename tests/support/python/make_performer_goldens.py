"""Makes tests/data/models/performer: small performer-pytorch models and what they answer, computed in float64.

    pip install performer-pytorch==1.1.4 local-attention==1.9.0 axial-positional-embedding==0.3.12 torch
    python make_performer_goldens.py FOLDER [CASE...]

A file holds the model's state_dict in float32 under its own names, `golden.tokens` (int64), `golden.encodings`
(float64, `return_encodings=True`), some `golden.logits`, and in the metadata `class` and `kwargs`. Weights are float32
numbers, so the answers are those of the stored model. Models are in eval mode; no mask is given but for
`golden.encodings_with_mask`, where it is all ones: local heads of bidirectional models then leave out the zeros that they
otherwise see behind the last token. The case `Performer` has no embeddings: `golden.inputs` takes the tokens' place.
"""

import json
import sys
import zlib
from pathlib import Path

import torch
from performer_cases import CASES, Case
from performer_pytorch import Performer, PerformerLM
from safetensors_file import save
from torch import Tensor, nn

KERNEL_FUNCTIONS = {
    "relu": nn.ReLU(),
    "gelu": nn.GELU(),
    "sigmoid": nn.Sigmoid(),
    "softplus": nn.Softplus(),
    "gelu_tanh": nn.GELU(approximate="tanh"),
    "silu": nn.SiLU(),
    "leaky_relu": nn.LeakyReLU(),
    "exp": torch.exp,
}


def build(case: Case) -> nn.Module:
    kwargs = {key: tuple(value) if isinstance(value, list) else value for key, value in case.kwargs.items()}
    if "kernel_fn" in kwargs:
        kwargs["kernel_fn"] = KERNEL_FUNCTIONS[kwargs["kernel_fn"]]
    return {"PerformerLM": PerformerLM, "Performer": Performer}[case.class_name](**kwargs).eval()


def make_everything_count(model: nn.Module) -> None:
    """Replaces initial values that would hide a mistake: unit scales, zero biases, gates near 0, flat attention."""
    for name, parameter in model.named_parameters():
        if name.endswith("norm.weight"):
            parameter.data = 1 + 0.3 * torch.randn_like(parameter)
        elif name.endswith(".g"):  # of ReZero a scalar, of ScaleNorm one element
            parameter.data = (0.6 if parameter.dim() == 0 else 4.0) + 0.2 * torch.randn_like(parameter)
        elif name.endswith("bias"):
            parameter.data = 0.3 * torch.randn_like(parameter)
        elif name.endswith(("to_q.weight", "to_k.weight")):
            parameter.data *= 2


def answers(case: Case, model: nn.Module) -> dict[str, Tensor]:
    if case.class_name == "Performer":
        inputs = torch.randn(case.batch_size, case.length, case.kwargs["dim"])
        return {"golden.inputs": inputs, "golden.encodings": model(inputs.double())}
    tokens = torch.randint(case.kwargs["num_tokens"], (case.batch_size, case.length))
    tensors = {"golden.tokens": tokens, "golden.encodings": model(tokens, return_encodings=True)}
    if case.with_logits:
        tensors["golden.logits"] = model(tokens)
    if case.with_mask:
        mask = torch.ones_like(tokens, dtype=torch.bool)
        tensors["golden.encodings_with_mask"] = model(tokens, return_encodings=True, mask=mask)
    return tensors


def make(case: Case, folder: Path) -> int:
    torch.manual_seed(zlib.crc32(case.name.encode()))
    model = build(case)
    make_everything_count(model)
    tensors = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    if not case.with_aliases:
        tensors = {name: tensor for name, tensor in tensors.items() if ".instance." not in f".{name}"}
    with torch.no_grad():
        tensors |= {name: tensor.clone().contiguous() for name, tensor in answers(case, model.double()).items()}
    # Features of either sign can make a denominator vanish; such a case would test nothing but rounding.
    assert tensors["golden.encodings"].abs().max() < 100, f"{case.name}: attention blew up, take another seed"
    metadata = {
        "source": "performer-pytorch 1.1.4, local-attention 1.9.0, axial-positional-embedding 0.3.12, float64",
        "class": case.class_name,
        "kwargs": json.dumps(case.kwargs),
    }
    path = folder / f"{case.name}.safetensors"
    save(path, {name: tensor.numpy() for name, tensor in tensors.items()}, metadata)
    return path.stat().st_size


def main() -> None:
    folder, names = Path(sys.argv[1]), sys.argv[2:]
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    sizes = {case.name: make(case, folder) for case in CASES if not names or case.name in names}
    for name, size in sizes.items():
        print(f"{size:8} {name}")
    print(f"{sum(sizes.values()):8} in all")


if __name__ == "__main__":
    main()

"""Makes tests/data/models/bert: tiny random BERT models and what they answer, computed in float64.

    pip install transformers torch
    python make_bert_goldens.py FOLDER [CASE...]

A file holds the model's state_dict in float32 under its own names, `golden.tokens` (int64, [batch, length]),
`golden.encodings` (float64, the last hidden state, every token of type 0), and in the metadata `config`, which is the
model's config.json. `golden.token_types` and `golden.encodings_with_types` are the same with both token types, where
the model has two; DistilBERT and MPNet have none. The tokens of a RoBERTa and of an MPNet have the padding token among
them, attended to as any other.
"""

import json
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors_file import save
from transformers import (
    AlbertConfig,
    AlbertForMaskedLM,
    AlbertModel,
    BertConfig,
    BertForMaskedLM,
    BertModel,
    DistilBertConfig,
    DistilBertForMaskedLM,
    DistilBertModel,
    ElectraConfig,
    ElectraForPreTraining,
    ElectraModel,
    MPNetConfig,
    MPNetForMaskedLM,
    MPNetModel,
    PretrainedConfig,
    RobertaConfig,
    RobertaModel,
)


@dataclass(frozen=True)
class Case:
    name: str
    hidden_act: str
    length: int = 37
    batch_size: int = 1
    num_hidden_layers: int = 1
    layer_norm_eps: float = 1e-12
    is_roberta: bool = False
    is_distilbert: bool = False
    electra_width: int = 0  # of an ELECTRA's tables
    is_mpnet: bool = False
    albert: tuple[int, ...] = ()  # width of the tables, groups, layers of each
    with_prefix: bool = False  # names as a masked language model has them: bert.embeddings..., cls.predictions...
    sinusoidal: bool = False  # positions of DistilBERT


CASES = [
    Case("gelu", "gelu", batch_size=2, num_hidden_layers=2),
    Case("gelu_new", "gelu_new", layer_norm_eps=1e-3),
    Case("gelu_pytorch_tanh", "gelu_pytorch_tanh", length=60),
    Case("relu", "relu", length=1),
    Case("masked_lm", "gelu", with_prefix=True),
    Case("roberta", "gelu", batch_size=2, is_roberta=True),
    Case("distilbert", "gelu", batch_size=2, num_hidden_layers=2, is_distilbert=True),
    Case("electra", "gelu", batch_size=2, electra_width=16),
    Case("electra_discriminator", "gelu", electra_width=24, with_prefix=True),
    Case("mpnet", "gelu", length=180, num_hidden_layers=2, layer_norm_eps=1e-5, is_mpnet=True),
    Case("mpnet_masked_lm", "relu", is_mpnet=True, with_prefix=True),
    Case("albert", "gelu_new", num_hidden_layers=5, albert=(16, 2, 2)),
    Case("albert_masked_lm", "relu", num_hidden_layers=2, albert=(24, 1, 1), with_prefix=True),
    Case("distilbert_masked_lm", "relu", is_distilbert=True, with_prefix=True, sinusoidal=True),
]


def config_of(case: Case) -> PretrainedConfig:
    if case.is_distilbert:
        return DistilBertConfig(
            vocab_size=50, dim=24, n_heads=3, n_layers=case.num_hidden_layers, hidden_dim=40, max_position_embeddings=60,
            activation=case.hidden_act, sinusoidal_pos_embds=case.sinusoidal, attn_implementation="eager",
            architectures=["DistilBertForMaskedLM" if case.with_prefix else "DistilBertModel"],
        )
    if case.albert:
        width, groups, layers = case.albert
        return AlbertConfig(
            vocab_size=50, hidden_size=24, embedding_size=width, num_attention_heads=3, intermediate_size=40,
            num_hidden_layers=case.num_hidden_layers, num_hidden_groups=groups, inner_group_num=layers,
            max_position_embeddings=60, hidden_act=case.hidden_act, attn_implementation="eager",
            architectures=["AlbertForMaskedLM" if case.with_prefix else "AlbertModel"],
        )
    if case.is_mpnet:
        return MPNetConfig(
            vocab_size=50, hidden_size=24, num_attention_heads=3, num_hidden_layers=case.num_hidden_layers,
            intermediate_size=40, max_position_embeddings=300, hidden_act=case.hidden_act,
            layer_norm_eps=case.layer_norm_eps, attn_implementation="eager",
            architectures=["MPNetForMaskedLM" if case.with_prefix else "MPNetModel"],
        )
    encoder, whole = ("ElectraModel", "ElectraForPreTraining") if case.electra_width else ("BertModel", "BertForMaskedLM")
    config_class = ElectraConfig if case.electra_width else RobertaConfig if case.is_roberta else BertConfig
    return config_class(
        vocab_size=50,
        hidden_size=24,
        num_attention_heads=3,
        num_hidden_layers=case.num_hidden_layers,
        intermediate_size=40,
        max_position_embeddings=64 if case.is_roberta else 60,
        type_vocab_size=1 if case.is_roberta else 2,
        hidden_act=case.hidden_act,
        layer_norm_eps=case.layer_norm_eps,
        attn_implementation="eager",
        architectures=[whole if case.with_prefix else encoder],
        **({"pad_token_id": 3} if case.is_roberta else {}),
        **({"embedding_size": case.electra_width} if case.electra_width else {}),
    )


def config_json(config: PretrainedConfig, case: Case) -> dict:
    activation = "activation" if case.is_distilbert else "hidden_act"
    return config.to_diff_dict() | {"model_type": config.model_type, activation: case.hidden_act}


def make(case: Case, folder: Path) -> int:
    torch.manual_seed(zlib.crc32(case.name.encode()))
    config = config_of(case)
    if case.is_distilbert:
        model_class = DistilBertForMaskedLM if case.with_prefix else DistilBertModel
    elif case.albert:
        model_class = AlbertForMaskedLM if case.with_prefix else AlbertModel
    elif case.is_mpnet:
        model_class = MPNetForMaskedLM if case.with_prefix else MPNetModel
    elif case.electra_width:
        model_class = ElectraForPreTraining if case.with_prefix else ElectraModel
    else:
        model_class = BertForMaskedLM if case.with_prefix else RobertaModel if case.is_roberta else BertModel
    model = model_class(config).eval()
    for name, parameter in model.named_parameters():  # initial weights are too flat to tell mistakes apart
        scale = 0.3 if parameter.dim() == 1 else 0.25
        if case.sinusoidal and "position_embeddings" in name:
            continue
        is_gain = "LayerNorm.weight" in name or "layer_norm.weight" in name
        parameter.data = is_gain + scale * torch.randn_like(parameter)
    tensors = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    encoder = (model.base_model if case.with_prefix else model).double()
    tokens = torch.randint(config.vocab_size, (case.batch_size, case.length))
    types = (torch.arange(case.length) >= case.length // 2).long().expand_as(tokens)
    if case.is_roberta or case.is_mpnet:
        tokens[0, [0, 5, 6, case.length - 1]] = config.pad_token_id
    with torch.no_grad():
        tensors |= {"golden.tokens": tokens, "golden.encodings": encoder(tokens).last_hidden_state}
        if getattr(config, "type_vocab_size", 0) == 2:
            tensors |= {
                "golden.token_types": types,
                "golden.encodings_with_types": encoder(tokens, token_type_ids=types).last_hidden_state,
            }
    metadata = {
        "source": f"transformers {type(encoder).__name__}, float64",
        "config": json.dumps(config_json(config, case)),
    }
    path = folder / f"{case.name}.safetensors"
    save(path, {name: tensor.contiguous().numpy() for name, tensor in tensors.items()}, metadata)
    return path.stat().st_size


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    for case in CASES:
        if sys.argv[2:] and case.name not in sys.argv[2:]:
            continue
        print(f"{make(case, folder):8} {case.name}")


if __name__ == "__main__":
    main()

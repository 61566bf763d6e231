"""Makes tests/data/models/rotary: tiny random ModernBERT, Nomic BERT, GTE, EuroBERT, Qwen and Llama models and what they
answer in float64.

    pip install transformers torch
    python make_rotary_goldens.py FOLDER [CASE...]

A file holds the model's state_dict in float32, `golden.tokens` (int64, [batch, length]), `golden.encodings` (float64, the
last hidden state), and in the metadata `config`, which is the model's config.json. Names and configuration are those of
transformers, in the cases that end in `_own` those of the checkpoints that the models' authors have published.
"""

import json
import sys
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import torch
import transformers
from safetensors_file import save

SIZES = {
    "vocab_size": 50,
    "hidden_size": 24,
    "num_attention_heads": 3,
    "num_hidden_layers": 2,
    "intermediate_size": 20,
    "max_position_embeddings": 300,
    "attn_implementation": "eager",
    "pad_token_id": 0,
    "bos_token_id": None,
    "eos_token_id": None,
}
GROUPS = {"num_attention_heads": 6, "num_key_value_heads": 2}
TOKENS = {"cls_token_id": None, "sep_token_id": None}  # of ModernBERT


@dataclass(frozen=True)
class Case:
    name: str
    model: str  # its name in transformers, without Model
    settings: dict = field(default_factory=dict)
    length: int = 90
    head: str = ""  # ForMaskedLM, ForCausalLM: names have the prefix of the model around the encoder
    own: str = ""  # layout of the authors: nomic or gte
    ntk_factor: float = 0


CASES = [
    Case("modernbert", "ModernBert", TOKENS | {"num_hidden_layers": 5, "local_attention": 16}, length=200),
    Case(
        "modernbert_biased",
        "ModernBert",
        TOKENS
        | {
            "num_hidden_layers": 3, "local_attention": 7, "attention_bias": True, "mlp_bias": True, "norm_bias": True,
            "hidden_activation": "silu", "norm_eps": 1e-3,
            "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
            "rope_parameters": {
                "full_attention": {"rope_type": "default", "rope_theta": 500.0},
                "sliding_attention": {"rope_type": "default", "rope_theta": 30.0},
            },
        },
        head="ForMaskedLM",
    ),
    Case("nomic_bert", "NomicBert", {"head_dim": 6}),
    Case("nomic_bert_masked_lm", "NomicBert", {"hidden_act": "gelu", "rope_parameters": {"rope_type": "default", "rope_theta": 70.0}}, head="ForMaskedLM"),
    Case("nomic_bert_own", "NomicBert", own="nomic"),
    Case("nomic_bert_dynamic", "NomicBert", {"max_position_embeddings": 40, "rope_parameters": {"rope_type": "dynamic", "rope_theta": 1000.0, "factor": 2.5}}),
    Case("nomic_bert_dynamic_own", "NomicBert", {"max_position_embeddings": 40, "rope_parameters": {"rope_type": "dynamic", "rope_theta": 1000.0, "factor": 2.0}}, own="nomic"),
    Case("gte", "Gte", {"layer_norm_eps": 1e-3, "rope_parameters": {"rope_type": "linear", "rope_theta": 160000.0, "factor": 3.0}}),
    Case("gte_own", "Gte", {"type_vocab_size": 0, "rope_parameters": {"rope_type": "default", "rope_theta": 200.0}}, own="gte", head="ForMaskedLM", ntk_factor=4.0),
    Case("eurobert", "EuroBert", GROUPS),
    Case(
        "eurobert_masked_lm",
        "EuroBert",
        {
            "attention_bias": True, "mlp_bias": True, "hidden_act": "gelu", "rms_norm_eps": 1e-3,
            "max_position_embeddings": 40, "rope_parameters": {"rope_type": "dynamic", "rope_theta": 300.0, "factor": 2.5},
        },
        head="ForMaskedLM",
    ),
    Case("qwen3", "Qwen3", GROUPS | {"head_dim": 8}, length=200),
    Case(
        "qwen3_causal_lm",
        "Qwen3",
        {
            "num_key_value_heads": 1, "head_dim": 10, "attention_bias": True, "rms_norm_eps": 1e-3,
            "rope_parameters": {"rope_type": "linear", "rope_theta": 1000000.0, "factor": 3.0},
        },
        head="ForCausalLM",
    ),
    Case("qwen3_bidirectional", "Qwen3", GROUPS | {"head_dim": 8, "is_causal": False}),
    Case("qwen2", "Qwen2", GROUPS),
    Case("llama", "Llama", GROUPS | {"attention_bias": True, "mlp_bias": True}),
    Case("mistral", "Mistral", GROUPS | {"sliding_window": None}),
]  # fmt: skip

NOMIC_NAMES = [
    ("embeddings.LayerNorm", "emb_ln"),
    ("layers.", "encoder.layers."),
    ("self_attn.o_proj", "attn.out_proj"),
    ("mlp.up_proj", "mlp.fc11"),
    ("mlp.gate_proj", "mlp.fc12"),
    ("mlp.down_proj", "mlp.fc2"),
    ("post_attention_layernorm", "norm1"),
    ("post_mlp_layernorm", "norm2"),
]
GTE_NAMES = [
    ("gte.", "new."),
    ("layers.", "encoder.layer."),
    ("self_attn.o_proj", "attention.o_proj"),
    ("post_attention_layernorm", "attn_ln"),
    ("post_mlp_layernorm", "mlp_ln"),
]


def join(tensors: dict, suffix: str, parts: list[str], whole: str) -> None:
    """Puts tensors of a layer one below the other."""
    for name in [n for n in tensors if n.endswith(parts[0] + suffix)]:
        stem = name.removesuffix(parts[0] + suffix)
        tensors[stem + whole + suffix] = torch.cat([tensors.pop(stem + part + suffix) for part in parts])


def in_own_layout(tensors: dict, own: str) -> dict:
    inputs = [f"self_attn.{x}_proj" for x in "qkv"]
    for suffix in (".weight", ".bias"):
        join(tensors, suffix, inputs, "attn.Wqkv" if own == "nomic" else "attention.qkv_proj")
        if own == "gte":
            join(tensors, suffix, ["mlp.up_proj", "mlp.gate_proj"], "mlp.up_gate_proj")
    renamed = {}
    for name, tensor in tensors.items():
        for theirs, ours in NOMIC_NAMES if own == "nomic" else GTE_NAMES:
            name = name.replace(theirs, ours)
        renamed[name] = tensor
    return renamed


def own_config(config: transformers.PretrainedConfig, case: Case) -> dict:
    if case.own == "nomic":
        return {
            "model_type": "nomic_bert", "vocab_size": config.vocab_size, "n_embd": config.hidden_size,
            "n_head": config.num_attention_heads, "n_layer": config.num_hidden_layers,
            "n_inner": config.intermediate_size, "n_positions": 300,
            "max_trained_positions": config.max_position_embeddings,
            "rotary_scaling_factor": config.rope_parameters.get("factor"),
            "layer_norm_epsilon": config.layer_norm_eps, "activation_function": "swiglu", "qkv_proj_bias": False,
            "mlp_fc1_bias": False, "mlp_fc2_bias": False, "rotary_emb_base": 1000, "rotary_emb_fraction": 1.0,
            "rotary_emb_interleaved": False, "rotary_emb_scale_base": None,
            "prenorm": False, "parallel_block": False, "use_rms_norm": False, "causal": False,
            "scale_attn_weights": True, "type_vocab_size": config.type_vocab_size,
        }  # fmt: skip
    kept = ("vocab_size", "hidden_size", "num_attention_heads", "num_hidden_layers", "intermediate_size",
            "max_position_embeddings", "layer_norm_eps", "hidden_act", "type_vocab_size")  # fmt: skip
    return {key: getattr(config, key) for key in kept} | {
        "model_type": "new", "rope_theta": config.rope_parameters["rope_theta"], "position_embedding_type": "rope",
        "rope_scaling": {"type": "ntk", "factor": case.ntk_factor}, "layer_norm_type": "layer_norm", "pack_qkv": True,
        "logn_attention_scale": False,
    }  # fmt: skip


def stretch(encoder: torch.nn.Module, config: transformers.PretrainedConfig, factor: float) -> None:
    """The scaling of GTE's own code, which transformers does not have."""
    head_dim = config.hidden_size // config.num_attention_heads
    exponents = torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim
    theta = config.rope_parameters["rope_theta"] * factor
    encoder.rotary_emb.inv_freq = (theta**-exponents / factor ** (2 / head_dim)).float()


def make(case: Case, folder: Path) -> int:
    torch.manual_seed(zlib.crc32(case.name.encode()))
    config = getattr(transformers, case.model + "Config")(**SIZES | case.settings)
    model = getattr(transformers, case.model + (case.head or "Model"))(config).eval()
    for name, parameter in model.named_parameters():  # initial weights are too flat to tell mistakes apart
        scale = 0.3 if parameter.dim() == 1 else 0.25
        is_gain = "norm" in name.lower() and name.endswith("weight")
        parameter.data = is_gain + scale * torch.randn_like(parameter)
    tensors = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    encoder = (model.base_model if case.head else model).double()
    if case.ntk_factor:
        stretch(encoder, config, case.ntk_factor)
    tokens = torch.randint(config.vocab_size, (2, case.length))
    with torch.no_grad():
        encodings = encoder(tokens, attention_mask=torch.ones_like(tokens)).last_hidden_state
    if case.own:
        tensors = in_own_layout(tensors, case.own)
    tensors |= {"golden.tokens": tokens, "golden.encodings": encodings}
    settings = own_config(config, case) if case.own else config.to_dict()
    metadata = {
        "source": f"transformers {transformers.__version__} {type(encoder).__name__}, float64",
        "config": json.dumps(settings),
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

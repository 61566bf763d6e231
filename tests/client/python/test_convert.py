"""favor-convert: from performer-pytorch checkpoints to folders that favord serves."""

import json
import pickle
import struct

import numpy as np
import pytest
from favord import DATA, load, save

from favor.convert import ConvertError, check_kwargs, convert, main
from favor.convert.checkpoint import read_safetensors

GOLDENS = DATA / "models" / "performer"
SMALL = {"num_tokens": 20, "max_seq_len": 40, "dim": 20, "depth": 1, "heads": 2, "dim_head": 8, "ff_mult": 1}


def golden(name):
    """The kwargs and the state_dict of a golden, as numpy arrays."""
    metadata, tensors = load(GOLDENS / f"{name}.safetensors")
    tensors = {key: array for key, array in tensors.items() if not key.startswith("golden.")}
    return json.loads(metadata["kwargs"]), tensors


@pytest.fixture
def checkpoint(tmp_path):
    """Makes a checkpoint of tensors: FILE = checkpoint(tensors)."""
    return lambda tensors: save(tmp_path / "model.safetensors", tensors)


def converted(folder):
    config = json.loads((folder / "config.json").read_text())
    return config, read_safetensors(folder / "model.safetensors")


def names():
    return sorted(path.stem for path in GOLDENS.iterdir())


@pytest.mark.parametrize("name", [name for name in names() if name != "no_positions"])
def test_every_option_is_converted_with_its_own_names_and_values(name, checkpoint, tmp_path):
    kwargs, tensors = golden(name)
    convert(checkpoint(tensors), kwargs, tmp_path / "out")
    config, stored = converted(tmp_path / "out")
    assert config == {
        "model_type": "performer-pytorch",
        "format_version": 1,
        "class": "PerformerLM",
        "kwargs": kwargs,
    }
    assert sorted(stored) == sorted(key for key in tensors if "proj_updater" not in key and not key.startswith("to_out."))
    for key, tensor in stored.items():
        assert tensor.data.tobytes() == tensors[key].tobytes() and tensor.shape == tensors[key].shape


@pytest.mark.parametrize("tie_embed", [False, True])
def test_a_head_in_place_of_the_logits_is_left_out(tie_embed, checkpoint, tmp_path):
    kwargs, tensors = golden("rotary")
    tensors = {key: array for key, array in tensors.items() if not key.startswith("to_out.")}
    head = {"to_out.conv1.weight": np.zeros((1, 1, 3), np.float32), "to_out.fc1.bias": np.zeros(5, np.float32)}
    convert(checkpoint(tensors | head), kwargs | {"tie_embed": tie_embed}, tmp_path / "out")
    assert sorted(converted(tmp_path / "out")[1]) == sorted(key for key in tensors if "proj_updater" not in key)


@pytest.mark.parametrize(
    "given, kept",
    [("mine.json", "tokenizer.json"), ("favor_tokenizer.json", "favor_tokenizer.json"), ("vocab.txt", "vocab.txt")],
)
def test_a_tokenizer_keeps_the_name_that_says_what_it_is(given, kept, checkpoint, tmp_path):
    kwargs, tensors = golden("rotary")
    (tmp_path / given).write_text("[UNK]")
    convert(checkpoint(tensors), kwargs, tmp_path / "out", tokenizer=tmp_path / given)
    assert (tmp_path / "out" / kept).read_text() == "[UNK]"


@pytest.mark.parametrize("prefix", ["module.", "net.", "model.net."])
def test_prefixes_of_wrappers_are_found(prefix, checkpoint, tmp_path):
    kwargs, tensors = golden("rotary")
    wrapped = {prefix + key: array for key, array in tensors.items()} | {"other.weight": np.zeros(3, np.float32)}
    convert(checkpoint(wrapped), kwargs, tmp_path / "out")
    assert "token_emb.weight" in converted(tmp_path / "out")[1]


def test_of_several_models_one_must_be_chosen(checkpoint, tmp_path):
    kwargs, tensors = golden("gelu")
    averaged = {"ema." + key: array * 0 for key, array in tensors.items()}
    both = checkpoint({"model." + key: array for key, array in tensors.items()} | averaged)
    with pytest.raises(ConvertError, match="several models, below ema., model.: choose one"):
        convert(both, kwargs, tmp_path / "out")
    convert(both, kwargs, tmp_path / "out", prefix="ema.")
    assert not converted(tmp_path / "out")[1]["norm.weight"].values().any()


def test_a_performer_takes_its_embedding_along(checkpoint, tmp_path):
    kwargs, tensors = golden("no_positions")
    around = {f"encoder.{key}": array for key, array in tensors.items()}
    around |= {"words.weight": np.ones((7, kwargs["dim"]), np.float32), "head.weight": np.ones(3, np.float32)}
    path = checkpoint(around)
    convert(path, kwargs, tmp_path / "out", class_name="Performer", embedding="words.weight")
    config, stored = converted(tmp_path / "out")
    assert config["class"] == "Performer"
    assert stored["token_emb.weight"].shape == (7, kwargs["dim"])
    assert {key for key in stored if key != "token_emb.weight"} == {k for k in tensors if not k.startswith("proj_")}
    with pytest.raises(ConvertError, match="lacks word.weight"):
        convert(path, kwargs, tmp_path / "no", class_name="Performer", embedding="word.weight")
    with pytest.raises(ConvertError, match="--embedding goes with"):
        convert(path, kwargs, tmp_path / "no", class_name="Performer")


def test_axial_names_of_old_versions_are_renamed(checkpoint, tmp_path):
    kwargs, tensors = golden("axial")
    old = {key.replace("pos_emb.weights.", "pos_emb.weights_"): array for key, array in tensors.items()}
    assert old.keys() != tensors.keys()
    convert(checkpoint(old), kwargs, tmp_path / "out")
    assert "pos_emb.weights.1" in converted(tmp_path / "out")[1]


def test_float64_becomes_float32(checkpoint, tmp_path):
    kwargs, tensors = golden("gelu")
    tensors["norm.bias"] = tensors["norm.bias"].astype(np.float64)
    convert(checkpoint(tensors), kwargs, tmp_path / "out")
    stored = converted(tmp_path / "out")[1]["norm.bias"]
    assert stored.dtype == "F32" and stored.data.tobytes() == tensors["norm.bias"].astype(np.float32).tobytes()


@pytest.mark.parametrize("wrap", [lambda tensors: tensors, lambda tensors: {"epoch": 3, "state_dict": tensors}])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_torch_checkpoints_are_read(wrap, dtype, tmp_path):
    torch = pytest.importorskip("torch")
    kwargs, tensors = golden("reversible")
    weights = {key: torch.tensor(array).to(getattr(torch, dtype)) for key, array in tensors.items()}
    torch.save(wrap(weights), tmp_path / "model.pt")
    convert(tmp_path / "model.pt", kwargs, tmp_path / "out")
    stored = converted(tmp_path / "out")[1]["norm.weight"]
    assert stored.dtype == {"float32": "F32", "bfloat16": "BF16", "float16": "F16"}[dtype]
    np.testing.assert_array_equal(stored.values(), weights["norm.weight"].float().numpy())


def test_a_named_part_of_a_checkpoint_is_read(tmp_path):
    torch = pytest.importorskip("torch")
    kwargs, tensors = golden("gelu")
    torch.save({"ema": {key: torch.tensor(array) for key, array in tensors.items()}, "step": 3}, tmp_path / "model.pt")
    with pytest.raises(ConvertError, match="ema, step: name one with --key"):
        convert(tmp_path / "model.pt", kwargs, tmp_path / "out")
    convert(tmp_path / "model.pt", kwargs, tmp_path / "out", key="ema")
    assert (tmp_path / "out" / "config.json").exists()


class Bomb:
    def __reduce__(self):
        return (print, ("the file's code ran",))


def test_pickled_objects_are_refused_and_not_run(tmp_path, capsys):
    pytest.importorskip("torch")
    (tmp_path / "model.pt").write_bytes(pickle.dumps({"state_dict": Bomb()}, protocol=2))
    with pytest.raises(ConvertError, match="holds more than tensors: a .*print"):
        convert(tmp_path / "model.pt", SMALL, tmp_path / "out")
    assert "code ran" not in capsys.readouterr().out


def test_files_of_something_else_are_refused(tmp_path):
    pytest.importorskip("torch")
    (tmp_path / "model.pt").write_bytes(b"text")
    with pytest.raises(ConvertError, match="is not a checkpoint of torch.save"):
        convert(tmp_path / "model.pt", SMALL, tmp_path / "out")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"head": 4}, "head is not an argument of PerformerLM .* Did you mean heads?"),
        ({"kernel_fn": "mish"}, "kernel_fn is 'mish', and must be one of relu"),
        ({"dim": 20.5}, "dim is 20.5, and must be a whole number"),
        ({"causal": 1}, "causal is 1, and must be true or false"),
        ({"depth": True}, "depth is True"),
        ({"cross_attend": True}, "cross_attend is true, and such models cannot be served"),
        ({"heads": 3}, "dim is 20, which is not a multiple of heads, 3"),
        ({"local_attn_heads": [1, 0]}, "local_attn_heads has 2 elements, and depth is 1"),
        ({"local_attn_heads": 3}, "local_attn_heads is 3, and there are 2 heads"),
        ({"dim_head": 7}, "dim_head is 7, and must be even"),
        ({"axial_position_shape": 8}, "axial_position_shape is 8, and must be a list"),
    ],
)
def test_wrong_kwargs_are_named(change, message):
    with pytest.raises(ConvertError, match=message):
        check_kwargs("PerformerLM", SMALL | change)


def test_missing_kwargs_are_named():
    with pytest.raises(ConvertError, match="num_tokens, max_seq_len missing|max_seq_len, num_tokens missing"):
        check_kwargs("PerformerLM", {"dim": 8, "depth": 1, "heads": 2})
    with pytest.raises(ConvertError, match="num_tokens is not an argument of Performer"):
        check_kwargs("Performer", SMALL)


def test_defaults_are_those_of_the_class():
    assert check_kwargs("PerformerLM", SMALL)["qkv_bias"] is False
    assert check_kwargs("Performer", {"dim": 8, "depth": 1, "heads": 2, "dim_head": 4})["qkv_bias"] is True


def test_missing_unexpected_and_misshapen_tensors_are_named(checkpoint, tmp_path):
    kwargs, tensors = golden("gelu")
    out = tmp_path / "out"
    without = {key: array for key, array in tensors.items() if key != "norm.bias"}
    with pytest.raises(ConvertError, match="lacks norm.bias"):
        convert(checkpoint(without), kwargs, out)
    with pytest.raises(ConvertError, match="has performer.net.layers.0.0.fn.to_q.bias, which a model"):
        extra = {"performer.net.layers.0.0.fn.to_q.bias": np.zeros(16, np.float32)}
        convert(checkpoint(tensors | extra), kwargs, out)
    with pytest.raises(ConvertError, match=r"projection_matrix is \[16, 8\], and by kwargs would be \[17, 8\]"):
        convert(checkpoint(tensors), kwargs | {"nb_features": 17}, out)
    assert not out.exists()


def test_learned_relative_positions_are_refused(checkpoint, tmp_path):
    kwargs, tensors = golden("local")
    name = "performer.net.layers.0.0.fn.local_attn.rel_pos"
    tensors = {k: v for k, v in tensors.items() if k != f"{name}.inv_freq"} | {f"{name}.weights": np.ones(2, np.float32)}
    with pytest.raises(ConvertError, match="rel_pos.weights: .* cannot be served"):
        convert(checkpoint(tensors), kwargs, tmp_path / "out")


def test_numbers_that_are_none_are_refused(checkpoint, tmp_path):
    kwargs, tensors = golden("gelu")
    tensors["norm.bias"] = np.full(20, np.nan, np.float32)
    with pytest.raises(ConvertError, match="norm.bias holds a value that is NaN"):
        convert(checkpoint(tensors), kwargs, tmp_path / "out")


@pytest.mark.parametrize("data", [b"", b"text", struct.pack("<Q", 1 << 40), struct.pack("<Q", 2) + b"[]"])
def test_files_that_are_no_safetensors_are_refused(data, tmp_path):
    (tmp_path / "model.safetensors").write_bytes(data)
    with pytest.raises(ConvertError, match="is not a safetensors file"):
        convert(tmp_path / "model.safetensors", SMALL, tmp_path / "out")


def test_the_command_converts_once(checkpoint, tmp_path, capsys):
    kwargs, tensors = golden("gelu")
    (tmp_path / "kwargs.json").write_text(json.dumps(kwargs))
    (tmp_path / "tokenizer.json").write_text("{}")
    command = [str(checkpoint(tensors)), "--output", str(tmp_path / "out"), "--kwargs"]
    main([*command, str(tmp_path / "kwargs.json"), "--tokenizer", str(tmp_path / "tokenizer.json")])
    assert capsys.readouterr().out.endswith("tensors\n")
    assert (tmp_path / "out" / "tokenizer.json").read_text() == "{}"
    with pytest.raises(SystemExit, match="favor-convert: .* holds a model already; --force"):
        main([*command, json.dumps(kwargs)])
    main([*command, json.dumps(kwargs), "--force"])


@pytest.mark.parametrize(("kwargs", "message"), [("{", "not JSON"), ("nowhere.json", "nowhere.json"), ("{}", "missing")])
def test_the_command_says_what_is_wrong_with_kwargs(kwargs, message, tmp_path):
    with pytest.raises(SystemExit, match=message):
        main([str(tmp_path / "model.pt"), "--output", str(tmp_path / "out"), "--kwargs", kwargs])

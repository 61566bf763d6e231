"""Embeddings of the real favord: set FAVORD_BINARY to the program, and for texts MINILM_FOLDER to all-MiniLM-L6-v2."""

import json
import os
import subprocess

import numpy as np
import pytest
from favord import BINARY, DATA, load, running_favord, save

import favor
from favor.convert import convert

MINILM = os.environ.get("MINILM_FOLDER")


def serves_models():
    return BINARY and "--model " in subprocess.run([BINARY, "--help"], capture_output=True, text=True).stdout


pytestmark = pytest.mark.skipif(not serves_models(), reason="FAVORD_BINARY is not set, or serves no models")

PERFORMERS = sorted((DATA / "models" / "performer").iterdir())
BERTS = sorted((DATA / "models" / "bert").iterdir())


def make_performer(path, folder):
    metadata, tensors = load(path)
    weights = {key: array for key, array in tensors.items() if not key.startswith("golden.")}
    kwargs = json.loads(metadata["kwargs"])
    options = {}
    if metadata.get("class") == "Performer":  # its inputs are vectors: each becomes the row of a token
        weights["words"] = tensors["golden.inputs"][0]
        options = {"class_name": "Performer", "embedding": "words"}
    convert(save(folder / f"{path.stem}.safetensors", weights), kwargs, folder / path.stem, **options)


def make_bert(path, folder):
    metadata, tensors = load(path)
    (folder / f"bert_{path.stem}").mkdir()
    (folder / f"bert_{path.stem}" / "config.json").write_text(metadata["config"])
    weights = {key: array for key, array in tensors.items() if not key.startswith("golden.")}
    save(folder / f"bert_{path.stem}" / "model.safetensors", weights)


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    flags = []
    for paths, make, prefix in ((PERFORMERS, make_performer, ""), (BERTS, make_bert, "bert_")):
        for path in paths:
            make(path, folder)
            flags += ["--model", f"{prefix}{path.stem}={folder / (prefix + path.stem)}"]
    if MINILM:
        flags += ["--model", f"minilm={MINILM}"]
    with running_favord(folder, *flags) as endpoint, favor.Client(endpoint, deadline=60) as client:
        yield client


@pytest.mark.parametrize("path", PERFORMERS + BERTS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_token_vectors_are_those_of_the_reference(path, client):
    _, tensors = load(path)
    expected = tensors["golden.encodings"]
    tokens = tensors.get("golden.tokens", np.arange(expected.shape[1])[None])
    model = path.stem if path.parent.name == "performer" else f"bert_{path.stem}"
    vectors = client.embed(list(tokens), model=model, pooling="none", normalize=False)
    for vector, reference in zip(vectors, expected, strict=True):
        # float32 against float64, through two layers.
        assert np.abs(vector - reference).max() < 2e-5 * np.abs(reference).max()


def test_models_are_listed(client):
    models = {model.name: model for model in client.models()}
    assert models["rotary"].architecture == "performer-pytorch" and models["rotary"].dimensions == 32
    assert models["bert_gelu"].architecture == "bert" and models["bert_gelu"].max_tokens == 60
    assert not models["rotary"].has_tokenizer


def test_pooled_vectors_are_means_of_token_vectors(client):
    tokens = [[3, 1, 4], [1, 5, 9, 2, 6]]
    rows = client.embed(tokens, model="bert_gelu", pooling="none", normalize=False)
    pooled = client.embed(tokens, model="bert_gelu", pooling="mean", normalize=False)
    np.testing.assert_allclose(pooled, [row.mean(axis=0) for row in rows], rtol=1e-5, atol=1e-6)
    unit = client.embed(tokens, model="bert_gelu", pooling="mean", normalize=True)
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1, rtol=1e-5)


def test_what_is_wrong_with_one_input_leaves_the_others_alone(client):
    good, bad = client.embed([[1, 2], [1, 999]], model="bert_gelu", return_errors=True)
    assert good.shape == (24,)
    assert isinstance(bad, favor.InvalidArgumentError) and "999" in bad.message
    with pytest.raises(favor.EmbedInputsError, match="input 1: .*999"):
        client.embed([[1, 2], [1, 999]], model="bert_gelu")
    with pytest.raises(favor.NotFoundError, match="nobody"):
        client.embed([[1]], model="nobody")


def test_many_inputs_in_many_requests_come_back_in_order(client):
    random = np.random.default_rng(3)
    inputs = [random.integers(0, 50, random.integers(1, 60)) for _ in range(300)]
    with favor.Client(client.options.endpoint, embed_request_bytes=2000, deadline=60) as splitting:
        parts = splitting.embed(inputs, model="bert_gelu")
    np.testing.assert_allclose(parts, client.embed(inputs, model="bert_gelu"), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_smaller_types_are_near(dtype, client):
    inputs = [[3, 1, 4], [1, 5, 9, 2, 6]]
    expected = client.embed(inputs, model="bert_gelu")
    step = {"float16": 2.0**-11, "int8": 0.51 / 127}[dtype] * np.abs(expected).max()
    np.testing.assert_allclose(client.embed(inputs, model="bert_gelu", dtype=dtype), expected, atol=step)


@pytest.mark.skipif(not MINILM, reason="MINILM_FOLDER is not set")
def test_sentences_have_the_vectors_of_the_reference(client):
    metadata, tensors = load(DATA / "models" / "minilm" / "sentences.safetensors")
    texts = json.loads(metadata["texts"])
    ids = np.concatenate([tokens.ids for tokens in client.tokenize(texts, model="minilm")])
    np.testing.assert_array_equal(ids, tensors["tokens"])
    vectors = client.embed(texts, model="minilm")
    np.testing.assert_allclose(vectors, tensors["pooled"], atol=2e-6)  # float32 through six layers

"""Makes tests/data/models/sentence: tiny random sentence models as folders, saved by sentence-transformers itself, and
what it answers in float64.

    pip install sentence-transformers transformers torch
    python make_sentence_goldens.py UNIGRAM_CASES.jsonl FOLDER [NAME...]

Makes all of them, or those named. A folder is a whole model, laid out as those that people load; UNIGRAM_CASES is tests/data/tokenizer's. golden.json holds
`cases` [{prompt_name, text, ids, vector}]: ids as the model's tokenizer gives them, cut to max_seq_length, and the vector
that encode() gives.
"""

import json
import sys
import zlib
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer, models
from tokenizers import AddedToken, Tokenizer, models as token_models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    BertConfig,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    GteConfig,
    GteModel,
    ModernBertConfig,
    ModernBertModel,
    MPNetConfig,
    MPNetModel,
    NomicBertConfig,
    NomicBertModel,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3Model,
    RobertaConfig,
    RobertaModel,
    XLMRobertaConfig,
    XLMRobertaModel,
)

TEXTS = [
    "How do bacteria resist antibiotics?",
    "query: The capital of Germany is Berlin",
    "Pumps in the cell's membrane  carry the drug out again, before it can bind (Smith et al., 2019).",
    "Caf\u00e9 \u2013 na\u00efve fa\u00e7ade, \ufb01nally \u4f60\u597d",
    "",
    "a " * 60,
]
FLAGS = {  # of the poolings, by which older versions name them, in an order of their own
    "pooling_mode_lasttoken": "lasttoken",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_cls_token": "cls",
}
LAYOUT = {"hidden_size": 24, "num_attention_heads": 3, "num_hidden_layers": 2, "intermediate_size": 40}


def bert_tokenizer(cased: bool = False) -> Tokenizer:
    tokenizer = Tokenizer(token_models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=not cased, strip_accents=not cased)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    texts = TEXTS + [text.lower() for text in TEXTS] if cased else TEXTS
    tokenizer.train_from_iterator(texts, trainers.WordPieceTrainer(vocab_size=120, special_tokens=special))
    ends = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    return tokenizer


def roberta_processing() -> processors.RobertaProcessing:
    return processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False)


def mpnet_tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(token_models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["<s>", "<pad>", "</s>", "[UNK]", "<mask>"]
    tokenizer.train_from_iterator(TEXTS, trainers.WordPieceTrainer(vocab_size=120, special_tokens=special))
    tokenizer.post_processor = roberta_processing()
    return tokenizer


def byte_pair_tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(token_models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.train_from_iterator(TEXTS, trainers.BpeTrainer(
        vocab_size=310, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=["<s>", "<pad>", "</s>", "<unk>"]))
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, normalized=False)])
    tokenizer.post_processor = roberta_processing()
    return tokenizer


def modernbert_tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(token_models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    tokenizer.train_from_iterator(TEXTS, trainers.BpeTrainer(
        vocab_size=310, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=special))
    tokenizer.add_tokens([AddedToken(" " * spaces, normalized=True) for spaces in (4, 3, 2)])
    tokenizer.add_special_tokens([AddedToken("[MASK]", lstrip=True, normalized=False)])
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return tokenizer


def qwen_tokenizer() -> Tokenizer:
    """Qwen's but for how words are told apart: a text's last token is the one that is pooled."""
    tokenizer = Tokenizer(token_models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.train_from_iterator(TEXTS, trainers.BpeTrainer(
        vocab_size=310, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=["<|endoftext|>"]))
    tokenizer.add_special_tokens([AddedToken("<|im_end|>", normalized=False)])
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(single="$A <|endoftext|>", special_tokens=[("<|endoftext|>", 0)])])
    return tokenizer


def unigram_tokenizer(cases: Path) -> Tokenizer:
    """The one that was trained for the tokenizer's tests, with the normaliser of multilingual E5 and its first ids."""
    for line in cases.open(encoding="utf-8"):
        entry = json.loads(line)
        if entry.get("config") == "e5" and "tokenizer" in entry:
            layout = entry["tokenizer"]
            trained = [piece for piece in layout["model"]["vocab"] if piece[0] not in ("<unk>", "<s>", "</s>", "<mask>")]
            first = ["<s>", "<pad>", "</s>", "<unk>"]
            layout["model"] |= {"vocab": [[token, 0.0] for token in first] + trained, "unk_id": 3}
            layout["added_tokens"] = []
            tokenizer = Tokenizer.from_str(json.dumps(layout))
            tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in first])
            tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, normalized=False)])
            ends = [(token, tokenizer.token_to_id(token)) for token in ("<s>", "</s>")]
            tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=ends)
            return tokenizer
    raise SystemExit(f"{cases} has no tokenizer e5")


def make_everything_count(model: torch.nn.Module) -> None:
    for name, parameter in model.named_parameters():  # initial weights are too flat to tell mistakes apart
        scale = 0.3 if parameter.dim() == 1 else 0.25
        is_gain = "norm" in name.lower() and name.endswith("weight")
        parameter.data = is_gain + scale * torch.randn_like(parameter)


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n")


def save_folder(folder, encoder, tokenizer, names, pooling, normalizes, max_tokens, prompts, default, half=False, lowers=False,
                flags=False, shards=False, dense=(), tokenizer_class=None):
    make_everything_count(encoder)
    if half:
        encoder = encoder.half()
    parts = folder.parent / f"{folder.name}.parts"
    encoder.save_pretrained(parts)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=512, **names).save_pretrained(parts)
    if tokenizer_class:  # which takes what stands in tokenizer_config.json before what stands in tokenizer.json
        settings = json.loads((parts / "tokenizer_config.json").read_text())
        write_json(parts / "tokenizer_config.json", settings | {"tokenizer_class": tokenizer_class})
    transformer = models.Transformer(str(parts), max_seq_length=max_tokens)
    modules = [transformer, models.Pooling(encoder.config.hidden_size, pooling_mode=pooling)]
    for sizes in dense:
        modules.append(models.Dense(**sizes))
        make_everything_count(modules[-1])
    if normalizes:
        modules.append(models.Normalize())
    model = SentenceTransformer(modules=modules, prompts=prompts, default_prompt_name=default, device="cpu")
    model.save(str(folder), create_model_card=False)
    if lowers:  # as versions up to 5 wrote it, those of bge among them
        old = {"max_seq_length": max_tokens, "do_lower_case": True}
        (folder / "sentence_bert_config.json").write_text(json.dumps(old) + "\n")
    if flags:  # as versions up to 4 wrote it
        old = {"word_embedding_dimension": encoder.config.hidden_size} | {flag: name in pooling for flag, name in FLAGS.items()}
        write_json(folder / "1_Pooling" / "config.json", old)
    if shards:
        (folder / "model.safetensors").unlink()
        encoder.save_pretrained(folder, max_shard_size="12KB")
    record(folder, sorted(prompts))


def record(folder: Path, prompts: list[str]) -> None:
    model = SentenceTransformer(str(folder), device="cpu").double()
    cases = []
    for text in TEXTS:
        for name in [None, *prompts]:
            vector = model.encode([text], prompt_name=name, convert_to_numpy=True)[0]
            prompted = model.prompts[name or model.default_prompt_name or ""] + text if (name or model.default_prompt_name) else text
            ids = model.tokenizer(prompted, truncation=True, max_length=model.max_seq_length)["input_ids"]
            cases.append({"prompt_name": name, "text": text, "ids": ids, "vector": [float(f"{x:.9g}") for x in vector]})
    (folder / "golden.json").write_text(json.dumps({"cases": cases}) + "\n")


def main() -> None:
    unigram_cases, folder = Path(sys.argv[1]), Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    bert_names = {"unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "mask_token": "[MASK]"}
    small = {"num_hidden_layers": 1, "intermediate_size": 24}
    roberta_names = {"bos_token": "<s>", "cls_token": "<s>", "eos_token": "</s>", "sep_token": "</s>", "unk_token": "<unk>",
                     "pad_token": "<pad>", "mask_token": "<mask>"}

    def bert(seed: str, tokenizer: Tokenizer, **changes) -> BertModel:
        torch.manual_seed(zlib.crc32(seed.encode()))
        size = tokenizer.get_vocab_size()
        return BertModel(BertConfig(vocab_size=size, max_position_embeddings=64, **(LAYOUT | changes)))

    def distilbert(seed: str, tokenizer: Tokenizer) -> DistilBertModel:
        torch.manual_seed(zlib.crc32(seed.encode()))
        return DistilBertModel(DistilBertConfig(vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=64, dim=24,
                                                n_heads=3, n_layers=1, hidden_dim=40))

    def xlm_roberta(seed: str, tokenizer: Tokenizer) -> XLMRobertaModel:
        torch.manual_seed(zlib.crc32(seed.encode()))
        ids = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
        return XLMRobertaModel(XLMRobertaConfig(vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=66,
                                                type_vocab_size=1, layer_norm_eps=1e-5, **ids, **LAYOUT))

    def padded(model_class, config_class, seed: str, tokenizer: Tokenizer, **more):
        torch.manual_seed(zlib.crc32(seed.encode()))
        ids = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
        return model_class(config_class(vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=66,
                                        layer_norm_eps=1e-5, **ids, **more, **(LAYOUT | small)))

    def rotary(model_class, config_class, seed: str, tokenizer: Tokenizer, **more):
        torch.manual_seed(zlib.crc32(seed.encode()))
        ids = {"pad_token_id": 0, "bos_token_id": None, "eos_token_id": None}
        return model_class(config_class(vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=128,
                                        **(LAYOUT | ids | {"intermediate_size": 24} | more)))

    def modernbert(seed: str, tokenizer: Tokenizer):
        return rotary(ModernBertModel, ModernBertConfig, seed, tokenizer, cls_token_id=2, sep_token_id=3,
                      local_attention=10, num_hidden_layers=4)

    def qwen(seed: str, tokenizer: Tokenizer):
        return rotary(Qwen3Model, Qwen3Config, seed, tokenizer, num_attention_heads=4, num_key_value_heads=2, head_dim=8)

    uncased, cased, unigram = bert_tokenizer(), bert_tokenizer(cased=True), unigram_tokenizer(unigram_cases)
    query = {"query": "Represent this sentence for searching relevant passages: "}
    mpnet, byte_pair, modern, qwens = mpnet_tokenizer(), byte_pair_tokenizer(), modernbert_tokenizer(), qwen_tokenizer()
    instruct = {"query": "Instruct: Given a question, retrieve passages that answer it\nQuery:", "document": ""}
    search = {"query": "search_query: ", "document": "search_document: "}
    makers = {
        "mpnet": lambda to: save_folder(to, padded(MPNetModel, MPNetConfig, "mpnet", mpnet), mpnet,
                                        roberta_names | {"unk_token": "[UNK]"}, "mean", True, 40, {}, None, half=True,
                                        tokenizer_class="MPNetTokenizer"),
        "roberta": lambda to: save_folder(to, padded(RobertaModel, RobertaConfig, "roberta", byte_pair, type_vocab_size=1),
                                          byte_pair, roberta_names, "mean", True, 40, {}, None, half=True,
                                          tokenizer_class="RobertaTokenizer"),
        "bge": lambda to: save_folder(to, bert("bge", uncased), uncased, bert_names, "cls", True, 64, query, None),
        "gte": lambda to: save_folder(to, bert("gte", uncased, hidden_act="gelu_new"), uncased, bert_names, "mean", False, 20,
                                      {}, None, half=True),
        "lowered": lambda to: save_folder(to, bert("lowered", cased), cased, bert_names, "mean", True, 48, {}, None, lowers=True),
        "multilingual_e5": lambda to: save_folder(to, xlm_roberta("e5", unigram), unigram, roberta_names, "mean", True, 64,
                                                  {"query": "query: ", "passage": "passage: "}, "query"),
        "joined": lambda to: save_folder(to, bert("joined", uncased, **small), uncased, bert_names,
                                         ["weightedmean", "cls", "mean_sqrt_len_tokens"], True, 24, {}, None, half=True, shards=True),
        "flagged": lambda to: save_folder(to, bert("flagged", uncased, **small), uncased, bert_names, list(FLAGS.values()), False,
                                          64, {}, None, half=True, flags=True),
        "dense": lambda to: save_folder(to, bert("dense", uncased, **small), uncased, bert_names, ["cls", "mean"], True, 24, {}, None,
                                        half=True, dense=[
                                            {"in_features": 48, "out_features": 20},
                                            {"in_features": 20, "out_features": 16, "bias": False,
                                             "activation_function": torch.nn.Identity()}]),
        "modernbert": lambda to: save_folder(to, modernbert("modernbert", modern), modern, bert_names, "cls", True, 100, {}, None,
                                             half=True),
        "nomic": lambda to: save_folder(to, rotary(NomicBertModel, NomicBertConfig, "nomic", uncased), uncased, bert_names,
                                        "mean", True, 100, search, None, half=True),
        "qwen": lambda to: save_folder(to, qwen("qwen", qwens), qwens,
                                       {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "padding_side": "left"},
                                       "lasttoken", True, 100, instruct, None, half=True),
        "gte_long": lambda to: save_folder(to, rotary(GteModel, GteConfig, "gte_long", uncased), uncased, bert_names, "cls",
                                           False, 100, {}, None, half=True),
        "distilbert": lambda to: save_folder(to, distilbert("distilbert", uncased), uncased, bert_names, "mean", True, 40, {}, None,
                                             half=True),
    }
    for name, make in makers.items():
        if not sys.argv[3:] or name in sys.argv[3:]:
            make(folder / name)


if __name__ == "__main__":
    main()

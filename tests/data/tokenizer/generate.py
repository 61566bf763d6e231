#!/usr/bin/env python3
"""Records what Hugging Face `tokenizers` makes of texts: python3 -m pip install tokenizers==0.23.3 sentencepiece==0.2.1, then

    python3 generate.py                   # rewrites the files beside this script
    python3 generate.py --cases 20000 --seed 7 --output FILE   # many more cases, to compare once

bert_code_points.txt: what the reference's BertNormalizer and BertPreTokenizer do with every character by itself.
regex_code_points.txt: the letters, numbers and spaces of its regular expressions.
bert_cases.jsonl, unigram_cases.jsonl, bpe_cases.jsonl, normal_form_cases.jsonl, pre_tokenizer_cases.jsonl, split_cases.jsonl: one configuration or case a line.
    {"config": NAME, "tokenizer": {...}}   a tokenizer.json, with the vocabulary left out
    {"case": NAME, "text": TEXT, "tokens": [id, begin, end, id, begin, end, ...]}   bytes of the text in UTF-8
"""
import argparse
import io
import json
import pathlib
import random
import sys
import tempfile
import unicodedata

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

HERE = pathlib.Path(__file__).parent
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def vocabulary():
    lines = (HERE / "bert_uncased_vocab.txt").read_text(encoding="utf-8").split("\n")
    return {line: i for i, line in enumerate(lines) if line}


def characters():
    return (chr(i) for i in range(0x110000) if not 0xD800 <= i < 0xE000)


def kind_of(c, clean, strip, pre, joined):
    """One letter each: Kept, Removed, made a Space or set apart (C) by cleaning; Word, Space or Punctuation to the
    pre-tokenizer; Mark; Joined to a single-word token before it."""
    text = "a" + c + "a"
    kind = {"aa": "R", "a a": "S", "a " + c + " a": "C"}.get(clean.normalize_str(text), "K")
    if c == " ":
        kind = "S"
    kind += {1: "W", 2: "S", 3: "P"}[len(pre.pre_tokenize_str(text))]
    kind += "M" if strip.normalize_str(text) == "aa" else "-"
    return kind + ("J" if joined.encode("one" + c).ids == [0] else "-")


def write_code_points(path):
    make = normalizers.BertNormalizer
    clean = make(clean_text=True, handle_chinese_chars=True, strip_accents=False, lowercase=False)
    strip = make(clean_text=False, handle_chinese_chars=False, strip_accents=True, lowercase=False)
    lower = make(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=True)
    pre = pre_tokenizers.BertPreTokenizer()
    joined = Tokenizer(models.WordLevel({"unknown": 0}, unk_token="unknown"))
    joined.add_tokens([AddedToken("one", normalized=False, single_word=True)])
    ranges, lines = [], []
    for c in characters():
        kind = kind_of(c, clean, strip, pre, joined)
        if ranges and ranges[-1][2] == kind:
            ranges[-1][1] = ord(c)
        else:
            ranges.append([ord(c), ord(c), kind])
        hangul = 0xAC00 <= ord(c) < 0xD7A4  # decompose by arithmetic
        for letter, normalizer in (("L", lower), ("D", strip)):
            became = normalizer.normalize_str(c)
            if became != c and not (letter == "D" and (hangul or not became)):
                lines.append(f"{letter} {ord(c):X} " + " ".join(f"{ord(x):X}" for x in became))
    with open(path, "w", encoding="ascii") as file:
        file.write("# range first last kind (kind_of of generate.py)\n# L character lower case\n")
        file.write("# D character without accents\n")
        file.writelines(f"range {first:X} {last:X} {kind}\n" for first, last, kind in ranges)
        file.writelines(line + "\n" for line in lines)


def write_regex_code_points(path):
    classes = [(kind, normalizers.Replace(Regex(pattern), ""))
               for kind, pattern in (("L", r"\p{L}"), ("N", r"\p{N}"), ("S", r"\s"))]
    ranges = []
    for c in characters():
        kind = next((kind for kind, drop in classes if not drop.normalize_str(c)), "-")
        if ranges and ranges[-1][2] == kind:
            ranges[-1][1] = ord(c)
        else:
            ranges.append([ord(c), ord(c), kind])
    with open(path, "w", encoding="ascii") as file:
        file.write("# range first last kind: Letter, Number, Space or none\n")
        file.writelines(f"range {first:X} {last:X} {kind}\n" for first, last, kind in ranges)


def configurations():
    vocab = vocabulary()

    def make(added=(), special=SPECIAL, pre=pre_tokenizers.BertPreTokenizer(), model=None, **options):
        tokenizer = Tokenizer(model or models.WordPiece(vocab, unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.BertNormalizer(**options)
        tokenizer.pre_tokenizer = pre
        tokenizer.add_special_tokens(list(special))
        tokenizer.add_tokens(list(added))
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 101), ("[SEP]", 102)])
        return tokenizer

    off = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    added = [
        AddedToken("Hello", normalized=True), AddedToken("ÉTÉ", normalized=True, single_word=True),
        AddedToken("<left>", normalized=False, lstrip=True), AddedToken("<right>", normalized=False, rstrip=True),
        AddedToken("<both>", normalized=False, lstrip=True, rstrip=True), AddedToken("<leftmost>", normalized=False),
        AddedToken("one", normalized=False, single_word=True), AddedToken("New York", normalized=True, lstrip=True),
        AddedToken("漢字", normalized=True), AddedToken("漢", normalized=False, single_word=True),
    ]
    short = models.WordPiece(vocab, unk_token="[UNK]", max_input_chars_per_word=4)
    return {
        "uncased": make(),
        "cased": make(strip_accents=False, lowercase=False),
        "lower_only": make(strip_accents=False, lowercase=True),
        "strip_only": make(strip_accents=True, lowercase=False, special=[]),
        "nothing": make(**off),
        "no_clean": make(clean_text=False),
        "no_chinese": make(handle_chinese_chars=False),
        "added": make(added=added),
        "added_cased": make(added=added, strip_accents=False, lowercase=False),
        "short_words": make(model=short),
        "white_space": make(pre=pre_tokenizers.WhitespaceSplit()),
        "no_words": make(pre=None),
    }


def character_rules():
    """Rules for a small map of characters, as SentencePiece's own maps have them: longer, shorter and empty texts."""
    rules = [(c, unicodedata.normalize("NFKC", c)) for c in "ﬁﬀ①㌀\u00a0\u3000…ＡａｚＢ½ſ㍿\u2126\u212b\u0958ﾊﾀ²№℃ﷺ"]
    rules += [(c, "") for c in "\x01\x7f\u200b\u00ad\ufeff"] + [(c, " ") for c in "\t\n\r\u2028"]
    rules += [(unicodedata.normalize("NFD", c), c) for c in "éàöñüÉễửガ각"] + [("ﾊﾞ", "バ"), ("e\u0302\u0303", "ễ")]
    return [(a, b) for a, b in rules if a != b]


def train_unigram(rules, vocab_size=400, **options):
    """Pieces with scores and the map of a SentencePiece model of the texts below."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "rules.tsv")
        lines = (" ".join(f"{ord(c):X}" for c in a) + "\t" + " ".join(f"{ord(c):X}" for c in b) + "\n" for a, b in rules)
        path.write_text("".join(lines), encoding="ascii")
        model = io.BytesIO()
        texts = [text.translate({0: " ", 10: " ", 13: " "}) for text in SCRIPTS * 2]
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts), model_writer=model, model_type="unigram", vocab_size=vocab_size,
            hard_vocab_limit=False, character_coverage=0.98, minloglevel=2, normalization_rule_tsv=str(path), **options)
    proto = sentencepiece_model_pb2.ModelProto.FromString(model.getvalue())
    return [(p.piece, round(p.score, 4)) for p in proto.pieces], proto.normalizer_spec.precompiled_charsmap


def unigram_configurations(trained=None):
    pieces, charsmap = trained or train_unigram(character_rules())
    byte_pieces = pieces + [(f"<0x{i:02X}>", 0.0) for i in range(256)]
    mask = AddedToken("<mask>", lstrip=True, normalized=False, special=True)
    metaspace = pre_tokenizers.Metaspace
    words = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), metaspace(prepend_scheme="always")])
    precompiled = normalizers.Precompiled(charsmap)

    def make(steps, pre, vocab=pieces, byte_fallback=False):
        unknown = next(i for i, (piece, _) in enumerate(pieces) if piece == "<unk>")
        tokenizer = Tokenizer(models.Unigram(vocab, unknown, byte_fallback))
        if steps:
            tokenizer.normalizer = steps[0] if len(steps) == 1 else normalizers.Sequence(steps)
        tokenizer.pre_tokenizer = pre
        tokenizer.add_special_tokens(["<s>", "</s>", "<unk>", mask])
        return tokenizer

    spaces = normalizers.Replace(Regex(" {2,}"), " ")
    blocks = normalizers.Replace(Regex(" {2,}"), "\u2581")
    strip = normalizers.Strip(left=False, right=True)
    return {
        "xlm_roberta": make([precompiled], words),
        "e5": make([precompiled, spaces], words),
        "albert": make([precompiled, strip, blocks], metaspace(prepend_scheme="always")),
        "first": make([precompiled], metaspace(prepend_scheme="first")),
        "never": make([], metaspace(prepend_scheme="never")),
        "unsplit": make([normalizers.Strip(left=True, right=True)], metaspace(prepend_scheme="always", split=False)),
        "bytes": make([precompiled], words, byte_pieces, byte_fallback=True),
    }


def train_bpe(pre, normalizer=None, vocab_size=420, **options):
    """Vocabulary and merges of a BPE model of the texts below."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.train_from_iterator(SCRIPTS * 2, trainers.BpeTrainer(
        vocab_size=vocab_size, special_tokens=["<s>", "<pad>", "</s>", "<unk>"], show_progress=False, **options))
    model = json.loads(tokenizer.to_str())["model"]
    return model["vocab"], [tuple(pair) for pair in model["merges"]]


def bpe_configurations():
    byte_level, processing = pre_tokenizers.ByteLevel, processors
    alphabet = byte_level.alphabet()
    vocab, merges = train_bpe(byte_level(add_prefix_space=False), initial_alphabet=alphabet)
    mask = AddedToken("<mask>", lstrip=True, normalized=False, special=True)

    def make(model, pre, post=None, normalizer=None, added=("<s>", "<pad>", "</s>", "<unk>", mask)):
        tokenizer = Tokenizer(model)
        tokenizer.pre_tokenizer = pre
        if normalizer:
            tokenizer.normalizer = normalizer
        if post:
            tokenizer.post_processor = post
        tokenizer.add_special_tokens(list(added))
        return tokenizer

    def roberta(**options):
        return processing.RobertaProcessing(("</s>", 2), ("<s>", 0), **options)

    def small(pre, unk_token="<unk>", normalizer=None, more=(), **options):
        # Half of the alphabet, so that there are unknown characters.
        affixes = {k: v for k, v in options.items() if k in ("continuing_subword_prefix", "end_of_word_suffix")}
        pieces, pairs = train_bpe(pre, normalizer, vocab_size=260, limit_alphabet=80, **affixes)
        pieces = dict(pieces, **{piece: len(pieces) + i for i, piece in enumerate(more)})
        return make(models.BPE(pieces, pairs, unk_token=unk_token, **options), pre, normalizer=normalizer)

    plain = models.BPE(vocab, merges)
    template = processing.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    words = pre_tokenizers.BertPreTokenizer()
    return {
        "roberta": make(plain, byte_level(add_prefix_space=False), roberta(trim_offsets=True, add_prefix_space=False)),
        "gpt2": make(plain, byte_level(add_prefix_space=False), processing.ByteLevel(trim_offsets=False)),
        # The reference takes a letter too many off what follows an added token.
        "prefixed": make(plain, byte_level(add_prefix_space=True), roberta(), added=()),
        "unsplit": make(plain, byte_level(add_prefix_space=False, use_regex=False)),
        "sequence": make(models.BPE(vocab, merges, ignore_merges=True), byte_level(add_prefix_space=False),
                         processing.Sequence([processing.ByteLevel(trim_offsets=True, add_prefix_space=False), template])),
        "normalized": make(plain, byte_level(add_prefix_space=False), roberta(add_prefix_space=False),
                           normalizers.Lowercase()),
        "suffix": small(words, normalizer=normalizers.Lowercase(), end_of_word_suffix="</w>"),
        "prefix": small(words, continuing_subword_prefix="##", fuse_unk=True),
        "dropped": small(pre_tokenizers.WhitespaceSplit(), unk_token=None),
        "fallback": small(pre_tokenizers.Metaspace(prepend_scheme="first", split=False), fuse_unk=True,
                          byte_fallback=True, more=[f"<0x{i:02X}>" for i in range(256)]),
    }


def normal_form_configurations():
    """Normal forms of Unicode, every token a byte or a character; and ModernBERT's pipeline."""
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    vocab, merges = train_bpe(pre_tokenizers.ByteLevel(add_prefix_space=False), initial_alphabet=alphabet)

    def make(normalizer, added=()):
        tokenizer = Tokenizer(models.BPE({c: i for i, c in enumerate(sorted(alphabet))}, []))
        tokenizer.normalizer = normalizer
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.add_tokens(list(added))
        return tokenizer

    modernbert = Tokenizer(models.BPE(vocab, merges))
    modernbert.normalizer = normalizers.NFC()
    modernbert.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    modernbert.add_tokens([AddedToken(" " * n, normalized=True) for n in (8, 4, 2)])
    modernbert.add_special_tokens(["[CLS]", "[SEP]", AddedToken("[MASK]", lstrip=True, normalized=False)])
    stripped = normalizers.Sequence([normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()])
    albert = normalizers.Sequence([normalizers.Replace("``", '"'), normalizers.Replace("e", "ü"), normalizers.Replace("a ", ""),
                                   normalizers.NFKD(), normalizers.StripAccents(), normalizers.Replace("sch", "sh")])
    return {
        "replaced": make(albert), "nfc": make(normalizers.NFC()), "nfd": make(normalizers.NFD()), "nfkc": make(normalizers.NFKC()),
        "nfkd": make(normalizers.NFKD(), [AddedToken("ﬁ", normalized=True)]), "stripped": make(stripped),
        "accents": make(normalizers.StripAccents()), "modernbert": modernbert,
    }


def pre_tokenizer_configurations():
    """Pre-tokenizers by classes of characters and sequences of them; every word is a token, its bytes tell."""
    pre = pre_tokenizers
    alphabet = pre.ByteLevel.alphabet()

    def make(*steps):
        # Unknown words are one token, so that nothing but the words is seen.
        tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
        tokenizer.pre_tokenizer = steps[0] if len(steps) == 1 else pre.Sequence(list(steps))
        return tokenizer

    bytes_of_words = Tokenizer(models.BPE({c: i for i, c in enumerate(sorted(alphabet))}, []))
    bytes_of_words.pre_tokenizer = pre.Sequence([pre.Whitespace(), pre.Digits(individual_digits=True),
                                                 pre.ByteLevel(add_prefix_space=True)])
    return {
        "whitespace": make(pre.Whitespace()), "digits": make(pre.Digits()),
        "individual_digits": make(pre.Digits(individual_digits=True)), "punctuation": make(pre.Punctuation()),
        "punctuation_runs": make(pre.Punctuation(behavior="contiguous")),
        "sequence": make(pre.WhitespaceSplit(), pre.Punctuation(), pre.Digits()),
        "metaspace": make(pre.Digits(), pre.Metaspace(prepend_scheme="first")), "bytes_of_words": bytes_of_words,
    }


CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
SPLITS = {
    "gpt2": r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "qwen": CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "llama3": CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "gpt4o": r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+" + CONTRACTIONS
             + r"?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*" + CONTRACTIONS
             + r"?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
}


def split_configurations():
    """Split: the patterns of byte-level models, as these have them; all behaviours; and what Oniguruma reads its own way."""
    pre = pre_tokenizers

    def words(pattern, behavior="isolated", invert=False):
        tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
        tokenizer.pre_tokenizer = pre.Split(pattern if pattern == "e." else Regex(pattern), behavior, invert)
        return tokenizer

    def byte_level(name, special, normalizer=None, post=None, **options):
        steps = pre.Sequence([pre.Split(Regex(SPLITS[name]), "isolated"), pre.ByteLevel(add_prefix_space=False, use_regex=False)])
        vocab, merges = train_bpe(steps, vocab_size=420, initial_alphabet=pre.ByteLevel.alphabet())
        tokenizer = Tokenizer(models.BPE(vocab, merges, **options))
        tokenizer.pre_tokenizer = steps
        if normalizer:
            tokenizer.normalizer = normalizer
        tokenizer.add_special_tokens(special)
        tokenizer.add_tokens([AddedToken("<think>", normalized=False)])
        if post:
            tokenizer.post_processor = post(tokenizer)
        return tokenizer

    def around(single, *names):
        return lambda tokenizer: processors.Sequence([
            processors.ByteLevel(add_prefix_space=True, trim_offsets=False, use_regex=True),
            processors.TemplateProcessing(single=single, special_tokens=[(name, tokenizer.token_to_id(name)) for name in names])])

    spaces = r"(?i:\bte[a-n]?)|^\s|[\w.-]{2,3}+$|\h++(?!\W)|(?<=[\s&&[^\n]])[^\p{L}\d]\Z|\R"
    behaviors = ["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"]
    return {
        "qwen": byte_level("qwen", ["<|endoftext|>", "<|im_start|>"], normalizers.NFC(), around("$A <|endoftext|>", "<|endoftext|>")),
        "llama3": byte_level("llama3", ["<|begin_of_text|>"], None, around("<|begin_of_text|> $A", "<|begin_of_text|>"),
                             ignore_merges=True),
        "gpt4o": byte_level("gpt4o", ["<|endoftext|>"]), "gpt2": byte_level("gpt2", ["<|endoftext|>"]),
        **{f"{name}_words": words(pattern) for name, pattern in SPLITS.items()},
        **{behavior + inverted: words(r"\s+|\p{P}", behavior, bool(inverted)) for behavior in behaviors for inverted in ("", "_inverted")},
        **{f"empty_{behavior}": words(r"(?=[\p{Lu}\d])|e*", behavior) for behavior in behaviors},
        "text": words("e.", "merged_with_previous"), "syntax": words(spaces, "removed", True),
    }


SCRIPTS = [
    "Hello, world! The unaffable naïve café's coöperation re-embedded 3.14159 tokens; isn't it?",
    "Dziękuję za żółtą łódkę. Příliš žluťoučký kůň úpěl ďábelské ódy. Größe, Straße, GROẞE.",
    "Съешь же ещё этих мягких французских булок, да выпей чаю. Її ґанок.",
    "Η ΟΔΟΣ ΤΟΥ ΣΟΦΟΥ ΟΔΥΣΣΕΑΣ· ό,τι και αν πεις. ᾳ ᾴ ἇ",
    "İstanbul'da IĞDIR ılık ırmak. DİYARBAKIR",
    "今天天气很好，我们去公园吧。「これはテストです」カタカナ・ひらがな。다람쥐 헌 쳇바퀴에 타고파.",
    "שָׁלוֹם עוֹלָם, מה שלומך? السَّلَامُ عَلَيْكُمْ ورحمة الله؟ ۱۲۳",
    "नमस्ते दुनिया, क्षत्रिय। สวัสดีชาวโลก ภาษาไทย བོད་སྐད། ಕನ್ನಡ తెలుగు தமிழ் ക്ഷമ",
    "👩‍👩‍👧‍👦 family, 🇵🇱 flag, 👍🏽 thumbs, ❤️ heart, 1️⃣ key, 🏴󠁧󠁢󠁥󠁮󠁧󠁿",
    "e\u0301 o\u0323\u0302 o\u0302\u0323 \u0344\u0323 q\u0307\u0323 \u1e69 \u302e\u0301 \U0001d15e\U0001d165\u0301 ①②ﬁﬂ Å Ω",
    "tab\there\nline\r\nnbsp\u00a0em\u2003ideographic\u3000zero\u200bwidth\ufeffbom soft\u00adhyphen \u2028 \u0085 \u180e",
    "null\x00char bell\x07 del\x7f \ufffd \ue000 \U000f0000 \U0010ffff \u0378 \U000e0001 \u2fff",
    "[CLS] a [SEP] b[MASK]c [mask] [UNK] [PAD][PAD] ##ing [ SEP ]",
    "Hello hello HELLO helloworld été ÉTÉ e\u0301te\u0301 étés New York new york NEW  YORK 漢字漢 漢 one ones one.",
    "a <left> b <right> c <both> d <leftmost> <leftmost>  <both>\u3000<left>\t<left><right> \n<right>",
    "supercalifragilisticexpialidocious " + "a" * 100 + " " + "b" * 101 + " " + "é" * 99 + " " + "é" * 101,
    "$1,000.00 = 50% of #2,000 @home & <b>bold</b> ~tilde~ `code` ^caret^ |pipe| a+b=c © ® ™ € £ ¥ ₹ ° § ¶ … — –",
]
ALPHABETS = [
    "abcdefghijklmnopqrstuvwxyz    ETAOIN.,'-[]#", "İIıiŞşĞğßẞſςσΣÅåK", "áéíóúÁÉÍÓÚñçüöäõøæœłđ",
    "\u0300\u0301\u0302\u0308\u0323\u0327\u0345\u0344\u0f71\u0f72\u0f73\u0f74\u05b0\u05b1\u3099\u302e\u302f\U0001d165\U0001d16d\u094d\u09be\u1abf",
    "漢字仮名交じり文\uf900\U0002f800\U0002b820\U0002b91f\U0002b920\U00020000\u3400\u4dc0", "각한글각가", "\t\n\r\x0b\x0c\x1c\x85\u00a0\u1680\u2028\u202f\u205f\u3000\u200b\u180e",
    "\x00\x01\x7f\u00ad\u200c\u200d\u200e\ufeff\ufffd\ue000\uf8ff\U000e0020\U000f0000\U0010fffd\u0600\u06dd\U000110bd",
    "!?.,;:-–—…“”‘’«»()[]{}/\\@#$%^&*+=<>|~`_¡¿§¶·、。「」\u166d\U000111c9\u1734\u1885\ua9bd\u2e5d",
    "👩‍👧🏽🇵🇱❤️🏴\U0001faf0\U0001fadf", "\u1c89\ua7cb\ua7dc\U00010d50\U00010d65\U00016ea0\U00011938\u0898\u0c3c",
]
PIECES = SPECIAL + [
    "<mask>", "<s>", "\u2581", "e\u0301", "A\u0301", "ﬁ\u0301", "ﾊﾞ", "①②", "㌀", "\x01", "\u200b", "ﷺ", "\r\n", "Hello", "hello", "été", "E\u0301TE\u0301", "<left>", "<right>", "<both>", "<leftmost>", "one", "New York", "漢字", "漢",
    "##ing", "un", "able", "the", " ", "  ", "\u3000", "a" * 100, "x" * 101]
# Of words as byte-level BPE splits them. Not among the others, whose recordings they would change.
BPE_PIECES = ["'s", "'S", "'re", "I've", "he'll", "'d'm't", "''s", " 's", "\n\n", " \t ", "x\u00a0\u00a0y", "3\u00b2\u2167", " 12", "   a"]

SPLIT_PIECES = ["'S", "'LL", "'\u017f", "\r\n\r\n", "!\n\n", "/\n/ ", "1234567", "\u3000\n ", "<think>", "<|endoftext|>", "e.", "Te", "HTMLParser's", " \n"]


def random_text(rng, pieces=()):
    text = ""
    for _ in range(rng.randint(1, 9)):
        choice = rng.random()
        if choice < 0.35:
            text += "".join(rng.choices(rng.choice(ALPHABETS), k=rng.randint(1, 12)))
        elif choice < 0.5:
            text += rng.choice(PIECES + list(pieces))
        elif choice < 0.7:
            script = rng.choice(SCRIPTS[:13])
            begin = rng.randrange(len(script))
            text += script[begin:begin + rng.randint(1, 15)]
        elif choice < 0.8:
            text += rng.choice(" \n")
        else:  # any character; most of those of the lower planes
            limit = rng.choice([0x250, 0x600, 0x3000, 0x10000, 0x20000, 0x110000])
            picked = (rng.randrange(limit) for _ in range(rng.randint(1, 6)))
            text += "".join(chr(i) for i in picked if not 0xD800 <= i < 0xE000)
    return text


def case_line(name, tokenizer, text):
    encoding = tokenizer.encode(text, add_special_tokens=False)
    at = [0]
    for c in text:
        at.append(at[-1] + len(c.encode()))
    tokens = [x for i, (b, e) in zip(encoding.ids, encoding.offsets) for x in (i, at[b], at[e])]
    return json.dumps({"case": name, "text": text, "tokens": tokens}, separators=(",", ":"))


def write_cases(path, configs, num_random, seed, pieces=()):
    rng = random.Random(seed)
    with open(path, "w", encoding="ascii") as file:
        for name, tokenizer in configs.items():
            described = json.loads(tokenizer.to_str())
            if described["model"]["type"] == "WordPiece":
                described["model"]["vocab"] = {}
            file.write(json.dumps({"config": name, "tokenizer": described}, separators=(",", ":")) + "\n")
        for name, tokenizer in configs.items():
            texts = SCRIPTS if name in ("uncased", "cased", "added", "e5", "bytes", "roberta", "nfc", "nfkc", "modernbert", "whitespace", "digits", "punctuation", "qwen", "llama3", "gpt4o") else []
            texts = texts + [random_text(rng, pieces) for _ in range(num_random)] + [""]
            file.writelines(case_line(name, tokenizer, text) + "\n" for text in texts)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=25, help="random texts per configuration")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", help="write only cases, to this file")
    parser.add_argument("--model", choices=["bert", "unigram", "bpe", "normal_form", "pre_tokenizer", "split"], default="bert", help="whose cases, to --output")
    args = parser.parse_args()
    if args.output:
        configs = {"bert": configurations, "unigram": unigram_configurations, "bpe": bpe_configurations,
                   "normal_form": normal_form_configurations, "pre_tokenizer": pre_tokenizer_configurations,
                   "split": split_configurations}[args.model]()
        return write_cases(args.output, configs, args.cases, args.seed, BPE_PIECES + SPLIT_PIECES if args.model == "split" else BPE_PIECES if args.model == "bpe" else ())
    write_code_points(HERE / "bert_code_points.txt")
    write_regex_code_points(HERE / "regex_code_points.txt")
    write_cases(HERE / "bert_cases.jsonl", configurations(), args.cases, args.seed)
    write_cases(HERE / "unigram_cases.jsonl", unigram_configurations(), args.cases, args.seed)
    write_cases(HERE / "bpe_cases.jsonl", bpe_configurations(), args.cases, args.seed, BPE_PIECES)
    write_cases(HERE / "normal_form_cases.jsonl", normal_form_configurations(), args.cases, args.seed)
    write_cases(HERE / "pre_tokenizer_cases.jsonl", pre_tokenizer_configurations(), args.cases, args.seed)
    write_cases(HERE / "split_cases.jsonl", split_configurations(), args.cases, args.seed, BPE_PIECES + SPLIT_PIECES)


if __name__ == "__main__":
    sys.exit(main())

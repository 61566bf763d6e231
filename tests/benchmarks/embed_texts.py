"""Real texts of chosen lengths: stretches of the licences that every Debian has, as texts and as WordPiece ids."""
import dataclasses
import pathlib
import random

LICENCES = pathlib.Path("/usr/share/common-licenses")
SPECIAL_TOKENS = 2  # [CLS] and [SEP]
WINDOW = 512


@dataclasses.dataclass
class Workload:
    """Inputs that one measurement embeds in one go."""

    name: str
    what: str
    texts: list
    ids: list

    @property
    def num_tokens(self):
        return sum(map(len, self.ids))


class Corpus:
    """Cuts stretches of whole words, so that a stretch by itself has the very tokens it had in the corpus."""

    def __init__(self, client, model):
        files = sorted(path for path in LICENCES.iterdir() if path.is_file() and not path.is_symlink())
        self._random = random.Random(1)
        self._pages = []
        for path in files:
            data = path.read_bytes()
            try:
                text = data.decode()
            except UnicodeDecodeError:
                continue
            tokens = client.tokenize([text], model=model, special_tokens=False, pieces=True)[0]
            # A token begins a word if something stands between it and the one before.
            begins = [i == 0 or tokens.begins[i] > tokens.ends[i - 1] for i in range(len(tokens.ids))]
            if len(tokens.ids) >= 2 * WINDOW:
                self._pages.append((data, tokens, begins))
        if not self._pages:
            raise RuntimeError(f"{LICENCES} holds no long texts")

    def cut(self, num_tokens):
        """A text of exactly so many tokens, special ones counted."""
        inner = num_tokens - SPECIAL_TOKENS
        for _ in range(10000):
            data, tokens, begins = self._random.choice(self._pages)
            first = self._random.randrange(len(tokens.ids) - inner)
            if begins[first] and begins[first + inner]:
                return data[tokens.begins[first]:tokens.ends[first + inner - 1]].decode()
        raise RuntimeError(f"no stretch of {num_tokens} tokens was found")

    def uniform(self, count, shortest, longest):
        """`count` texts whose lengths are spread evenly over a range, in random order."""
        lengths = [shortest + round((longest - shortest) * (i + 0.5) / count - 0.5) for i in range(count)]
        lengths = [min(max(length, shortest), longest) for length in lengths]
        self._random.shuffle(lengths)
        return [self.cut(length) for length in lengths]


def workloads(client, model, quick):
    """{name: Workload}: three to compare on, and two whose costs per token are compared with each other."""
    corpus = Corpus(client, model)
    scale = 1 if quick else 4
    texts = {
        "short": ("8 to 32 tokens", corpus.uniform(96 * scale, 8, 32)),
        "mixed": ("8 to 512 tokens", corpus.uniform(16 * scale, 8, WINDOW)),
        "window": ("512 tokens", corpus.uniform(8 * scale, WINDOW, WINDOW)),
        "batch_mixed": ("64 texts of 8 to 512 tokens", corpus.uniform(64, 8, WINDOW)),
        "batch_uniform": ("64 texts of 256 tokens", corpus.uniform(64, 256, 256)),
    }
    made = {}
    for name, (what, cuts) in texts.items():
        ids = [tokens.ids.tolist() for tokens in client.tokenize(cuts, model=model)]
        made[name] = Workload(name, f"{len(cuts)} texts of {what}" if "texts" not in what else what, cuts, ids)
    return made

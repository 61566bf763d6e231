"""The figures favord holds itself to, read off results.json."""
import dataclasses
import math
from typing import Optional


@dataclasses.dataclass
class Target:
    what: str
    bar: float
    value: Optional[float]  # a median; None: not measured in this run
    at_most: bool = False
    unit: str = ""
    best: Optional[float] = None  # of all runs, for shares: what a quiet moment gave
    note: str = ""

    @property
    def verdict(self):
        if self.value is None:
            return self.note or "not measured"
        return "met" if (self.value <= self.bar if self.at_most else self.value >= self.bar) else "missed"


def kernel(results, variant, length=4096, threads=1):
    rows = [row for row in results["kernels"]
            if (row["variant"], row["length"], row["threads"]) == (variant, length, threads)]
    return rows[0] if rows else None


def share(results, variant, what, bar):
    row = kernel(results, variant)
    return Target(what, bar, row and row["share"], unit="of the FMA peak", best=row and row["best_share"])


def peer(results, name, length=4096, threads=1):
    rows = [row for row in results["peers"]
            if (row["implementation"], row["length"], row["threads"]) == (name, length, threads)]
    return rows[0] if rows else None


def times_favor(results, name):
    row = peer(results, name)
    return row and row["times_favor"]


def ratio(results, name, variant, heads):
    rows = [row for row in results["ratios"] if (row["name"], row["variant"], row["heads"]) == (name, variant, heads)]
    return rows[0]["ratio"] if rows else None


def two_threads(results, variant, heads):
    target = Target(f"two threads by one, {variant}, H = {heads}", 1.9, ratio(results, "two_threads", variant, heads))
    for row in results["ratios"]:
        if (row["name"], row["variant"], row["heads"]) == ("two_threads", variant, heads) and row["free_cores"] < 1.8:
            target.value, target.note = None, f"not measured: {row['free_cores']:.1f} cores were free"
    if results["machine"]["allowed_cores"] < 2:
        target.note = "not measured: one core"
    return target


def crossover(results, variant="bidirectional"):
    """The length from which features are faster than exact attention (8 heads, one thread), or None."""
    times = {name: {row["length"]: row["median_ms"] for row in results["kernels"]
                    if row["variant"] == name and row["threads"] == 1 and row["heads"] == 8}
             for name in ("exact", variant)}
    last = None
    for length in sorted(times["exact"].keys() & times[variant].keys()):
        advantage = math.log(times["exact"][length] / times[variant][length])
        if last and last[1] <= 0 < advantage:
            between = -last[1] / (advantage - last[1])
            return round(math.exp(math.log(last[0]) + between * math.log(length / last[0])))
        last = (length, advantage)
    return None


def service_targets(results):
    """DESIGN's two lines about the service, for each transport."""
    targets = []
    for row in results.get("service") or []:
        if row["load"] == "large":
            targets.append(Target(f"Attend of 24 MB beside its compute, in plain echoes, {row['transport']}", 1.5,
                                  row["echoes_beside_compute"], at_most=True))
        else:
            name = f"Attend, L = 16, {row['load'].removeprefix('small, ')}, {row['transport']}"
            targets.append(Target(f"{name}, median", 300, row["round_trip"]["p50"] * 1e6, at_most=True, unit="us"))
            targets.append(Target(f"{name}, p99", 5, row["round_trip"]["p99"] * 1e3, at_most=True, unit="ms"))
    return targets


def all_targets(results):
    targets = [
        share(results, "bidirectional", "bidirectional, L = 4096", 0.80),
        Target("bidirectional, times performer-pytorch", 8, times_favor(results, "performer_bidirectional")),
        share(results, "bidirectional_structured", "bidirectional, structured projection, counted as dense", 1.15),
        share(results, "causal", "causal, L = 4096", 0.72),
        Target("causal, times fast-transformers' product plus features", 3,
               times_favor(results, "fast_transformers_causal")),
        Target("causal, times performer-pytorch's CPU path", 50, times_favor(results, "performer_causal")),
        share(results, "exact", "exact, L = 4096", 0.65),
        Target("exact, times PyTorch's", 1, times_favor(results, "torch_exact")),
    ]
    for variant in ("bidirectional", "causal", "exact"):
        for heads in (8, 1):
            targets.append(two_threads(results, variant, heads))
    for variant in ("bidirectional", "causal"):
        value = ratio(results, "cost_per_token_1M_by_1k", variant, 1)
        targets.append(Target(f"cost per token at 1M by that at 1k, {variant}, H = 1", 1.10, value, at_most=True))
    targets.append(Target("bf16 compute by f32, bidirectional", 1.4, ratio(results, "speed", "bidirectional_bf16", 8),
                          note="not measured: this CPU multiplies no bfloat16"))
    return targets + service_targets(results)

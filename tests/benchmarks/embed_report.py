"""Turns results.json of the embedding benchmark into README.md and charts beside it: embed_report.py docs/benchmarks/embed"""
import json
import pathlib
import sys

from report import number, picture, table
from targets import Target

TIMES_ENCODERS = 1.2
TIMES_PERFORMER = 5
BATCH = 1.15
MEMORY_GB = 2


def find(rows, **wanted):
    return next((row for row in rows if all(row.get(key) == value for key, value in wanted.items())), None)


def fastest_peer(rows):
    peers = [row for row in rows if not row["implementation"].startswith("favord")]
    return min(peers, key=lambda row: row["times_slower"]["ratio"], default=None)


def all_targets(results):
    """(Target, spread over the rounds)."""
    for workload in dict.fromkeys(row["workload"] for row in results["encoders"]):
        rows = [row for row in results["encoders"] if row["workload"] == workload]
        peer = fastest_peer(rows)
        name = f", {peer['title']}" if peer else ""
        yield Target(f"all-MiniLM-L6-v2, {rows[0]['what']}: times the best peer{name}", TIMES_ENCODERS,
                     peer and peer["times_slower"]["ratio"]), peer and peer["times_slower"]
    for row in results["batches"]:
        yield Target(f"cost per token, {row['mixed']} by {row['uniform']}", BATCH, row["ratio"], at_most=True), row
    for kind in ("bidirectional", "causal"):
        peer = find(results["performers"], implementation="performer", kind=kind, length=16384)
        yield Target(f"{kind} Performer, 16,384 tokens: times performer-pytorch", TIMES_PERFORMER,
                     peer and peer["times_slower"]["ratio"]), peer and peer["times_slower"]
    memory = results["memory"]
    yield Target(f"peak memory of favord, {memory['tokens']:,} tokens through a Performer" if memory else
                 "peak memory of favord", MEMORY_GB, memory and memory["peak_bytes"] / 1e9, at_most=True,
                 unit="GB"), None


def target_rows(results):
    for target, spread in all_targets(results):
        bar = f"{'≤' if target.at_most else '≥'} {target.bar:g} {target.unit}".strip()
        value = "" if target.value is None else f"{target.value:.2f}"
        yield [target.what, value, f"{spread['least']:.2f} to {spread['most']:.2f}" if spread else "", bar,
               target.verdict]


def targets_as_text(results):
    return "\n".join("  ".join(row) for row in target_rows(results))


def setting_text(setting):
    return ", ".join(f"{key} {value}" for key, value in (setting or {}).items())


def spread_text(ratio):
    return f"{ratio['ratio']:.2f} ({ratio['least']:.2f} to {ratio['most']:.2f})"


def encoder_table(results):
    return table(
        ["inputs", "", "package", "best setting", "tokens/s", "best tokens/s", "times favord's time", "difference"],
        [[row["what"], row["title"], row.get("package", ""), setting_text(row.get("setting")),
          number(row["tokens_per_second"]), number(row["best"]), spread_text(row["times_slower"]),
          f"{row['difference']:.0e}" if "difference" in row else ""] for row in results["encoders"]])


def performer_table(results):
    return table(
        ["tokens", "kind", "", "package", "tokens/s", "best tokens/s", "times favord's time", "difference"],
        [[f"{row['length']:,}", row["kind"], row["title"], row.get("package", ""), number(row["tokens_per_second"]),
          number(row["best"]), spread_text(row["times_slower"]),
          f"{row['difference']:.0e}" if "difference" in row else ""] for row in results["performers"]])


def page(results):
    machine = results["machine"]
    sections = [
        "# Benchmarks of embeddings",
        "Written by `./dev bench embed`; not edited by hand. Data: [results.json](results.json).",
        table(["", ""], [
            ["CPU", f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB"],
            ["kernels", machine.get("cpu_target", "")],
            ["system", machine["os"]],
            ["measured", f"{machine['date']}, commit {machine['commit']}, load {machine['load_at_start']} at the start"],
            ["command", f"`{machine['command']}`"],
        ]),
        "## Targets",
        f"{machine['threads']} thread{'s' if machine['threads'] > 1 else ''}, float32. *Times*: how many times favord's time the other takes.",
        table(["", "median", "rounds", "bar", ""], target_rows(results)),
    ]
    if results["encoders"]:
        sections += [
            "## A sentence encoder", "all-MiniLM-L6-v2 on stretches of English licences. Tokens are counted without "
            "padding. favord has transport and client in its time, and with texts also tokenisation; peers get token "
            "ids in their own process, sorted by length, in the best of several batch sizes (CTranslate2: also one "
            "batch on both threads, or two at once), with mean pooling and normalisation. onnxruntime runs the graph "
            "its own optimiser fuses for BERT. *Difference*: the largest between a coordinate of its vectors and ours.",
            picture("encoders", "Tokens a second of favord and of other packages"), encoder_table(results)]
    if results["performers"]:
        sections += [
            "## Performers", "performer-pytorch's PerformerLM (512 wide, 6 layers, 8 heads, rotary, random weights, "
            "266 features), one sequence, its mean as the vector; dense layers are five sixths of its flops. A call of the "
            "peer that would take more than 150 seconds is left out. *Difference*: relative L2 distance of the vectors.",
            picture("performers", "Time of one sequence against its length"), performer_table(results)]
    if memory := results["memory"]:
        sections.append(
            f"{memory['tokens']:,} tokens through the same Performer took {memory['seconds']:.1f} s; favord's peak "
            f"resident memory was {memory['peak_bytes'] / 1e9:.2f} GB, and {memory['before_bytes'] / 1e9:.2f} GB before "
            "the call, with the model loaded.")
    for name, why in results["missing"].items():
        sections.append(f"Not here: {name} ({why}).")
    sections += [
        "## How it is measured",
        ("One thread, by the CPU time of its process" if machine["threads"] == 1 else "By the clock") +
        ", in one run on one machine. favord and the peers take turns on the same inputs, in an order that "
        "turns around every round; a ratio is the median over rounds of neighbours in time, with the least and the "
        "largest beside it.",
    ]
    return "\n\n".join(sections) + "\n"


def write(folder):
    import embed_charts  # needs matplotlib, which what imports this file for its tables may lack

    folder = pathlib.Path(folder)
    results = json.loads((folder / "results.json").read_text())
    (folder / "README.md").write_text(page(results))
    embed_charts.write(results, folder)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    write(sys.argv[1])

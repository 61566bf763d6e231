"""Turns results.json of the accuracy study into the page and its charts: accuracy_report.py docs/accuracy.md"""
import json
import math
import pathlib
import sys

import accuracy_bars
import estimators
from accuracy_bars import MEAN
from report import picture, table

MODELS = {
    "minilm": "all-MiniLM-L6-v2 (Apache-2.0): 6 layers, 12 heads, d = 32; the licences that every Debian has",
    "rxnfp": "rxnfp, `bert_pretrained` (MIT): 12 layers, 4 heads, d = 64; textbook reactions, several in one pot",
    "rxnmapper": "RXNMapper (MIT): an ALBERT of 12 layers, 8 heads, d = 32; the same reactions",
    "antiberty": "AntiBERTy 0.1.3 (MIT): 8 layers, 8 heads, d = 64; variants of two antibody domains, a third of whose "
                 "residues the model has drawn, joined",
}
WORDS = {"fits": "fits", "coarse": "coarse", "no": "no better than half of what the mean of V gets wrong"}


def figure(value):
    """Two or three digits, as an error has."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if 0 < value < 0.01:
        return f"{value:.4f}" if value >= 5e-5 else f"{value:.0e}"
    return f"{value:.3f}" if value < 1 else f"{value:.2f}" if value < 100 else f"{value:,.0f}"


def span(values):
    """Where values lie, with two digits after the point."""
    low, high = f"{min(values):.2f}", f"{max(values):.2f}"
    return low if low == high else f"{low} to {high}"


def shown(name):
    return "**best**" if name == estimators.BEST else name


# In one minute --------------------------------------------------------------------------------------------------------

def range_of(row):
    if row["low"] == 0:
        return f"up to {row['high']:g}"
    return f"{row['low']:g} to {row['high']:g}" if math.isfinite(row["high"]) else f"above {row['low']:g}"


def advice(row, best):
    """What a user of heads with such logits does."""
    errors = {way: numbers[1] for way, numbers in row["errors"].items()}
    favor, strong = (accuracy_bars.verdict(errors[way], errors[MEAN]) for way in (estimators.BASELINE, best))
    if favor == "fits":
        return "FAVOR+ fits"
    if strong == "fits":
        return f"`{best}` fits, FAVOR+ does not" if best == estimators.BEST else "a fitted estimator fits"
    if strong == "coarse":
        return "coarse; exact, or fine-tune"
    return "exact, or fine-tune"


def spread_table(results):
    best = accuracy_bars.best_name(results)
    rows = []
    for row in accuracy_bars.by_spread(results):
        errors = {way: numbers[1] for way, numbers in row["errors"].items()}
        rows.append([range_of(row), row["heads"], figure(errors[MEAN]), figure(errors[estimators.BASELINE]),
                     figure(errors.get(best)), advice(row, best)])
    return table(["spread of the logits", "heads", "mean of V", "FAVOR+", shown(best), "what to do"], rows)


def until_text(results, way):
    until = accuracy_bars.fits_until(results, way)
    return f"up to a spread of {until:g}" if until and math.isfinite(until) else \
        "at every spread measured" if until else "at no spread measured"


def minute(results):
    best = accuracy_bars.best_name(results)
    called = f"`estimator=\"{best}\"`" if best == estimators.BEST else best
    short = [accuracy_bars.crossing(results, estimators.BASELINE, dim) for dim in (32, 64)]
    shortest = max((length for length in short if length), default=None)
    exact = f" Below some {shortest:,} tokens it is about as fast as features anyway." if shortest else ""
    return [
        "## In one minute",
        "\n".join([
            "- **A model trained or fine-tuned with FAVOR+** (a Performer): nothing on this page is its error. The "
            "features are its attention; serve it with its own estimator, number of features and projection.",
            "- **A model trained with softmax**: what counts is how sharp its attention is, the *spread of its "
            "logits*: the standard deviation, over keys, of scale · q·k. Every approximation is held against answering "
            "each query with the mean of the values, which costs nothing; one that is not well below it is worthless.",
            f"- **FAVOR+ fits** {until_text(results, estimators.BASELINE)} (error at most {accuracy_bars.FITS:g}, m = "
            f"{accuracy_bars.M}); {called} {until_text(results, best)}.",
            *first_order_line(results),
            f"- **Ask for exact** (`mode=\"exact\"`) beyond that.{exact} Its cost grows with the square of the length.",
            "- **Fine-tune** where attention is sharp and sequences are too long for exact: with FAVOR+ in the place "
            "of softmax, until the features are the model's attention. More features do not replace that: their error "
            "falls with the square root of their number at best, and sharp attention takes exponentially many.",
            "- **Not sure?** The report of every approximate answer foretells its error (`predicted_error`), within a "
            "factor of 3 to 6. `favor attend --measure-error-rows 32` measures that of your own call, with its "
            "interval and beside that of the mean of the values; `favor attend --compare` computes exact attention too. Or name the "
            "error you can live with: `favor attend --mode auto --max-relative-error 0.1` takes the cheapest way that "
            "keeps it."]),
        f"Median error of heads of real models by the spread of their logits; m = {accuracy_bars.M}, queries and keys "
        f"as the model has them and times a half and a quarter. *Fits*: at most {accuracy_bars.FITS:g}; *coarse*: at "
        "most half of what the mean of V gets wrong.",
        spread_table(results),
        chart("spread", "Error by the spread of logits: FAVOR+, the best estimator and the mean of the values"),
        "Where the heads of a model lie as they are (the study's `logit_spread` computes it):",
        table(["", "heads", "L", "d", "least spread", "median", "largest"],
              [[row["what"], row["heads"], f"{row['length']:,}", row["head_dim"], figure(row["spread_low"]),
                figure(row["spread"]), figure(row["spread_high"])] for row in results["inputs"]]),
    ]


def first_order_line(results):
    """What the cheapest way is worth, or nothing where it was not measured."""
    name = "first order"
    rows = [row for row in results["trade"] if row["m"] == accuracy_bars.M]
    cheap = [row for row in rows if row["way"] == name]
    heads = [row["worst_by_mean"] for row in results["errors"] if row["way"] == name]
    if not cheap or not heads:
        return []
    favor = {(row["head_dim"], row["scale"]): row["error"] for row in rows if row["way"] == estimators.BASELINE}
    shares = [row["error"] / favor[row["head_dim"], row["scale"]] for row in cheap]
    times = [row["times_favor"] for row in cheap]
    return [f"- **The cheapest**: `estimator=\"first_order\"` takes {span(times)} of FAVOR+'s time (L = 4,096) "
            f"for {span(shares)} of its error, but is wrong by up to {max(heads):.1f} "
            f"times what the mean of V is on some head; {accuracy_bars.best_name(results)} by "
            f"{max(row['worst_by_mean'] for row in results['bars']):.2f} times at most."]


def chart(name, text):
    return picture(f"accuracy/{name}", text)


# Tables ---------------------------------------------------------------------------------------------------------------

def target_rows(results):
    for target in accuracy_bars.all_targets(results):
        value = "" if target.value is None else f"{target.value:.2f}"
        yield [target.what, value, f"≤ {target.bar:g}", target.verdict]


def bars_as_text(results):
    rows = list(target_rows(results))
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def bar_section(results):
    best = accuracy_bars.best_name(results)
    note = "" if best == estimators.BEST else \
        f" `{estimators.BEST}` is not served by this favord: {best} stands in for it."
    seeds = max((row["seeds"] for row in results["bars"]), default=0)
    return [
        "## The bar",
        f"The best estimator against orthogonal FAVOR+ with m = {accuracy_bars.M}, an average over {seeds} seeds (3 "
        f"for sequences above 4,096), at its cost. Medians over heads.{note}",
        table(["", "measured", "bar", ""], target_rows(results)),
        table(["inputs", "q and k ×", "FAVOR+", shown(best), "ratio of medians", "median of ratios",
               "FAVOR+ by mean of V, worst head", f"{best} by mean of V, worst head"],
              [[next(each["what"] for each in results["inputs"] if each["name"] == row["inputs"]), f"{row['scale']:g}",
                figure(row["favor"]), figure(row["best"]), figure(row["ratio"]), figure(row["ratio_of_heads"]),
                figure(row["favor_by_mean"]), figure(row["worst_by_mean"])] for row in results["bars"]]),
    ]


def error_table(rows, columns, column_of, title):
    """Ways by columns; the mean of the values first."""
    lines = [["mean of V", *(figure(next(row["mean"] for row in rows if column_of(row) == column))
                             for column in columns)]]
    for name in dict.fromkeys(row["way"] for row in rows):
        cells = {column_of(row): row for row in rows if row["way"] == name}
        lines.append([shown(name), *(figure(cells[column]["median"]) if column in cells else "" for column in columns)])
    return table([title, *map(str, columns)], lines)


def real_section(results):
    sections = [
        "## Real tensors",
        "Queries, keys and values of every layer and head of trained models; relative error (Frobenius) of a head, "
        f"mean over 1 or 2 seeds, median over heads. m counts the features that are made, so that a column costs about "
        "the same: hyperbolic, trigonometric and antithetic ways have half as many rows in their projection. Both "
        "queries and keys are multiplied by the factor. SADERF behind a precondition is OPRF behind one: what it "
        "balances is balanced then."]
    for inputs in results["inputs"]:
        rows = [row for row in results["errors"] if row["inputs"] == inputs["name"]]
        if not rows:
            continue
        counts = sorted({row["m"] for row in rows})
        sections.append(f"### {inputs['what']}: {inputs['heads']} heads, L = {inputs['length']:,}, d = {inputs['head_dim']}")
        if len(counts) > 1:
            sections.append(chart(f"m-{inputs['name']}", f"Error against features, {inputs['what']}"))
        columns = [(scale, count) for scale in sorted({row["scale"] for row in rows})
                   for count in (sorted({64, accuracy_bars.M, max(counts)} & set(counts)))]
        titles = [f"× {scale:g}, m = {count}" for scale, count in columns]
        named = {column: title for column, title in zip(columns, titles)}
        chosen = [row for row in rows if (row["scale"], row["m"]) in named]
        sections.append(error_table(chosen, titles, lambda row: named[row["scale"], row["m"]], ""))
    return sections


def time_section(results):
    sections = [
        "## Error against time",
        "One call of eight heads, 4,096 tokens, ways in turns; compute time as the report has it, a median. Dashed: "
        "exact attention, whose error is none."]
    for dim in sorted({row["head_dim"] for row in results["trade"]}):
        rows = [row for row in results["trade"] if row["head_dim"] == dim]
        sections.append(chart(f"time-{dim}", f"Error against compute time, d = {dim}"))
        of_m = [row for row in rows if row["m"] == accuracy_bars.M]
        scales = sorted({row["scale"] for row in of_m})
        lines = [["mean of V", "", "", *(figure(next(row["mean"] for row in of_m if row["scale"] == scale))
                                         for scale in scales)],
                 ["exact", figure(of_m[0]["exact_ms"]), "", *("0" for _ in scales)]]
        for name in dict.fromkeys(row["way"] for row in of_m):
            mine = {row["scale"]: row for row in of_m if row["way"] == name}
            first = next(iter(mine.values()))
            lines.append([shown(name), figure(first["ms"]), figure(first["times_favor"]),
                          *(figure(mine[scale]["error"]) for scale in scales)])
        sections.append(table([f"{of_m[0]['what']}, d = {dim}, m = {accuracy_bars.M}", "ms", "times FAVOR+'s",
                               *(f"error × {scale:g}" for scale in scales)], lines))
    if results["times"]:
        sections += ["Milliseconds by length, eight heads, N(0, 1) inputs:", times_table(results)]
    return sections


def times_table(results):
    keys = list(dict.fromkeys((row["head_dim"], row["way"]) for row in results["times"]))
    lengths = sorted({row["length"] for row in results["times"]})
    cells = {(row["head_dim"], row["way"], row["length"]): row["ms"] for row in results["times"]}
    return table(["", "d", *(f"{length:,}" for length in lengths)],
                 [[shown(way), dim, *(figure(cells.get((dim, way, length))) for length in lengths)] for dim, way in keys])


def synthetic_section(results):
    rows = [row for row in results["synthetic"] if row["length"] == 1024]
    scales = sorted({row["scale"] for row in rows})
    sections = [
        "## Synthetic inputs",
        "Entries N(0, 1) times a factor s: logits have a spread of s². There is no structure in them "
        "that an estimator could be fitted to.",
        chart("synthetic-scale", "Error on N(0, 1) inputs against their scale"),
        chart("synthetic-length", "Error on N(0, 1) inputs against length")]
    for dim in sorted({row["head_dim"] for row in rows}):
        of_dim = [row for row in rows if row["head_dim"] == dim]
        sections.append(error_table(of_dim, [f"s = {scale:g}" for scale in scales], lambda row: f"s = {row['scale']:g}",
                                    f"d = {dim}, L = 1,024, m = {accuracy_bars.M}"))
    return sections


def paper_section(results):
    if not results["paper"]:
        return []
    largest = max(row["m"] for row in results["paper"])
    scales = sorted({row["scale"] for row in results["paper"]})
    shares = [results_of["positive, orthogonal"]["mse"] / results_of["positive, iid"]["mse"] for results_of in (
        {row["way"]: row for row in results["paper"] if (row["m"], row["scale"]) == (largest, each)}
        for each in scales)]
    first = results["paper"][0]
    return [
        "## The paper's own curves",
        f"Choromanski et al. 2021, figure 4: squared error of the output on N(0, 1) inputs, L = {first['length']:,}, d "
        f"= {first['head_dim']}, {first['samples']} samples; m counts features. Orthogonal rows are below independent "
        f"ones (mean squared error of positive features at m = {largest}: {' and '.join(figure(share) for share in shares)} "
        f"of it at × {' and '.join(f'{each:g}' for each in scales)}). Positive features are far below trigonometric "
        "ones where some weights are near zero, as on inputs of full size; where all weights are about as large, at × "
        "0.5, trigonometric ones are the better.",
        chart("paper", "Squared error against features: orthogonal below iid, positive below trigonometric"),
        "And why: one attention weight, of a query and a key at an angle, against its size. Where a weight goes to "
        "zero the error of positive features goes with it and that of trigonometric ones does not. Where weights are "
        "large it is the other way round: for a query and a key that are equal trigonometric features are exact. (The "
        "mean of V is right by chance where the weight is a half.)",
        chart("near-zero", "Relative error of an attention weight against its size: positive and trigonometric features"),
    ]


def causal_section(results):
    if not results["causal"]:
        return []
    scales = sorted({row["scale"] for row in results["causal"]})
    return ["## Causal",
            f"{results['causal'][0]['what']}, m = {accuracy_bars.M}, each query seeing earlier keys alone; the model "
            "itself is not causal. Fitted ways were given the statistics that `Calibrate` made of another sequence. "
            "*Mean of V*: of the values seen so far.",
            error_table(results["causal"], [f"× {scale:g}" for scale in scales], lambda row: f"× {row['scale']:g}", "")]


def how_section(results):
    sections = [
        "## How it is measured",
        "A real favord, called by the Python client; exact attention in float64, for more than 1,024 tokens favord's "
        "own, checked on one head against float64 (within 1e-4). An error is |answer − exact| / |exact| over all rows "
        "of a head. Heads of all layers go through one call; they share nothing but the projection.",
        "Models, whose tensors `tests/benchmarks/accuracy/extract.py` records from pinned Python packages; nothing of "
        "them is in this repository:\n" + "\n".join(f"- {what}" for what in MODELS.values()) + "\n- RXNMapper, layers "
        "0 and 11: the tensors in `tests/data`.",
        "Attention over joined windows is not what such a model computes, which reads 512 tokens at most; its queries, "
        "keys and values are."]
    steps = [name for name in ("times", "trade", "synthetic", "causal", "paper", "near_zero") if not results[name]]
    steps += [] if any(row["length"] > 1024 for row in results["inputs"]) else ["long"]
    if steps:
        sections.append(f"Not measured in this run, which was stopped or told so: {', '.join(steps)}. "
                        "`./dev bench accuracy --resume` does it.")
    for name, why in results["not_here"].items():
        sections.append(f"Not here: {name} ({why}).")
    for name, why in results["not_served"].items():
        sections.append(f"Not served by this favord, and left out: {name} ({why}).")
    return sections


def page(results):
    machine = results["machine"]
    sections = [
        "# Accuracy",
        "How far approximations are from softmax attention, and what to ask for. Written by `./dev bench accuracy`; "
        "not edited by hand. Data: [results.json](accuracy/results.json).",
        *(minute(results) if results["heads"] else ()), *(bar_section(results) if results["bars"] else ()),
        *(real_section(results) if results["errors"] else ()), *(time_section(results) if results["trade"] else ()),
        *(synthetic_section(results) if results["synthetic"] else ()), *causal_section(results), *paper_section(results),
        *how_section(results),
        table(["", ""], [
            ["CPU", f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB"],
            ["kernels", f"{machine.get('cpu_target', '')}, {machine.get('threads', '')} threads"],
            ["system", machine["os"]],
            ["measured", f"{machine['date']}, commit {machine['commit']}, load {machine['load_at_start']} at the start"],
            *([["resumed from", "; ".join(machine["earlier"])]] if machine.get("earlier") else []),
            ["command", f"`{machine['command']}`"],
        ]),
    ]
    return "\n\n".join(sections) + "\n"


def write(path):
    import accuracy_charts  # needs matplotlib, which the tests of this file may lack

    path = pathlib.Path(path)
    folder = path.with_suffix("")
    results = json.loads((folder / "results.json").read_text())
    text = page(results)
    path.write_text(text if folder.name == "accuracy" else text.replace("accuracy/", f"{folder.name}/"))
    accuracy_charts.write(results, folder)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    write(sys.argv[1])

"""Turns results.json into README.md and charts beside it.

  report.py docs/benchmarks
"""
import json
import pathlib
import sys

import targets

NAMES = {
    "favor_bidirectional": "favord, bidirectional", "favor_causal": "favord, causal", "favor_exact": "favord, exact",
    "whole_matrix_eigen": "whole matrices with Eigen",
}


def to_json(results):
    """One row a line, four significant digits: small, and readable in a diff."""
    def shorten(value):
        if isinstance(value, float):
            return float(f"{value:.4g}")
        if isinstance(value, list):
            return [shorten(item) for item in value]
        return {key: shorten(item) for key, item in value.items()} if isinstance(value, dict) else value

    parts = []
    for key, value in results.items():
        if isinstance(value, list) and value:
            rows = ",\n".join("    " + json.dumps(shorten(row)) for row in value)
            parts.append(f"  {json.dumps(key)}: [\n{rows}\n  ]")
        else:
            text = json.dumps(shorten(value), indent=2).replace("\n", "\n  ")
            parts.append(f"  {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows])


def number(value):
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def name_of(length):
    return f"{length // 2**20}M" if length >= 2**20 else f"{length // 1024}k" if length >= 1024 else str(length)


def mib(value):
    """Memory below a tenth of a MiB is a few pages, which a process finds somewhere or not."""
    if value is None:
        return ""
    return "< 0.1" if value < 2**20 / 10 else f"{value / 2**20:,.1f}"


def target_rows(results):
    for target in targets.all_targets(results):
        bar = f"{'≤' if target.at_most else '≥'} {target.bar:g} {target.unit}".strip()
        value, best = ("" if figure is None else f"{figure:.2f}" for figure in (target.value, target.best))
        yield [target.what, value, best, bar, target.verdict]
    crossing = targets.crossover(results)
    verdict = "" if crossing else "not measured"
    yield ["length from which features are faster than exact", crossing or "", "", "reported", verdict]


def targets_as_text(results):
    rows = list(target_rows(results))
    widths = [max(len(str(row[i])) for row in rows) for i in range(5)]
    return "\n".join("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def kernel_tables(results):
    for threads in sorted({row["threads"] for row in results["kernels"]}):
        rows = [row for row in results["kernels"] if row["threads"] == threads]
        variants = list(dict.fromkeys(row["variant"] for row in rows))
        lengths = sorted({row["length"] for row in rows})
        yield f"### {'One thread' if threads == 1 else f'{threads} threads'}\n\n" \
              "Milliseconds, and the share of the FMA peak; (H = 1) where eight heads would not fit or not end."
        body = []
        for variant in variants:
            cells = []
            for length in lengths:
                row = next((row for row in rows if (row["variant"], row["length"]) == (variant, length)), None)
                one_head = " (H = 1)" if row and row["heads"] == 1 else ""
                cells.append(f"{number(row['median_ms'])}, {row['share']:.2f}{one_head}" if row else "")
            body.append([NAMES.get(variant, variant), *cells])
        yield table(["", *map(name_of, lengths)], body)


def service_table(results):
    rows = []
    for row in results["service"]:
        times = [row["round_trip"][key] for key in ("p50", "p90", "p99")] + [row["compute"]["p50"], row["echo"]["p50"]]
        rows.append([row["transport"], row["load"], f"{row['rate']:.1f}", *(f"{1e3 * value:.2f}" for value in times),
                     row["errors"]])
    return table(["transport", "load", "calls/s", "round trip p50", "p90", "p99", "compute p50", "echo p50", "errors"],
                 rows)


def peer_table(results):
    rows = []
    for row in results["peers"]:
        difference = f"{row['difference']:.0e}" if "difference" in row else ""
        if difference and row["difference"] > row["tolerance"]:
            difference += f" (expected {row['tolerance']:.0e})"
        rows.append([row["title"], row["package"], name_of(row["length"]), row["heads"], row["threads"],
                     number(row["median_ms"]), number(row["times_favor"]), mib(row["memory_bytes"]), difference])
    return table(["", "package", "L", "H", "threads", "ms", "times favord's time", "memory, MiB", "difference"], rows)


def memory_table(results):
    lengths = sorted({row["length"] for row in results["memory"]})
    rows = []
    for name in dict.fromkeys(row["implementation"] for row in results["memory"]):
        mine = {row["length"]: row["memory_bytes"] for row in results["memory"] if row["implementation"] == name}
        rows.append([NAMES[name], *(mib(mine.get(length)) for length in lengths)])
    return table(["", *map(name_of, lengths)], rows)


def machine_lines(machine):
    peaks = ", ".join(f"{machine[key]:.1f} GFLOP/s on {text}" for key, text in
                      (("fma_peak_gflops_1_threads", "one thread"), ("fma_peak_gflops_2_threads", "two")) if key in machine)
    allowed = f", {machine['allowed_cores']} allowed" if machine["allowed_cores"] < machine["cores"] else ""
    return table(["", ""], [
        ["CPU", f"{machine['cpu']}, {machine['cores']} cores{allowed}, {machine['memory_gb']} GB"],
        ["kernels", f"{machine.get('favor_cpu_target', '')} ({machine.get('compiler', '')})"],
        ["FMA peak", f"{peaks} ({machine.get('fma_peak_width', '')})"],
        ["system", machine["os"]],
        ["measured", f"{machine['date']}, commit {machine['commit']}, load {machine['load_at_start']} at the start"],
        ["command", f"`{machine['command']}`"],
    ])


def picture(name, text):
    return (f'<picture>\n  <source media="(prefers-color-scheme: dark)" srcset="{name}-dark.svg">\n'
            f'  <img alt="{text}" src="{name}.svg">\n</picture>')


def page(results):
    sections = [
        "# Benchmarks",
        "Written by `./dev bench`; not edited by hand. Data: [results.json](results.json).",
        machine_lines(results["machine"]),
        "## Targets",
        "One thread, H = 8, d = 64, m = 256, float32, unless a line says otherwise. Flops are nominal: 2m(2d + 2e) per "
        "token and head with features, causal or not; 2L(d + e) per query and head for exact; exps are free.",
        table(["", "median", "best", "bar", ""], target_rows(results)),
        picture("time", "Time of one call against the length of the sequence"),
        picture("share", "GFLOP/s as a share of the FMA peak against the length of the sequence"),
        "## Kernels", *kernel_tables(results),
    ]
    if results["peers"] or results["missing"]:
        sections += [
            "## Peers",
            "The same shapes and distribution of inputs. *Difference*: relative L2 distance between the peer's output "
            "and ours for the same function (its projection, its epsilons); empty where it computes another one: "
            "Linformer, Reformer and clustered attention are other approximations, here for their cost. Linformer is "
            "its layer without the linear maps around attention. fast-transformers is compiled for this CPU. Memory as "
            "below.",
            peer_table(results)]
    for name, why in results["missing"].items():
        sections.append(f"Not here: {name} ({why}).")
    if results["left_out"]:
        sections.append("Left out:\n" + "\n".join(f"- {row['case']}: {row['why']}" for row in results["left_out"]))
    if results["memory"]:
        sections += [
            "## Memory",
            "MiB of peak resident memory that a call adds to its inputs, output and weights: the first call in a "
            "process of its own, H = 8, one thread.",
            memory_table(results), picture("memory", "Memory of one call against the length of the sequence")]
    if results.get("service"):
        sections += [
            "## The service",
            "`favor bench` against a favord on this machine, one connection, beside a plain gRPC echo of the same bytes. "
            "Large: H = 8, L = 4096, 25 MB in and 8 MB out, one call in flight; small: L = 16. Milliseconds.",
            service_table(results)]
    sections += [
        "## How it is measured",
        "One thread is timed by the CPU time of the process, which is the time on the clock when nobody else wants the "
        "core; two threads by the clock. Every run stands between two measurements of the FMA peak, and a share is "
        "the median over runs of GFLOP/s by that peak; what is compared takes turns, and a ratio is the median over turns. "
        "Peers are timed in a process where favord's library takes turns with them.",
    ]
    return "\n\n".join(sections) + "\n"


def write(folder):
    import charts  # needs matplotlib, which what imports this file for its tables may lack

    folder = pathlib.Path(folder)
    results = json.loads((folder / "results.json").read_text())
    (folder / "README.md").write_text(page(results))
    charts.write(results, folder)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    write(sys.argv[1])

"""The charts of results.json: time, share of the peak and memory against length, for light and dark pages."""
import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot  # noqa: E402
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator  # noqa: E402

THEMES = {
    "": {"background": "#ffffff", "text": "#24292f", "grid": "#d8dee4", "muted": "#8c959f",
         "ours": ["#0550ae", "#1a7f37", "#bc4c00", "#8250df", "#0598bc"]},
    "-dark": {"background": "#0d1117", "text": "#c9d1d9", "grid": "#30363d", "muted": "#8b949e",
              "ours": ["#58a6ff", "#3fb950", "#f0883e", "#bc8cff", "#39c5cf"]},
}
OURS = ["bidirectional", "causal", "exact", "bidirectional_structured", "bidirectional_bf16"]
# The same colour as ours of the same kind, dashed, told apart by its mark.
PEERS = {
    "whole_matrix_eigen": ("whole-matrix Eigen", 0, "s"),
    "performer_bidirectional": ("performer-pytorch", 0, "^"),
    "performer_causal": ("performer-pytorch, causal", 1, "^"),
    "fast_transformers_causal": ("fast-transformers, causal", 1, "D"),
    "torch_exact": ("PyTorch, exact", 2, "v"),
    "linformer": ("linformer", None, "x"),
    "reformer": ("reformer-pytorch", None, "+"),
    "clustered": ("clustered", None, "1"),
    "improved_clustered": ("improved clustered", None, "2"),
}


def length_name(length, _=None):
    length = int(length)
    return f"{length // 2**20}M" if length >= 2**20 else f"{length // 1024}k" if length >= 1024 else str(length)


def series(results, value_of):
    """(name, [(length, value)]) of ours, then of the peers; one thread. `value_of` gives None for a row without one."""
    rows = [(row["variant"], row) for row in results["kernels"]]
    rows += [(row["implementation"], row) for row in results["peers"]]
    for name in [*OURS, *PEERS]:
        points = [(row["length"], value_of(row)) for found, row in rows
                  if found == name and row["threads"] == 1 and row["length"] >= 512]
        if points := [point for point in points if point[1] is not None]:
            yield name, sorted(points)


def begin(theme, title, **more):
    """A figure and its axes in the colours of a theme."""
    figure, axes = pyplot.subplots(figsize=(8.6, 4.8), facecolor=theme["background"])
    axes.set_facecolor(theme["background"])
    axes.set_title(title, color=theme["text"], loc="left", fontsize=12, fontweight="bold", **more)
    axes.tick_params(colors=theme["text"], which="both")
    for spine in axes.spines.values():
        spine.set_color(theme["grid"])
    return figure, axes


def save(figure, theme, caption, path):
    figure.text(0.01, 0.005, caption, color=theme["muted"], fontsize=7)
    figure.tight_layout(rect=(0, 0.02, 1, 1))
    figure.savefig(path, facecolor=theme["background"], metadata={"Date": None})
    pyplot.close(figure)


def draw(theme, title, y_label, lines, path, y_format, limits=None, machine=""):
    figure, axes = begin(theme, title)
    for name, points in lines:
        lengths, values = zip(*points)
        if name in OURS:
            colour = theme["ours"][OURS.index(name)]
            axes.plot(lengths, values, color=colour, marker="o", markersize=5, linewidth=2.6,
                      label="favord, " + name.replace("bidirectional_", "bidirectional, "), zorder=3)
        else:
            label, kin, mark = PEERS[name]
            colour = theme["muted"] if kin is None else theme["ours"][kin]
            axes.plot(lengths, values, color=colour, marker=mark, markersize=5.5, linewidth=1.2, linestyle=(0, (4, 2)),
                      label=label)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    if limits:
        axes.set_ylim(*limits)
    ticks = sorted({length for _, points in lines for length, _ in points})
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(length_name))
    axes.yaxis.set_major_formatter(FuncFormatter(y_format))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("sequence length", color=theme["text"])
    axes.set_ylabel(y_label, color=theme["text"])
    axes.grid(color=theme["grid"], linewidth=0.7)
    legend = axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), fontsize=8.5, frameon=False)
    for text in legend.get_texts():
        text.set_color(theme["text"])
    save(figure, theme, machine, path)


def plain(value, _=None):
    return f"{value:g}"


def write(results, folder, suffix="svg"):
    matplotlib.rcParams |= {"svg.hashsalt": "favord", "font.family": "sans-serif"}
    machine = results["machine"]
    caption = f"{machine['cpu']}, {machine.get('favor_cpu_target', '')}, {machine['date']}, {machine['command']}"
    # Our longest have one head; the time of a head makes the curves one.
    per_head = list(series(results, lambda row: row["median_ms"] / row["heads"] if "median_ms" in row else None))
    # Of another algorithm nominal flops say nothing.
    shares = [(name, points) for name, points in series(results, lambda row: row.get("share"))
              if name in OURS or PEERS[name][1] is not None]
    memory = [(name.removeprefix("favor_"), points) for name, points in memory_series(results)]
    for ending, theme in THEMES.items():
        def chart(name, title, label, lines, y_format, limits=None):
            if lines:
                draw(theme, title, label, lines, folder / f"{name}{ending}.{suffix}", y_format, limits, caption)

        chart("time", "Time of one attention head, one thread (d = 64)", "milliseconds", per_head, plain)
        chart("share", "Share of the CPU's FMA peak, one thread", "GFLOP/s by peak", shares, plain, (0.005, 1.5))
        chart("memory", "Memory of one call beyond its tensors, 8 heads", "MiB (0.1 and less at 0.1)", memory, plain)


def memory_series(results):
    rows = results["memory"] + [row for row in results["peers"] if row["threads"] == 1]
    for name in [*("favor_" + name for name in OURS), *PEERS]:
        points = [(row["length"], max(row["memory_bytes"] / 2**20, 0.1)) for row in rows
                  if row["implementation"] == name and row["heads"] == 8]
        if points:
            yield name, sorted(points)

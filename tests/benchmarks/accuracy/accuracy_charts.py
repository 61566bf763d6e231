"""The charts of docs/accuracy.md: error against features, time, spread, scale and length, beside the mean of V."""
import math

import accuracy_bars
import charts
import estimators
from charts import FixedLocator, FuncFormatter, NullFormatter, NullLocator, matplotlib, plain, pyplot
from matplotlib.ticker import LogLocator

# Of every family, on light and on dark pages.
COLOURS = {
    "positive": ("#0550ae", "#58a6ff"), "hyperbolic": ("#0598bc", "#39c5cf"), "trigonometric": ("#8c959f", "#8b949e"),
    "oprf": ("#1a7f37", "#3fb950"), "sderf": ("#bc4c00", "#f0883e"), "saderf": ("#8250df", "#bc8cff"),
    "first order": ("#9a6700", "#d29922"), "second cumulant": ("#6e4b1f", "#e3b341"), "anchors": ("#bf3989", "#f778ba"), "best": ("#cf222e", "#ff7b72"),
}
FAMILIES = {way.name: way.family for way in estimators.EVERY} | {
    "positive, orthogonal": "positive", "positive, iid": "positive", "trigonometric, orthogonal": "sderf",
    "trigonometric, iid": "sderf", "positive": "positive"}
DASHED = (0, (4, 2))
DOTTED = (0, (1, 1.4))
MEAN = "mean of V"


def style_of(name, theme):
    """How the line of a way is drawn: colour by family, dashes by what is in front of it."""
    if name in (MEAN, "exact"):
        return {"color": theme["text"], "linewidth": 1.6, "linestyle": DOTTED if name == MEAN else DASHED, "zorder": 4}
    line = DASHED if "precond." in name or "iid" in name else "-"
    strong = name in (estimators.BASELINE, estimators.BEST)
    return {"color": COLOURS[FAMILIES[name]][1 if theme is charts.THEMES["-dark"] else 0], "linestyle": line,
            "linewidth": 2.6 if strong else 1.4, "marker": "o", "markersize": 4.5 if strong else 3,
            "zorder": 3 if strong else 2}


def dress(axes, theme, x_log, ticks, y_limits, x_format):
    axes.set_facecolor(theme["background"])
    axes.set_yscale("log")
    if x_log:
        axes.set_xscale("log", base=2)
    if ticks:
        axes.xaxis.set_major_locator(FixedLocator(ticks))
        axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(x_format))
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=12))
    axes.yaxis.set_major_formatter(FuncFormatter(plain))
    axes.yaxis.set_minor_formatter(NullFormatter())
    if y_limits:
        axes.set_ylim(*y_limits)
    axes.tick_params(colors=theme["text"], which="both", labelsize=8)
    axes.grid(color=theme["grid"], linewidth=0.7)
    for spine in axes.spines.values():
        spine.set_color(theme["grid"])


def limits_of(lines, everything=False):
    """From below the least error to above the mean of the values: what is far above is out of the picture, unless
    `everything` is to be seen."""
    values = [value for name, points in lines for _, value in points if 0 < value < math.inf and name != MEAN]
    mean = [value for name, points in lines if name == MEAN for _, value in points]
    if not values or not mean:
        return None
    return min(*values, max(mean)) / 1.4, 2.2 * max([*mean, *values] if everything else mean)


def draw(theme, title, panels, labels, path, caption, x_log=True, ticks=None, x_format=plain, same_y=True, bands=(),
         everything=False):
    """Panels side by side, {title: [(name, points)]}; one legend. `bands`: [(panel, name, [(x, low, high)])]. Lines
    far above the mean of the values are cut off, unless `everything` is to be seen."""
    size = (max(7.0, 2.6 * len(panels) + 2.6), 4.3)
    figure, rows = pyplot.subplots(1, len(panels), figsize=size, facecolor=theme["background"], squeeze=False)
    shared = limits_of([line for lines in panels.values() for line in lines]) if same_y else None
    handles = {}
    for axes, (name_of_panel, lines) in zip(rows[0], panels.items()):
        for name, points in lines:
            if points:
                (handle,) = axes.plot(*zip(*points), **style_of(name, theme))
                handles.setdefault(name, handle)
        for panel, name, band in bands:
            if panel == name_of_panel and band:
                x, low, high = zip(*band)
                axes.fill_between(x, low, high, color=style_of(name, theme)["color"], alpha=0.15, linewidth=0)
        dress(axes, theme, x_log, ticks, (shared if not everything else None) or limits_of(lines, everything), x_format)
        axes.set_title(name_of_panel, color=theme["text"], fontsize=9.5)
        axes.set_xlabel(labels[0], color=theme["text"], fontsize=9)
    rows[0][0].set_ylabel(labels[1], color=theme["text"], fontsize=9)
    figure.suptitle(title, color=theme["text"], x=0.01, ha="left", fontsize=12, fontweight="bold")
    legend = rows[0][-1].legend(handles.values(), handles.keys(), loc="upper left", bbox_to_anchor=(1.02, 1.0),
                                fontsize=8, frameon=False)
    for text in legend.get_texts():
        text.set_color(theme["text"])
    figure.text(0.01, 0.005, caption, color=theme["muted"], fontsize=6.5)
    figure.tight_layout(rect=(0, 0.02, 1, 0.99))
    figure.savefig(path, facecolor=theme["background"], metadata={"Date": None})
    pyplot.close(figure)


def lines_of(rows, x, y="median", names=None, order=None):
    """[(way, points)] of rows, in the order of estimators, and the mean of the values. Points go by `order`, or by x."""
    names = names or estimators.IN_CHARTS
    found = [(name, [(x(row), row[y]) for row in sorted(rows, key=order or x) if row["way"] == name]) for name in names]
    mean = sorted({x(row): row["mean"] for row in rows}.items())
    if len(mean) == 1:  # one point is no line
        mean = [(mean[0][0] * factor, mean[0][1]) for factor in (0.9, 1.1)]
    return [(name, points) for name, points in found if points] + ([(MEAN, mean)] if mean else [])


def by_scale(rows, x, y="median", **more):
    """Panels, one for each factor of queries and keys."""
    return {f"queries and keys × {scale:g}": lines_of([row for row in rows if row["scale"] == scale], x, y, **more)
            for scale in sorted({row["scale"] for row in rows})}


def spread_lines(results):
    """Lines and bands of error against the spread of the logits, over all heads of all real tensors."""
    lines, bands = [], []
    binned = accuracy_bars.by_spread(results)
    for name in [*dict.fromkeys(row["way"] for row in results["heads"]), MEAN]:
        points = [(row["spread"], *row["errors"][name]) for row in binned if name in row["errors"]]
        lines.append((name, [(x, middle) for x, _, middle, _ in points]))
        bands.append(("", name, [(x, low, high) for x, low, _, high in points]))
    return {"": lines}, bands


def trade_panels(results, head_dim):
    rows = [row for row in results["trade"] if row["head_dim"] == head_dim]
    panels = by_scale(rows, lambda row: row["ms"], "error", order=lambda row: row["m"])
    for lines in panels.values():
        times = [time for name, points in lines if name != MEAN for time, _ in points]
        mean = next(points for name, points in lines if name == MEAN)[0][1]
        lines[-1] = (MEAN, [(min(times), mean), (max(*times, rows[0]["exact_ms"]), mean)])
        least = min(value for _, points in lines for _, value in points if value > 0)
        lines.append(("exact", [(rows[0]["exact_ms"], least), (rows[0]["exact_ms"], 2 * mean)]))
    return panels, rows


def write(results, folder, suffix="svg"):
    matplotlib.rcParams |= {"svg.hashsalt": "favord", "font.family": "sans-serif"}
    machine = results["machine"]
    caption = (f"{machine['cpu']}, {machine.get('cpu_target', '')}, {machine.get('threads', '')} threads, "
               f"{machine['date']}, {machine['command']}")
    error = "relative error, median over heads"
    for ending, theme in charts.THEMES.items():
        def chart(name, title, panels, labels, **more):
            if panels and any(points for lines in panels.values() for _, points in lines):
                draw(theme, title, panels, labels, folder / f"{name}{ending}.{suffix}", caption, **more)

        panels, bands = spread_lines(results)
        chart("spread", "Error of a head by the spread of its logits (real tensors, m = 256)", panels,
              ("standard deviation of a query's logits", "relative error of a head, 10% to 90%"), bands=bands)
        for inputs in results["inputs"]:
            rows = [row for row in results["errors"] if row["inputs"] == inputs["name"]]
            counts = sorted({row["m"] for row in rows})
            if len(counts) > 1:
                chart(f"m-{inputs['name']}", f"Error against features: {inputs['what']}",
                      by_scale(rows, lambda row: row["m"]), ("features m", error), ticks=counts, same_y=False)
        for dim in sorted({row["head_dim"] for row in results["trade"]}):
            panels, rows = trade_panels(results, dim)
            chart(f"time-{dim}", f"Error against time: {rows[0]['what']}, 8 heads of d = {dim}", panels,
                  ("compute time in ms", error), same_y=False)
        synthetic = [row for row in results["synthetic"] if row["length"] == 1024]
        chart("synthetic-scale", "N(0, 1) inputs times a factor, L = 1024, m = 256",
              {f"d = {dim}": lines_of([row for row in synthetic if row["head_dim"] == dim], lambda row: row["scale"])
               for dim in sorted({row["head_dim"] for row in synthetic})},
              ("factor of queries and keys", error), ticks=sorted({row["scale"] for row in synthetic}))
        lengths = [row for row in results["synthetic"] if row["head_dim"] == 64 and row["scale"] in (0.5, 1.0, 2.0)]
        chart("synthetic-length", "N(0, 1) inputs against length, d = 64, m = 256",
              {f"factor {scale:g}": lines_of([row for row in lengths if row["scale"] == scale],
                                             lambda row: row["length"])
               for scale in sorted({row["scale"] for row in lengths})},
              ("sequence length", error), ticks=sorted({row["length"] for row in lengths}),
              x_format=charts.length_name, same_y=False)
        paper = results["paper"]
        names = list(dict.fromkeys(row["way"] for row in paper))
        chart("paper", "Squared error of the output, N(0, 1) inputs, d = 16",
              {f"queries and keys × {scale:g}": lines_of([row for row in paper if row["scale"] == scale],
                                                         lambda row: row["m"], "median_mse", names)
               for scale in sorted({row["scale"] for row in paper})},
              ("features m", "squared error, median over samples"), ticks=sorted({row["m"] for row in paper}),
              same_y=False, everything=True)
        near = results["near_zero"]
        chart("near-zero", "Error of one attention weight against its size",
              {"": lines_of(near, lambda row: row["weight"], "error", ["positive", "trigonometric"])} if near else {},
              ("attention weight", "median relative error of the weight"), everything=True)

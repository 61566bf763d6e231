"""The charts of the embedding benchmark's results.json: encoders as bars, Performers against length."""
import charts

# The same implementation has the same colour everywhere: ours the first, muted ones the peers.
SHADES = [1.0, 0.85, 0.7, 0.55]
# What charts.draw calls the two kinds of ours and of the peer.
LINES = {("favord", "bidirectional"): "bidirectional", ("favord", "causal"): "causal",
         ("performer", "bidirectional"): "performer_bidirectional", ("performer", "causal"): "performer_causal"}


def performer_lines(rows):
    """(name, [(length, seconds)]), the median of the rounds."""
    for (implementation, kind), name in LINES.items():
        points = [(row["length"], row["length"] / row["tokens_per_second"]) for row in rows
                  if (row["implementation"], row["kind"]) == (implementation, kind)]
        if points:
            yield name, sorted(points)


def draw_encoders(theme, rows, path, caption):
    """Tokens a second of everyone, workload by workload, ours first."""
    figure, axes = charts.begin(theme, "all-MiniLM-L6-v2 in float32", pad=12)
    labels, place = [], 0
    for what in dict.fromkeys(row["what"] for row in rows):
        axes.text(0, place - 0.7, what, color=theme["text"], fontsize=9, fontweight="bold", va="center")
        peers = 0
        for row in (row for row in rows if row["what"] == what):
            ours = row["implementation"].startswith("favord")
            peers += not ours
            axes.barh(place, row["tokens_per_second"], height=0.8, color=theme["ours"][0] if ours else theme["muted"],
                      alpha=1 if ours else SHADES[peers % len(SHADES)])
            axes.text(row["tokens_per_second"], place, f" {row['tokens_per_second']:,.0f}", color=theme["text"],
                      fontsize=7.5, va="center")
            labels.append((place, row["title"]))
            place += 1
        place += 1.2
    axes.set_yticks([at for at, _ in labels], [title for _, title in labels], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("tokens a second", color=theme["text"])
    axes.grid(axis="x", color=theme["grid"], linewidth=0.7)
    axes.set_axisbelow(True)
    charts.save(figure, theme, caption, path)


def write(results, folder, suffix="svg"):
    """encoders[-dark] and performers[-dark] into a folder, as far as they were measured."""
    charts.matplotlib.rcParams |= {"svg.hashsalt": "favord", "font.family": "sans-serif"}
    machine = results["machine"]
    threads = f"{machine['threads']} thread{'s' if machine['threads'] > 1 else ''}"
    caption = f"{machine['cpu']}, {threads}, {machine['date']}, {machine['command']}"
    performers = list(performer_lines(results["performers"]))
    for ending, theme in charts.THEMES.items():
        if results["encoders"]:
            draw_encoders(theme, results["encoders"], folder / f"encoders{ending}.{suffix}", caption)
        if performers:
            charts.draw(theme, f"One sequence through a Performer, {threads}", "seconds", performers,
                        folder / f"performers{ending}.{suffix}", charts.plain, machine=caption)

"""Draws the dashboard of deploy/grafana as an SVG from what a Prometheus holds: its panels without Grafana."""

import html
import json
import math
import urllib.parse
import urllib.request
from typing import Any

from .metrics import DASHBOARD

CELL_W, CELL_H, MARGIN = 48, 26, 8
COLOURS = ["#1f77b4", "#d95f02", "#1b9e77", "#7570b3", "#e7298a", "#66a61e", "#a6761d"]
VARIABLES = {"$__rate_interval": "20s", "$instance": ".*", "$method": "Attend|Embed"}


def format_value(value: float, unit: str) -> str:
    if unit == "percentunit":
        return f"{value * 100:.3g} %"
    if unit == "s":
        return f"{value:.3g} s" if value >= 1 or value == 0 else f"{value * 1e3:.3g} ms"
    if unit in ("bytes", "Bps"):
        return f"{value / 2**20:.3g} MiB" + ("/s" if unit == "Bps" else "")
    return (f"{value / 1000:.3g} k" if value >= 10000 else f"{value:.4g}") + ("/s" if unit == "reqps" else "")


def query_range(port: int, query: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
    parameters = urllib.parse.urlencode({"query": query, "start": start, "end": end, "step": step})
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query_range?{parameters}", timeout=30) as answer:
        return json.load(answer)["data"]["result"]


def legend(template: str, labels: dict[str, str]) -> str:
    for name, value in labels.items():
        template = template.replace("{{" + name + "}}", value)
    return template


def lines_of(panel: dict[str, Any], port: int, start: float, end: float, step: float) -> list[tuple[str, list[Any]]]:
    lines = []
    for target in panel["targets"]:
        query = target["expr"]
        for variable, value in VARIABLES.items():
            query = query.replace(variable, value)
        for series in query_range(port, query, start, end, step):
            points = [(time, float(value)) for time, value in series["values"] if not math.isnan(float(value))]
            lines.append((legend(target["legendFormat"], series["metric"]), points))
    return lines


def chart(
    lines: list[tuple[str, list[Any]]], unit: str, x: int, y: int, w: int, h: int, start: float, end: float
) -> str:
    top = max((value for _, points in lines for _, value in points), default=0) or 1
    rows = min(3, math.ceil(len(lines) / 3))
    height = h - 46 - 13 * rows
    parts = [
        f'<text x="{x + 8}" y="{y + 34}" class="axis">{format_value(top, unit)}</text>',
        f'<path d="M{x + 8} {y + 38}H{x + w - 8}M{x + 8} {y + 38 + height}H{x + w - 8}" class="grid"/>',
    ]
    for number, (name, points) in enumerate(lines):
        colour = COLOURS[number % len(COLOURS)]
        at = [
            (x + 8 + (time - start) / (end - start) * (w - 16), y + 38 + height * (1 - value / top))
            for time, value in points
        ]
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py in at)
        parts.append(f'<polyline points="{path}" stroke="{colour}"/>')
        if number < 9:
            place = (x + 8 + number % 3 * (w - 16) // 3, y + 52 + height + 13 * (number // 3))
            parts.append(
                f'<text x="{place[0]}" y="{place[1]}" fill="{colour}" class="axis">{html.escape(name[:22])}</text>'
            )
    return "\n".join(parts)


def draw(port: int, start: float, end: float, names: dict[str, str]) -> str:
    """`names` are what to call instances."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    bottom = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    width, height = 24 * CELL_W, bottom * CELL_H
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">',
        "<style>.panel{fill:#fff;stroke:#ccc}.title{font-size:13px;font-weight:bold;fill:#222}.axis{font-size:11px}"
        ".grid{stroke:#ddd}.value{font-size:30px;fill:#1b7f3b}polyline{fill:none;stroke-width:1.5}</style>",
        f'<rect width="{width}" height="{height}" fill="#f4f5f5"/>',
    ]
    for panel in panels:
        place = panel["gridPos"]
        x, y = place["x"] * CELL_W + MARGIN // 2, place["y"] * CELL_H + MARGIN // 2
        w, h = place["w"] * CELL_W - MARGIN, place["h"] * CELL_H - MARGIN
        unit = panel["fieldConfig"]["defaults"]["unit"]
        parts.append(
            f'<rect x="{x}" y="{y}" width="{w}" height="{h}" rx="3" class="panel"/>'
            f'<text x="{x + 8}" y="{y + 18}" class="title">{html.escape(panel["title"].replace("$method", "calls"))}</text>'
        )
        lines = lines_of(panel, port, start, end, max(1.0, (end - start) / 120))
        for instance, called in names.items():
            lines = [(name.replace(instance, called), points) for name, points in lines]
        if panel["type"] == "stat":
            name, points = lines[0] if lines else ("", [])
            parts.append(
                f'<text x="{x + 8}" y="{y + 58}" class="value">{format_value(points[-1][1], unit) if points else "-"}</text>'
                f'<text x="{x + 8}" y="{y + 80}" class="axis">{html.escape(name)}</text>'
            )
        else:
            parts.append(chart(lines, unit, x, y, w, h, start, end))
    return "\n".join([*parts, "</svg>"]) + "\n"

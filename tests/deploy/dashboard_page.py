"""The dashboard as a page of its own, with the lines that Grafana would draw, for machines without Grafana."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable
from typing import Any, Final

from tests.deploy import write_dashboard
from tests.deploy.monitored import Prometheus, Series, with_variables

COLUMN, ROW = 66, 40
"""Pixels of a unit of Grafana's grid."""
PLOT_LEFT, PLOT_TOP, LEGEND = 60, 34, 16
COLORS: Final = ("#3274d9", "#56a64b", "#ff780a", "#8f3bb8", "#e0b400", "#00a3a3", "#c4162a", "#7c7c7c", "#e685b5")
POINTS: Final = 240
STYLE: Final = """body { margin: 8px; font: 12px sans-serif } section { position: absolute; overflow: hidden }
svg { background: #fff; border: 1px solid #ccc } text { font-size: 11px } .title { font-weight: bold; font-size: 13px }
h2 { margin: 8px 0; font-size: 16px } .number { font-size: 34px } .stat { border: 1px solid #ccc; padding: 8px }"""


def page(seen: Prometheus, start: float, end: float) -> str:
    """The dashboard from *start* to *end*, in seconds since the epoch."""
    dashboard: dict[str, Any] = json.loads(write_dashboard.OUTPUT.read_text(encoding="utf-8"))
    parts = [f"<!doctype html><meta charset=utf-8><title>{dashboard['title']}</title><style>{STYLE}</style>"]
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        width, height = at["w"] * COLUMN - 8, at["h"] * ROW - 8
        place = f"left:{at['x'] * COLUMN}px;top:{at['y'] * ROW}px;width:{width}px;height:{height}px"
        parts.append(f'<section style="{place}">{_content(panel, seen, start, end, width, height)}</section>')
    return "\n".join(parts)


def _content(panel: dict[str, Any], seen: Prometheus, start: float, end: float, width: int, height: int) -> str:
    title = html.escape(panel["title"])
    if panel["type"] == "row":
        return f"<h2>{title}</h2>"
    unit = panel["fieldConfig"]["defaults"]["unit"]
    lines: list[tuple[str, list[tuple[float, float]]]] = []
    for target in panel["targets"]:
        found = seen.query_range(with_variables(target["expr"]), start, end, (end - start) / POINTS)
        lines += [(_legend(target["legendFormat"], series), _points(series)) for series in found]
    if panel["type"] == "stat":
        value = _with_unit(lines[-1][1][-1][1], unit) if lines and lines[-1][1] else "no data"
        return f"<div class=stat><b>{title}</b><div class=number>{value}</div></div>"
    stacked = panel["fieldConfig"]["defaults"]["custom"].get("stacking", {}).get("mode") == "normal"
    return _graph(title, unit, lines, start, end, width, height, stacked)


def _legend(template: str, series: Series) -> str:
    for name in ("event", "hook", "outcome", "code", "instance", "state", "type", "method", "error"):
        template = template.replace(f"{{{{{name}}}}}", series["metric"].get(name, ""))
    return template


def _points(series: Series) -> list[tuple[float, float]]:
    found = [(float(time), float(value)) for time, value in series["values"]]
    return [(time, value) for time, value in found if value == value and abs(value) != float("inf")]


def _with_unit(value: float, unit: str) -> str:
    match unit:
        case "s":
            return f"{value:.3g} s" if value >= 1 else f"{1000 * value:.3g} ms"
        case "percentunit":
            return f"{100 * value:.3g} %"
        case "reqps":
            return f"{value:,.0f}/s" if value >= 100 else f"{value:.3g}/s"
        case _:
            return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _graph(
    title: str,
    unit: str,
    lines: list[tuple[str, list[tuple[float, float]]]],
    start: float,
    end: float,
    width: int,
    height: int,
    stacked: bool,
) -> str:
    lines = [line for line in lines if line[1]]
    bottom = height - 24 - LEGEND * ((len(lines) + 2) // 3)
    sums: dict[float, float] = {}
    drawn: list[tuple[str, list[tuple[float, float]]]] = []
    for name, points in lines:
        if stacked and name != "desired":
            points = [(time, sums.setdefault(time, 0.0) + value) for time, value in points]
            sums.update(points)
        drawn.append((name, points))
    top = max([value for _, points in drawn for _, value in points] or [0]) * 1.05 or 1
    out = [f'<svg width="{width - 2}" height="{height - 2}"><text class=title x=8 y=20>{title}</text>']
    for part in (0, 0.5, 1):
        y = bottom - part * (bottom - PLOT_TOP)
        out.append(f'<line x1="{PLOT_LEFT}" x2="{width - 12}" y1="{y}" y2="{y}" stroke="#ddd"/>')
        out.append(f'<text x="{PLOT_LEFT - 4}" y="{y + 4}" text-anchor="end">{_with_unit(part * top, unit)}</text>')
    for part in (0, 0.25, 0.5, 0.75, 1):
        x = PLOT_LEFT + part * (width - 12 - PLOT_LEFT)
        label = f"{part * (end - start):.0f} s"
        out.append(f'<text x="{x}" y="{bottom + 14}" text-anchor="middle" fill="#888">{label}</text>')
    for number, (name, points) in enumerate(drawn):
        limit = name in ("timeout", "desired")
        color = "#e02f44" if limit else COLORS[number % len(COLORS)]
        dash = ' stroke-dasharray="6 4"' if limit else ""
        for run in _runs(points, 3 * (end - start) / POINTS):
            path = " ".join(
                f"{PLOT_LEFT + (time - start) / (end - start) * (width - 12 - PLOT_LEFT):.1f},"
                f"{bottom - value / top * (bottom - PLOT_TOP):.1f}"
                for time, value in run
            )
            out.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="1.5"{dash}/>')
        x, y = 10 + number % 3 * (width - 16) // 3, bottom + 30 + LEGEND * (number // 3)
        out.append(f'<rect x="{x}" y="{y - 8}" width=10 height=4 fill="{color}"/>')
        out.append(f'<text x="{x + 14}" y="{y}">{html.escape(name[-30:])}</text>')
    if not drawn:
        out.append(f'<text x="{width // 2}" y="{height // 2}" text-anchor="middle" fill="#888">no data</text>')
    return "".join([*out, "</svg>"])


def _runs(points: Iterable[tuple[float, float]], gap: float) -> list[list[tuple[float, float]]]:
    """The points, divided where more than *gap* seconds are without data."""
    runs: list[list[tuple[float, float]]] = []
    for time, value in points:
        if not runs or time - runs[-1][-1][0] > gap:
            runs.append([])
        runs[-1].append((time, value))
    return runs

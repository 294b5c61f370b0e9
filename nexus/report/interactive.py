"""Charts as plotly JSON: the page draws them when they are looked at."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go

from nexus.maths.types import Floats
from nexus.report.chart import IN_SAMPLE, PALETTE, SHADE, Bars, Chart, Curves, Heat, Stamp

DIGITS = 6
DIVERGING = [[0.0, "#c53030"], [0.5, "#ffffff"], [1.0, "#2f855a"]]


def drawn(chart: Chart, stamp: Stamp) -> str:
    """Plotly JSON of a chart, safe inside a script element."""
    if isinstance(chart, Heat):
        figure = _heat(chart)
    elif isinstance(chart, Bars):
        figure = _bars(chart)
    else:
        figure = _curves(chart, stamp)
    return str(figure.to_json())


def figure(title: str, *traces: Any, **layout: Any) -> go.Figure:
    """A figure in the look of all; a finger that moves over it scrolls the page."""
    return go.Figure(
        traces,
        {
            "title": {"text": escape(title), "font": {"size": 14}},
            "template": "plotly_white",
            "height": 320,
            "margin": {"l": 48, "r": 48, "t": 40, "b": 48},
            "showlegend": False,
            "dragmode": False,
            "font": {"family": "system-ui, sans-serif", "size": 12},
            **layout,
        },
    )


def _curves(chart: Curves, stamp: Stamp) -> go.Figure:
    x = np.datetime_as_string(chart.days).tolist() if chart.timed else chart.x
    style: dict[str, Any] = {"fill": "tozeroy"} if chart.filled else {}
    traces = [
        go.Bar(x=x, y=_short(line.values), name=line.name, marker={"color": colour, "line": {"width": 0}})
        if chart.steps
        else go.Scatter(
            x=x, y=_short(line.values), name=line.name, mode="lines", line={"color": colour, "width": 1.5}, **style
        )
        for line, colour in zip(chart.lines, PALETTE, strict=False)
    ]
    several = len(chart.lines) > 1
    axis = {"type": "date"} if chart.timed else {"type": "log", "dtick": 1}
    return figure(
        chart.title,
        *traces,
        xaxis={"title": {"text": chart.x_title}, "fixedrange": True, **axis},
        yaxis=_values(chart.percent) | {"type": "log" if chart.log else "linear"},
        margin={"l": 56, "r": 16, "t": 40, "b": 64 if several else 40},
        showlegend=several,
        legend={"orientation": "h", "y": -0.14},
        **(_shade(chart, stamp) if chart.timed else {}),
    )


def _shade(chart: Curves, stamp: Stamp) -> dict[str, Any]:
    """The days up to the cut."""
    days = chart.days
    if stamp.cut is None or days[0] > np.datetime64(stamp.cut):
        return {}
    first, last = str(days[0]), str(min(days[-1], np.datetime64(stamp.cut)))
    box = {"type": "rect", "xref": "x", "yref": "paper", "x0": first, "x1": last, "y0": 0, "y1": 1,
           "fillcolor": SHADE, "opacity": 0.18, "line": {"width": 0}, "layer": "below"}  # fmt: skip
    label = {"text": IN_SAMPLE, "xref": "x", "yref": "paper", "x": first, "y": 1, "xanchor": "left",
             "yanchor": "bottom", "showarrow": False, "font": {"size": 11, "color": "#744210"}}  # fmt: skip
    return {"shapes": [box], "annotations": [label]}


def _bars(chart: Bars) -> go.Figure:
    several = len(chart.bars) > 1
    names = [escape(name) for name in chart.names]
    return figure(
        chart.title,
        *(
            go.Bar(y=names, x=_short(series.values), name=series.name, orientation="h", marker_color=colour)
            for series, colour in zip(chart.bars, PALETTE, strict=False)
        ),
        height=120 + 26 * len(names) * len(chart.bars),
        xaxis=_values(chart.percent),
        yaxis={"type": "category", "automargin": True, "autorange": "reversed", "fixedrange": True},
        margin={"l": 8, "r": 16, "t": 40, "b": 40},
        showlegend=several,
        legend={"orientation": "h", "traceorder": "normal"},
    )


def _heat(chart: Heat) -> go.Figure:
    return figure(
        chart.title,
        go.Heatmap(
            x=list(chart.columns), y=list(chart.rows), z=_short(chart.colours), text=chart.words,
            texttemplate="%{text}", hovertemplate="%{y} %{x}: %{text}<extra></extra>",
            colorscale=DIVERGING, zmin=-1, zmax=1, showscale=False, xgap=1, ygap=1, hoverongaps=False,
        ),
        height=90 + 24 * len(chart.rows),
        xaxis={"type": "category", "side": "top", "fixedrange": True, "tickangle": 0, "tickfont": {"size": 10}},
        yaxis={"type": "category", "autorange": "reversed", "fixedrange": True},
        margin={"l": 40, "r": 8, "t": 64, "b": 8},
    )  # fmt: skip


def _values(percent: bool) -> dict[str, Any]:
    return {"fixedrange": True, "tickformat": ".0%" if percent else None, "zeroline": True}


def _short(values: Floats) -> Sequence[Any]:
    """Fewer digits than a double has, row by row: the page is carried about."""
    if values.ndim > 1:
        return [_short(row) for row in values]
    return [None if np.isnan(value) else float(f"{value:.{DIGITS}g}") for value in values.tolist()]

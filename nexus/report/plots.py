"""The figures of a signal's section, as plotly JSON: the page draws them when they are looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from scipy import stats

from nexus.report.chart import BLUE, GREY, ORANGE
from nexus.report.interactive import figure

Look = Mapping[str, Any]
"""A row of `factor_evaluations`, with `side`: -1 where it is of this signal upside down."""


def figures(looks: Sequence[Look], decisive: Look) -> list[str]:
    """Plotly JSON of each figure of one signal.

    looks : one a horizon
    decisive : the one whose series is drawn
    """
    drawn = (_series(decisive), _horizons(looks), _quantiles(decisive), _turnover(looks))
    return [str(one.to_json()) for one in drawn]


def _series(look: Look) -> go.Figure:
    ic = np.array(look["gate_ic"], float) * look["side"]
    dates = [str(day) for day in look["gate_dates"]]
    return figure(
        f"Monthly IC (bars) and its sum (line), {look['horizon']} sessions",
        go.Bar(x=dates, y=ic.round(4), marker={"color": GREY, "line": {"width": 0}}, name="IC"),
        go.Scatter(x=dates, y=ic.cumsum().round(4), line_color=BLUE, name="sum", yaxis="y2"),
        yaxis2={"overlaying": "y", "side": "right", "showgrid": False, "zeroline": False, "nticks": 6},
    )


def _horizons(looks: Sequence[Look]) -> go.Figure:
    known = [look for look in looks if look["gate_mean"] is not None and look["gate_sd"] is not None]
    names = [str(look["horizon"]) for look in known]
    reach = [stats.t.ppf(0.95, look["gate_n"] - 1) * look["gate_sd"] / np.sqrt(look["gate_n"]) for look in known]
    mean = [look["gate_mean"] * look["side"] for look in known]
    edges = [
        go.Scatter(
            x=names,
            y=[sign * look["detectable_ic"] if look["detectable_ic"] is not None else None for look in known],
            mode="markers",
            marker={"symbol": "line-ew-open", "size": 28, "color": ORANGE},
            name="detectable IC",
        )
        for sign in (1, -1)
    ]
    points = go.Scatter(
        x=names, y=mean, error_y={"array": reach}, mode="markers", marker={"size": 10, "color": BLUE}, name="mean IC"
    )
    return figure("Mean IC, 90 % interval; detectable IC (dashes)", points, *edges, xaxis=_sessions())


def _quantiles(look: Look) -> go.Figure:
    means = look["details"].get("quantile_returns") or []
    names = [str(place + 1) for place in range(len(means))]
    return figure(
        f"Mean return over {look['horizon']} sessions by quantile",
        go.Bar(x=names, y=means, marker_color=BLUE),
        xaxis={"type": "category", "title": {"text": "quantile of the score, low to high"}},
        yaxis={"tickformat": ".1%"},
    )


def _turnover(looks: Sequence[Look]) -> go.Figure:
    known = [look for look in looks if look["details"].get("turnover") is not None]
    traded = [look["details"]["turnover"] / look["details"].get("overlap", 1) for look in known]
    return figure(
        "Turnover a period, one way, of the tranches",
        go.Bar(x=[str(look["horizon"]) for look in known], y=traded, marker_color=BLUE),
        xaxis=_sessions(),
        yaxis={"tickformat": ".0%"},
    )


def _sessions() -> dict[str, Any]:
    return {"type": "category", "title": {"text": "horizon in sessions"}}

"""The figures of a signal's section, as plotly JSON: the page draws them when they are looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots
from scipy import stats

BLUE, ORANGE, GREY = "#2b6cb0", "#c05621", "#a0aec0"
TITLES = (
    "Monthly IC and its cumulative sum",
    "Mean IC by horizon, 90 % interval",
    "Mean return by quantile",
    "Turnover",
)


def figure(looks: Sequence[Mapping[str, Any]], decisive: int) -> str:
    """Four plots of one signal.

    looks : rows of `factor_evaluations`, one a horizon, each with `side`
    decisive : the horizon whose series is drawn
    """
    panels = make_subplots(2, 2, subplot_titles=TITLES, specs=[[{"secondary_y": True}, {}], [{}, {}]])
    shown = next((look for look in looks if look["horizon"] == decisive), looks[0])
    _series(panels, shown)
    _horizons(panels, looks)
    _quantiles(panels, shown)
    _turnover(panels, looks)
    panels.update_layout(
        template="plotly_white",
        height=640,
        margin={"l": 48, "r": 24, "t": 40, "b": 40},
        showlegend=False,
        font={"family": "system-ui, sans-serif", "size": 12},
    )
    return str(panels.to_json())


def _series(panels: go.Figure, look: Mapping[str, Any]) -> None:
    ic = np.array(look["gate_ic"], float) * look["side"]
    dates = [str(day) for day in look["gate_dates"]]
    panels.add_trace(go.Bar(x=dates, y=ic.round(4), marker_color=GREY, name="IC"), 1, 1)
    panels.add_trace(
        go.Scatter(x=dates, y=ic.cumsum().round(4), line_color=BLUE, name="cumulative"), 1, 1, secondary_y=True
    )


def _horizons(panels: go.Figure, looks: Sequence[Mapping[str, Any]]) -> None:
    known = [look for look in looks if look["gate_mean"] is not None and look["gate_sd"] is not None]
    names = [f"{look['horizon']} sessions" for look in known]
    reach = [stats.t.ppf(0.95, look["gate_n"] - 1) * look["gate_sd"] / np.sqrt(look["gate_n"]) for look in known]
    mean = [look["gate_mean"] * look["side"] for look in known]
    panels.add_trace(
        go.Scatter(x=names, y=mean, error_y={"array": reach}, mode="markers", marker={"size": 10, "color": BLUE}), 1, 2
    )
    for sign in (1, -1):
        edge = [sign * look["detectable_ic"] if look["detectable_ic"] is not None else None for look in known]
        panels.add_trace(
            go.Scatter(x=names, y=edge, mode="markers", name="detectable IC",
                       marker={"symbol": "line-ew-open", "size": 28, "color": ORANGE}), 1, 2,
        )  # fmt: skip
    panels.add_hline(y=0, line_color=GREY, line_width=1, row=1, col=2)


def _quantiles(panels: go.Figure, look: Mapping[str, Any]) -> None:
    means = look["details"].get("quantile_returns") or []
    names = [f"{place + 1}" for place in range(len(means))]
    panels.add_trace(go.Bar(x=names, y=means, marker_color=BLUE), 2, 1)
    panels.update_yaxes(tickformat=".1%", row=2, col=1)
    panels.update_xaxes(title_text=f"quantile of the score, low to high; next {look['horizon']} sessions", row=2, col=1)


def _turnover(panels: go.Figure, looks: Sequence[Mapping[str, Any]]) -> None:
    names = [f"{look['horizon']} sessions" for look in looks]
    turnover = [
        look["details"]["turnover"] / look["details"].get("overlap", 1) if look["details"].get("turnover") else None
        for look in looks
    ]
    panels.add_trace(go.Bar(x=names, y=turnover, marker_color=BLUE), 2, 2)
    panels.update_yaxes(tickformat=".0%", row=2, col=2)
    panels.update_xaxes(title_text="of the canonical portfolio, a period, one way", row=2, col=2)

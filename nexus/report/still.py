"""Charts as PNG files, for print and for other people's documents; each says for itself what it must not hide."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill, shorten
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, FuncFormatter, LogLocator, NullFormatter, PercentFormatter

from nexus.report.chart import EXPLORATORY, IN_SAMPLE, PALETTE, SHADE, Bars, Chart, Curves, Heat, Stamp
from nexus.report.words import money

WIDTH, HEIGHT, DPI = 6.4, 3.6, 160
DIVERGING = LinearSegmentedColormap.from_list("returns", ["#c53030", "#ffffff", "#2f855a"])
LOOK: dict[Any, Any] = {
    "text.parse_math": False,  # a dollar in a name is a dollar
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e2e8f0",
    "axes.axisbelow": True,
    "lines.linewidth": 1.2,
}


def save(chart: Chart, stamp: Stamp, folder: Path) -> Path:
    """Draw a chart into `folder` and return the file, which is named by its key."""
    path = folder / f"{chart.key}.png"
    with mpl.rc_context(LOOK):
        figure = Figure(figsize=(WIDTH, _height(chart)), dpi=DPI, layout="constrained")
        axes = figure.add_subplot()
        axes.set_title(chart.title, loc="left", fontsize=12)
        if isinstance(chart, Heat):
            _heat(axes, chart)
        elif isinstance(chart, Bars):
            _bars(axes, chart)
        else:
            _curves(axes, chart, stamp)
        _stamp(figure, stamp)
        figure.savefig(path, metadata={"Title": chart.title, "Description": "\n".join(stamp.lines)})
    return path


def _height(chart: Chart) -> float:
    if isinstance(chart, Heat):
        return 1.2 + 0.3 * len(chart.rows)
    return 1.6 + 0.25 * len(chart.names) * len(chart.bars) if isinstance(chart, Bars) else HEIGHT


def _stamp(figure: Figure, stamp: Stamp) -> None:
    if stamp.exploratory is not None:
        figure.text(
            0.5, 0.5, EXPLORATORY, fontsize=38, color="#9b2c2c", alpha=0.13, rotation=20, ha="center", va="center",
            weight="bold", zorder=10,
        )  # fmt: skip
    short = [fill(shorten(line, 240, placeholder=" ..."), 100) for line in stamp.lines]
    figure.supxlabel("\n".join(short), fontsize=8, color="#4a5568", x=0.01, ha="left")


def _curves(axes: Axes, chart: Curves, stamp: Stamp) -> None:
    for line, colour in zip(chart.lines, PALETTE, strict=False):
        if chart.steps:
            axes.bar(chart.x, line.values, width=25, color=colour, label=line.name)
        else:
            axes.plot(chart.x, line.values, color=colour, label=line.name)
        if chart.filled:
            axes.fill_between(chart.x, line.values, color=colour, alpha=0.3)
    if chart.timed:
        _shade(axes, chart, stamp)
    else:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: money(value)))
    if chart.log:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    elif chart.percent:
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=None))
    axes.set_xlabel(chart.x_title)
    if len(chart.lines) > 1:
        axes.legend(frameon=False, ncols=len(chart.lines), fontsize=9)


def _shade(axes: Axes, chart: Curves, stamp: Stamp) -> None:
    days = chart.days
    if stamp.cut is None or days[0] > np.datetime64(stamp.cut):
        return
    axes.axvspan(days[0], min(days[-1], np.datetime64(stamp.cut)), color=SHADE, alpha=0.18, lw=0, zorder=0)
    axes.set_title(f"shaded: {IN_SAMPLE}", loc="right", color="#744210", fontsize=9)


def _bars(axes: Axes, chart: Bars) -> None:
    thick = 0.8 / len(chart.bars)
    places = np.arange(len(chart.names))
    for k, (series, colour) in enumerate(zip(chart.bars, PALETTE, strict=False)):
        axes.barh(
            places + thick * (k - (len(chart.bars) - 1) / 2), series.values, thick, color=colour, label=series.name
        )
    axes.set_yticks(places, [shorten(name, 40, placeholder="...") or name[:40] for name in chart.names])
    axes.invert_yaxis()
    axes.axvline(0, color="#4a5568", lw=0.8)
    if chart.percent:
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=None))
    if len(chart.bars) > 1:
        axes.legend(frameon=False, fontsize=9)


def _heat(axes: Axes, chart: Heat) -> None:
    axes.imshow(chart.colours, DIVERGING, vmin=-1, vmax=1, aspect="auto")
    axes.set_xticks(range(len(chart.columns)), chart.columns)
    axes.set_yticks(range(len(chart.rows)), chart.rows)
    axes.tick_params(length=0)
    axes.grid(False)
    for row, words in enumerate(chart.words):
        for column, word in enumerate(words):
            axes.text(column, row, word, ha="center", va="center", fontsize=8)

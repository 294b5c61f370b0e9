from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nexus.maths.types import Ints
from nexus.report import still
from nexus.report.chart import Bars, Chart, Curves, Heat, Series, Stamp

DAYS = np.arange("2020-01-01", "2021-01-01", dtype="datetime64[D]")
STAMP = Stamp("nexus backtest 1: run", None, None)
CURVES = Curves("curves", "Curves", DAYS, [Series("one", np.linspace(1, 2, len(DAYS)))])
CHARTS: list[Chart] = [
    CURVES,
    replace(CURVES, lines=[Series("wide", np.geomspace(1, 100, len(DAYS)))] * 2, log=True),
    replace(CURVES, filled=True, percent=True),
    Curves("capital", "By capital", np.geomspace(1e5, 1e10, 6), [Series("net", np.array([2, 1, 0, -1, np.nan, -3]))]),
    Bars("bars", "Bars", ["one", "two"], [Series("a", np.array([1.0, -1.0])), Series("b", np.array([0.5, np.nan]))]),
    Heat("heat", "Heat", ["2020", "2021"], ["Jan", "Feb"], [["1.0", "-1.0"], ["", "2.0"]],
         np.array([[0.5, -0.5], [np.nan, 1]])),
]  # fmt: skip


def pixels(chart: Chart, stamp: Stamp, folder: Path) -> Ints:
    with Image.open(still.save(chart, stamp, folder)) as image:
        return np.asarray(image.convert("RGB"), np.int64)


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.key)
def test_the_word_runs_across_every_picture(chart: Chart, tmp_path: Path) -> None:
    two_lines = replace(STAMP, name="word " * 22)  # as the other has, so that the axes have the same place
    plain, marked = pixels(chart, two_lines, tmp_path), pixels(chart, replace(STAMP, exploratory="why"), tmp_path)
    height, width, _ = plain.shape
    middle = np.s_[height // 3 : 2 * height // 3, width // 3 : 2 * width // 3]
    assert (np.abs(plain - marked)[middle].max(axis=2) > 8).mean() > 0.02


def test_the_days_up_to_the_cut_are_shaded(tmp_path: Path) -> None:
    shaded = pixels(CURVES, replace(STAMP, cut=date(2020, 7, 1)), tmp_path)
    yellow = (shaded[..., 0] - shaded[..., 2] > 15) & (shaded[..., 0] > 230)
    columns = np.flatnonzero(yellow.mean(axis=0) > 0.3)
    assert 0.4 < np.ptp(columns) / shaded.shape[1] < 0.5
    assert not ((pixels(CURVES, STAMP, tmp_path) - shaded)[:10, -10:]).any()


def test_names_are_not_read_as_mathematics(tmp_path: Path) -> None:
    name = "$\\frac{1}{$ & <b>"
    bars = Bars("bars", name, [name], [Series(name, np.ones(1))] * 2)
    with Image.open(still.save(bars, Stamp(name, name * 30, None), tmp_path)) as image:
        assert image.text["Description"] == f"{name}\nEXPLORATORY: {name * 30}"  # type: ignore[attr-defined]

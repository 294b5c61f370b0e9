"""Tear sheets of runs on a small simulated market in a real database."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from parsed import Parsed
from PIL import Image
from recorded_runs import HOSTILE, Numbers, record
from trading_rows import judged, recorded

from nexus.cli.backtest import backtest
from nexus.db import backtests
from nexus.db.backtests import Recorded
from nexus.db.curve import COSTS, Curve
from nexus.db.engine import Database
from nexus.errors import InputError
from nexus.report.tearsheet import write
from nexus.settings import settings

TIMED = {"Growth of 1", "Drawdown", "Sharpe ratio of the last", "Exposure", "Turnover", "Costs"}


@dataclass(frozen=True)
class Sheet:
    run: Recorded
    curve: Curve
    path: Path
    page: Parsed

    @property
    def figures(self) -> dict[str, Any]:
        return dict(self.run.backtest.figures)

    @property
    def pictures(self) -> list[Path]:
        return sorted(self.path.with_suffix("").iterdir())


@pytest.fixture(scope="module")
def numbers(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Numbers]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEXUS_HOME", str(tmp_path_factory.mktemp("home")))
        for name, value in (("UNIVERSE", "SIM500"), ("MARKET", "SIMX"), ("SECTORS", "SIM")):
            patch.setenv(f"NEXUS_{name}", value)
        settings.cache_clear()
        yield record(database)
    settings.cache_clear()


def sheet(database: Database, number: int, folder: Path) -> Sheet:
    path = write(database, number, folder / f"{number}.html")
    with database.read() as connection:
        return Sheet(backtests.read(connection, number), backtests.curve(connection, number), path, Parsed.read(path))


@pytest.fixture(scope="module")
def stands(database: Database, numbers: Numbers, tmp_path_factory: pytest.TempPathFactory) -> Sheet:
    return sheet(database, numbers.stands, tmp_path_factory.mktemp("stands"))


@pytest.fixture(scope="module")
def exploratory(database: Database, numbers: Numbers, tmp_path_factory: pytest.TempPathFactory) -> Sheet:
    return sheet(database, numbers.exploratory, tmp_path_factory.mktemp("exploratory"))


@pytest.fixture(scope="module")
def nothing(database: Database, numbers: Numbers, tmp_path_factory: pytest.TempPathFactory) -> Sheet:
    return sheet(database, numbers.nothing, tmp_path_factory.mktemp("nothing"))


@pytest.fixture(scope="module")
def hostile(database: Database, numbers: Numbers, tmp_path_factory: pytest.TempPathFactory) -> Sheet:
    return sheet(database, numbers.hostile, tmp_path_factory.mktemp("hostile"))


def test_the_page_holds_the_figures_of_the_row(stands: Sheet) -> None:
    told, said = stands.figures, stands.page.text
    for label, value in (
        ("growth a year", f"{100 * told['cagr']:+.2f} %"),
        ("Sharpe ratio", f"{told['sharpe']:.2f}"),
        ("deepest drawdown", f"{100 * told['max_drawdown']:.2f} %"),
        ("turnover a year, one way", f"{told['turnover']:.2f}"),
        ("impact a year, over equity", f"{100 * told['costs']['impact']:.2f} %"),
        ("alpha a year", f"{100 * told['market']['alpha']:+.2f} % {told['market']['alpha_t']:+.2f}"),
        ("market", f"{told['market']['betas'][0]:+.3f} {told['market']['betas_t'][0]:+.2f}"),
    ):
        assert f" {label} {value} " in said
    assert f"{told['deflated_sharpe']:.2f} (deflated)" in said and f"best of {told['trials']['number']} trials" in said
    assert "nexus backtest reproduce" in said and "10,000" not in said and "1,000,000" in said


def test_each_signal_has_its_verdict_with_m_and_power(stands: Sheet) -> None:
    verdict = stands.figures["signals"]["P1"]
    row = f"P1 1 approved pass {verdict['t_stat']:+.2f} {verdict['gate_p'] * verdict['m']:.2g} {verdict['m']} "
    assert f"{row}{verdict['detectable_ic']:.3f} " in stands.page.text
    assert (
        f"An IC of {verdict['detectable_ic']:.3f} would have been found with a probability of 80 %" in stands.page.text
    )


def test_what_is_drawn_is_the_account(stands: Sheet) -> None:
    curve, draw = stands.curve, stands.page.drawing
    net, before, benchmark = draw("Growth of 1")["data"]
    assert net["y"][-1] == pytest.approx(curve.equity[-1] / curve.equity[0], rel=1e-5)
    assert before["y"][-1] > net["y"][-1] and benchmark["y"][0] == 1
    assert min(draw("Drawdown")["data"][0]["y"]) == pytest.approx(stands.figures["max_drawdown"], rel=1e-5)
    rolling = draw("Sharpe ratio of the last 252")["data"][0]["y"]
    assert rolling[250] is None and rolling[251] is not None
    paid = [line["y"][-1] for line in draw("Costs")["data"]]
    years = stands.figures["sessions"] / 252
    assert paid == pytest.approx([stands.figures["costs"][kind] * years for kind in COSTS], rel=1e-5)
    long, short, held = ([*line["y"]] for line in draw("Exposure")["data"])
    assert np.mean(long) - np.mean(short) == pytest.approx(stands.figures["gross"], rel=1e-4)
    assert np.mean(held) == pytest.approx(stands.figures["net"], abs=1e-5)
    turned = sum(draw("Turnover")["data"][0]["y"])
    assert turned == pytest.approx(stands.figures["turnover"] * years, rel=1e-4)


def test_months_compound_to_years_and_years_to_the_whole(stands: Sheet) -> None:
    cells = stands.page.drawing("Monthly returns")["data"][0]["text"]
    months, years = [row[:-1] for row in cells], [float(row[-1]) for row in cells]
    grown = [100 * (np.prod([1 + float(cell) / 100 for cell in row if cell]) - 1) for row in months]
    assert grown == pytest.approx(years, abs=0.7)
    assert np.prod([1 + year / 100 for year in years]) == pytest.approx(
        stands.curve.equity[-1] / stands.curve.equity[0], abs=0.005
    )


def test_sectors_share_out_what_the_companies_earned(stands: Sheet) -> None:
    (bars,) = stands.page.drawing("Contribution by sector")["data"]
    earned = sum(profit - cost for profit, cost in stands.figures["by_company"].values())
    assert sum(bars["x"]) == pytest.approx(earned / stands.curve.equity[0], rel=1e-4)
    assert len(bars["y"]) > 3 and bars["x"] == sorted(bars["x"], reverse=True)


def test_signals_are_drawn_where_there_are_several(stands: Sheet, exploratory: Sheet) -> None:
    alone, without = exploratory.page.drawing("Contribution by signal")["data"]
    told = exploratory.figures["by_signal"]
    assert alone["y"] == ["P1", "P2"] == list(told)
    assert alone["x"] == pytest.approx([told[name]["alone"]["sharpe"] for name in told], rel=1e-5)
    assert without["x"] == pytest.approx(alone["x"][::-1])
    assert "Contribution by signal" not in str([one["layout"]["title"] for one in stands.page.drawings])


def test_every_drawing_is_a_file_and_in_the_page(stands: Sheet) -> None:
    assert len(stands.pictures) == len(stands.page.drawings) == stands.page.tags["img"] == 9
    inside = {b64decode(link.split(",", 1)[1]) for link in stands.page.links if link.startswith("data:")}
    assert inside == {picture.read_bytes() for picture in stands.pictures}


@pytest.mark.parametrize("name", ["stands", "exploratory", "nothing", "hostile"])
def test_nothing_is_fetched(request: pytest.FixtureRequest, name: str) -> None:
    assert request.getfixturevalue(name).page.fetched == []


def test_an_exploratory_run_says_so_on_everything(exploratory: Sheet) -> None:
    reason = "EXPLORATORY : to see P2, which fell"
    assert exploratory.page.text.lstrip().startswith("EXPLORATORY: nexus backtest")  # the title, and what is printed
    assert reason in exploratory.page.text
    assert "EXPLORATORY to see P2, which fell" in exploratory.page.text  # the watermark
    for picture in exploratory.pictures:
        with Image.open(picture) as image:
            assert "EXPLORATORY: to see P2, which fell" in image.text["Description"]  # type: ignore[attr-defined]


def test_another_run_never_says_it(stands: Sheet, nothing: Sheet) -> None:
    for one in (stands, nothing):
        assert "EXPLORATORY" not in one.path.read_text(encoding="utf-8")
        assert not any(b"EXPLORATORY" in picture.read_bytes() for picture in one.pictures)


def test_all_that_was_seen_before_the_approval_is_labelled(stands: Sheet) -> None:
    cut, last = stands.run.backtest.selection_cut, stands.curve.sessions[-1].item()
    assert cut is not None and cut > last
    assert f"All of this is in-sample selection: it ends before {cut}" in stands.page.text
    assert " net of costs in-sample selection growth" in stands.page.text and "whole" not in stands.page.text
    check_shade(stands.page, last)


def test_a_curve_is_shaded_up_to_its_cut_and_no_further(hostile: Sheet) -> None:
    cut = hostile.run.backtest.selection_cut
    assert cut is not None
    assert f"Up to {cut}, the latest approval among its signals, the curve is in-sample" in hostile.page.text
    assert " whole in-sample selection after the selection " in hostile.page.text
    check_shade(hostile.page, cut)


def check_shade(page: Parsed, last: date) -> None:
    timed = [one for one in page.drawings if one["layout"]["title"]["text"].startswith(tuple(TIMED))]
    assert len(timed) == len(TIMED)
    for drawing in timed:
        (box,) = drawing["layout"]["shapes"]
        assert box["x0"] == drawing["data"][0]["x"][0]
        assert box["x1"] == min(str(last), drawing["data"][0]["x"][-1])
        assert drawing["layout"]["annotations"][0]["text"] == "in-sample selection"


def test_as_approved_with_nothing_approved_is_one_sentence(nothing: Sheet) -> None:
    assert "Nothing stood approved at any year-end, so the account held cash throughout" in nothing.page.text
    assert "Net of costs" not in nothing.page.text and "in-sample" not in nothing.page.text
    assert set(nothing.page.drawing("Growth of 1")["data"][0]["y"]) == {1}
    assert "Net Sharpe ratio by capital" not in nothing.page.text


def test_hostile_names_stay_names(hostile: Sheet, stands: Sheet) -> None:
    assert hostile.page.text.count(HOSTILE) > 8
    assert hostile.page.tags["script"] == 2 + len(hostile.page.drawings)
    assert hostile.page.tags["img"] == len(hostile.page.drawings) == len(stands.page.drawings) + 1
    assert "onerror" not in hostile.page.attributes
    (bars, _) = hostile.page.drawing("Contribution by signal")["data"]
    assert "<" not in bars["y"][0]  # plotly takes some tags for its own


def test_an_unknown_run_is_named(database: Database, numbers: Numbers, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="backtest 4711: unknown"):
        write(database, 4711, tmp_path / "no.html")
    assert list(tmp_path.iterdir()) == []


def test_a_row_that_tells_too_little_is_refused(database: Database, numbers: Numbers, tmp_path: Path) -> None:
    number = recorded(database, judged(database, "bare"))
    with pytest.raises(InputError, match=f"backtest {number}: its row does not tell approved, .*run its spec"):
        write(database, number, tmp_path / "no.html")
    assert list(tmp_path.iterdir()) == []


def test_the_command_writes_the_page(
    database: Database, numbers: Numbers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nexus.cli.backtest.database", lambda: database)
    monkeypatch.setenv("NEXUS_REPORTS_DIR", str(tmp_path / "reports"))
    settings.cache_clear()
    page, to = tmp_path / "reports" / f"backtest-{numbers.exploratory}.html", tmp_path / "some where" / "sheet.html"
    for number, path, said in (
        (numbers.exploratory, page, f"EXPLORATORY {page.as_uri()}"),
        (numbers.nothing, to, to.as_uri()),
    ):
        done = CliRunner().invoke(
            backtest, ["tearsheet", str(number), *(["--to", str(path.with_suffix(""))] if path == to else [])]
        )
        assert (done.exit_code, done.output.strip()) == (0, said)
        assert path.exists() and (path.with_suffix("") / "equity.png").exists()

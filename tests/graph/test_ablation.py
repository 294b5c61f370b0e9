"""The ablation: its statistics against scipy and statsmodels, and a whole small run that is killed and goes on."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from graph.node_market import QUICK, NodeMarket, build_market, own_settings
from scipy import stats
from statsmodels.stats.multitest import multipletests

from nexus.contract.splits import Chunk, Plan
from nexus.db.engine import Database
from nexus.errors import InputError
from nexus.graph.gnn.node_task import NodeExamples
from research.ablation import ablate
from research.role_aware.arms import FULL, arms
from research.role_aware.figures import Outcomes, metric, outcomes, verdict
from research.role_aware.fits import Asked, Fit, Readied

ROOT = Path(__file__).parents[2]
DAYS = np.array([f"20{year}-{month:02d}-28" for year in (11, 12, 13) for month in range(1, 13)], "datetime64[D]")


def drawn(seed: int = 0) -> dict[str, np.ndarray]:
    """Two arms that lose something, one that loses nothing, five seeds, dates in common."""
    random = np.random.default_rng(seed)
    date = random.normal(0.03, 0.08, len(DAYS))
    lost = {FULL: 0.0, "no_pearl": 0.03, "gat_baseline": 0.02, "without_board": 0.0}
    return {arm: date - gap + random.normal(0, 0.02, (5, len(DAYS))) for arm, gap in lost.items()}


def test_statistics_are_those_of_scipy_and_statsmodels() -> None:
    ics = drawn()
    found = verdict(ics, DAYS)
    assert found.rows[0].arm == FULL and found.dates == 36 and found.dropped == 0 and found.seeds == 5
    tests = {arm: stats.ttest_rel(ics[FULL].mean(axis=0), series.mean(axis=0)) for arm, series in ics.items()}
    adjusted = multipletests([tests[row.arm].pvalue for row in found.rows[1:]], method="holm")[1]
    for row, holm in zip(found.rows[1:], adjusted, strict=True):
        assert row.t == pytest.approx(tests[row.arm].statistic, rel=1e-9)
        assert row.p == pytest.approx(tests[row.arm].pvalue, rel=1e-9)
        assert row.holm == pytest.approx(holm, rel=1e-9)
        assert row.ic == pytest.approx(ics[row.arm].mean())
        assert row.sd_seeds == pytest.approx(np.std(ics[row.arm].mean(axis=1), ddof=1))
    assert {row.arm: row.reading for row in found.rows[1:]} == {
        "no_pearl": "helps", "gat_baseline": "helps", "without_board": "noise",
    }  # fmt: skip


def test_a_gain_inside_the_noise_is_called_noise_however_little_the_seeds_vary() -> None:
    """Twenty ablations of nothing: by seeds alone many would seem real; over dates at most one does."""
    called, real_by_seeds = [], 0
    for seed in range(20):
        random = np.random.default_rng(seed)
        ics = {
            arm: random.normal(0.02, 0.08, len(DAYS)) + random.normal(0, 1e-4, (5, len(DAYS)))
            for arm in (FULL, "no_pearl")
        }
        row = verdict(ics, DAYS).rows[1]
        real_by_seeds += abs(row.gain or 0) > 5 * (row.sd_seeds or 0)
        called.append(row.reading)
    assert real_by_seeds >= 18 and called.count("noise") >= 18


def test_dates_that_an_arm_lacks_count_for_none() -> None:
    ics = drawn()
    ics["no_pearl"][2, 5] = np.nan
    ics[FULL][:, 7] = np.nan
    found = verdict(ics, DAYS)
    kept = np.setdiff1d(np.arange(36), [5, 7])
    assert (found.dates, found.dropped) == (34, 2)
    assert found.rows[0].ic == pytest.approx(ics[FULL][:, kept].mean())
    with pytest.raises(InputError, match="same in every arm"):
        verdict({**ics, "no_pearl": ics["no_pearl"][:3]}, DAYS)


def test_an_arm_that_is_the_full_model_has_no_t_and_is_noise() -> None:
    ics = drawn()
    row = verdict({FULL: ics[FULL], "without_board": ics[FULL].copy()}, DAYS).rows[1]
    assert row.t is None and row.p == 1.0 and row.holm == 1.0 and row.reading == "noise"


def long(scores: np.ndarray, arm: str = FULL, seed: int = 0) -> pd.DataFrame:
    place = [(day, company) for day in range(scores.shape[0]) for company in range(scores.shape[1])]
    rows = [(arm, seed, DAYS[day].item(), company, scores[day, company]) for day, company in place]
    return pd.DataFrame(rows, columns=["arm", "seed", "as_of", "company_id", "score"]).dropna()


def test_the_metric_is_spearmans_of_each_seed_and_date() -> None:
    random = np.random.default_rng(3)
    returns = random.normal(size=(4, 30))
    returns[0, :12] = np.nan  # 18 names are too few
    said = [random.normal(size=(4, 30)), random.normal(size=(4, 30))]
    said[1][2] = 0.7  # says the same of everyone
    came = Outcomes(DAYS[:4], np.arange(30), returns, np.full((4, 30), np.nan), 1)
    made = metric(pd.concat([long(each, seed=seed) for seed, each in enumerate(said)]), came)[FULL]
    assert np.isnan(made[:, 0]).all() and made[1, 2] == 0
    for seed, day in ((0, 1), (0, 2), (1, 1), (1, 3)):
        assert made[seed, day] == pytest.approx(stats.spearmanr(said[seed][day], returns[day]).statistic)


def test_where_windows_overlap_the_metric_is_in_calendar_time() -> None:
    random = np.random.default_rng(4)
    one_period, said = random.normal(size=(6, 40)), random.normal(size=(6, 40))
    one_period[-1] = np.nan
    came = Outcomes(DAYS[:6], np.arange(40), np.full((6, 40), np.nan), one_period, 3)
    made = metric(long(said), came)[FULL][0]
    assert np.isnan(made[:2]).all() and np.isnan(made[-1])
    ranks = stats.rankdata(said, axis=1)
    for day in (2, 3, 4):  # nobody is missing, so the norms are equal and the sum of ranks has the same order
        expected = stats.spearmanr(ranks[day - 2 : day + 1].sum(axis=0), one_period[day]).statistic
        assert made[day] == pytest.approx(expected, abs=1e-9)


def test_arms_are_the_full_model_less_one_part_each() -> None:
    found = {arm.name: arm for arm in arms(["holds", "supplies"], {"hidden": 64, "pearl_dim": 8})}
    assert list(found) == [
        "full", "gat_baseline", "no_pearl", "no_relation_weights", "without_holds", "without_supplies",
    ]  # fmt: skip
    full = found["full"].params
    changed = {name: {key for key in arm.params if arm.params[key] != full.get(key)} for name, arm in found.items()}
    assert changed["no_pearl"] == {"pearl"} and changed["no_relation_weights"] == {"relation_weights"}
    assert changed["without_holds"] == {"without"} and found["without_holds"].params["without"] == ["holds"]
    assert changed["gat_baseline"] == set() and found["gat_baseline"].params["hidden"] == 64
    assert [arm.name for arm in arms(["holds"], {}, ["no_pearl"])] == ["full", "no_pearl"]
    with pytest.raises(InputError, match="no_perl"):
        arms(["holds"], {}, ["no_perl"])


def test_a_fit_on_another_device_is_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = date(2010, 1, 29)
    ready = Readied(Chunk(0, (day,), (day,), (day,), day, day), NodeExamples((), 0), NodeExamples((), 0), None, "data")
    fit = Fit(arms([], {})[0], 0, ready)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert fit.path(tmp_path, "auto") == fit.path(tmp_path, "cpu")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert fit.path(tmp_path, "auto") == fit.path(tmp_path, "cuda") != fit.path(tmp_path, "cpu")


@pytest.fixture(scope="module")
def market(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeMarket]:
    with own_settings(database, tmp_path_factory.mktemp("home")):
        yield build_market(database)


def test_a_run_that_was_killed_goes_on_by_the_command_line_and_ends_the_same(
    market: NodeMarket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    common = {**QUICK, "layers": 1, "epochs": 1}
    plan = Plan(date(2006, 5, 1), date(2007, 8, 31), first_train_months=6, validation_months=3, test_months=4)
    asked = Asked(plan, 2, common, tmp_path / "whole", ["gat_baseline", "without_supplies"])
    whole = ablate(market.database, asked, iter)
    assert [row.arm for row in whole.rows] == ["full", "gat_baseline", "without_supplies"]
    assert (whole.seeds, whole.overlap) == (2, 1) and whole.dates >= 4
    assert all(row.holm >= row.p for row in whole.rows[1:] if row.holm is not None and row.p is not None)

    done = 0
    real = Fit._scores

    def killed_after_three(fit: Fit, device: str) -> pd.DataFrame:
        nonlocal done
        done += 1
        if done == 4:
            raise KeyboardInterrupt
        return real(fit, device)

    killed = tmp_path / "home" / "ablation"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Fit, "_scores", killed_after_three)
        ablate(market.database, replace(asked, folder=killed), iter)
    kept = {path.name: path.stat().st_mtime_ns for path in killed.iterdir()}
    assert len(kept) == 3 and all(name.endswith(".parquet") for name in kept)

    command = [sys.executable, "-m", "research.ablation", "--seeds", "2", "--arms", "gat_baseline,without_supplies",
               "--from", "2006-05-01", "--to", "2007-08-31", "--train-months", "6", "--validation-months", "3",
               "--test-months", "4", "--home", str(tmp_path / "home"), "--out", str(tmp_path / "out.json"),
               *(f"--set={name}={value}" for name, value in common.items())]  # fmt: skip
    said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert "2 seeds are few" in said.stdout and "gat_baseline" in said.stdout
    names = re.compile(r"ablation \d/6 [a-z_]+-chunk\d+-seed\d+ \(\d+ s\)")
    assert all(names.fullmatch(line) for line in progress(said.stderr))
    found = json.loads((tmp_path / "out.json").read_text())
    assert {name: found[name] for name in whole.as_json()} == json.loads(json.dumps(whole.as_json()))
    after = {path.name: path.stat().st_mtime_ns for path in killed.iterdir()}
    assert {name: after[name] for name in kept} == kept
    assert len(after) == 3 * 2 * len(chunk_numbers(after)) and len(chunk_numbers(after)) >= 2


def progress(stderr: str) -> list[str]:
    return [line for line in stderr.splitlines() if line.startswith("ablation ")] or pytest.fail(stderr)


def chunk_numbers(names: dict[str, int]) -> set[str]:
    return {name.split("-chunk")[1][:3] for name in names}


def test_outcomes_are_those_of_the_examples(market: NodeMarket) -> None:
    from nexus.graph.gnn.role_aware import ROLE_AWARE

    days = market.days[24:27]
    came = outcomes(market.database, days, 21)
    for place, example in enumerate(ROLE_AWARE.examples(market.panel(), days).dates):
        told = np.isfinite(example.forward)
        at = np.searchsorted(came.companies, example.nodes.companies[told])
        np.testing.assert_allclose(came.forward[place, at], example.forward[told], rtol=1e-12)


def test_help_loads_neither_torch_nor_pandas() -> None:
    told = "import sys; from research.ablation import main; main(['--help'], standalone_mode=False); "
    told += "print([name for name in ('torch', 'pandas', 'numba') if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert found.stdout.strip().endswith("[]") and "--seeds" in found.stdout

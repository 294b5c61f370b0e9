"""Each check of embeddings on vectors that should pass it and on vectors that should not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from graph.link_graphs import SUPPLY, graph

from nexus.db.engine import Database
from nexus.errors import InputError
from research._validate_embeddings import (
    PEERS,
    Space,
    checks,
    collapse,
    cosines_of,
    cosines_of_links,
    deviation,
    draw_map,
    flat,
    main,
    neighbours,
    norms,
    ordering,
    sectors,
)

N, DIM = 60, 16


@pytest.fixture
def clustered() -> Space:
    """Six sectors, each around a direction of its own."""
    random = np.random.default_rng(0)
    codes = np.arange(N) % 6
    centres = random.standard_normal((6, DIM))
    vectors = centres[codes] + 0.5 * random.standard_normal((N, DIM))
    return Space(np.datetime64("2020-01-31"), np.arange(100, 100 + N), vectors, [f"C{i}" for i in range(N)], codes)


@pytest.fixture
def noise(clustered: Space) -> Space:
    return replace(clustered, vectors=np.random.default_rng(1).standard_normal((N, DIM)))


def test_sound_vectors_pass_and_broken_ones_do_not(noise: Space) -> None:
    assert deviation(noise).outcome == norms(noise).outcome == collapse(noise).outcome == "PASS"
    line = replace(noise, vectors=np.outer(noise.vectors[:, 0], np.ones(DIM)))
    assert deviation(line).outcome == collapse(line).outcome == "FAIL"
    dead = noise.vectors.copy()
    dead[:, :10] = 3.0
    assert "10 without any" in deviation(replace(noise, vectors=dead)).why
    for value in (0.0, 1e4, np.nan):
        broken = noise.vectors.copy()
        broken[3] = value
        assert norms(replace(noise, vectors=broken)).outcome == "FAIL"


def test_neighbours_of_ones_own_sector_are_more_than_chance_only_where_planted(clustered: Space, noise: Space) -> None:
    assert sectors(clustered).outcome == "PASS" and sectors(noise).outcome == "FAIL"
    few = replace(clustered, sectors=np.where(np.arange(N) < 10, clustered.sectors, -1))
    assert sectors(few).outcome == "UNDECIDABLE" and "10 companies with a sector" in sectors(few).why


def test_pairs_are_ordered_by_their_cosines(clustered: Space, noise: Space) -> None:
    near, far = "C0/C6,C1/C7,C2/C8,C3/C9,C4/C10", "C0/C1,C1/C2,C2/C3,C3/C4,C4/C5"
    words = ("peers", "distributor pairs")
    told = [ordering("peers", cosines_of(s, near)[0], cosines_of(s, far)[0], words) for s in (clustered, noise)]
    assert [check.outcome for check in told] == ["PASS", "FAIL"]
    values, found = cosines_of(clustered, "C0/C6,C0/NOBODY")
    a, b = clustered.vectors[0], clustered.vectors[6]
    assert found == ["C0/C6"] and values[0] == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    assert ordering("peers", values, values, words).outcome == "UNDECIDABLE"
    with pytest.raises(InputError, match="write A/B,C/D"):
        cosines_of(clustered, "C0-C6")


def test_tied_companies_are_compared_with_free_ones(clustered: Space) -> None:
    ids = clustered.ids.tolist()
    pairs = {(a, b) for a in ids for b in ids if a != b and (a - b) % 12 == 0}
    snapshot = graph(0, {"company": [*ids, 500]}, {SUPPLY: pairs | {(500, ids[0])}})
    tied, free = cosines_of_links(clustered, snapshot)
    assert len(tied) == len(pairs) and tied.mean() > 0.5 > free.mean()
    outcomes = {check.name: check.outcome for check in checks(clustered, snapshot, PEERS, PEERS)}
    assert outcomes["supply"] == "PASS" and outcomes["peers"] == "UNDECIDABLE"
    nothing = cosines_of_links(clustered, graph(0, {"company": ids}, {}))
    assert [len(each) for each in nothing] == [0, 0]


def test_neighbours_are_the_nearest_by_cosine(clustered: Space) -> None:
    ((name, told),) = neighbours(clustered, ["C0", "NOBODY"], k=3)
    cosine = clustered.cosines[0].copy()
    cosine[0] = -np.inf
    assert name == "C0" and [part.split()[0] for part in told.split(", ")] == [f"C{i}" for i in np.argsort(-cosine)[:3]]


def test_the_map_is_of_the_principal_components(clustered: Space, tmp_path: Path) -> None:
    points, share = flat(clustered)
    covariance = np.cov(clustered.vectors.T)
    eigenvalues = np.sort(np.linalg.eigvalsh(covariance))[::-1]
    np.testing.assert_allclose(points.var(axis=0, ddof=1), eigenvalues[:2])
    np.testing.assert_allclose(share, eigenvalues[:2] / eigenvalues.sum())
    path = tmp_path / "reports" / "map.png"
    draw_map(clustered, path)
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" and path.stat().st_size > 20_000


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--of", "C0,NOPE"], "ticker NOPE is not among the embeddings of 2020-01-31"),
        (["--peers", "C0/NOPE"], "ticker NOPE is not among the embeddings of 2020-01-31"),
        (["--distributors", "C0/C1,NOPE/C1"], "ticker NOPE is not among"),
        (["--peers", "C0-C1"], "pair 'C0-C1': write A/B,C/D"),
        (["--distributors", "C0/"], "pair 'C0/': write A/B,C/D"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_anything_is_printed(
    clustered: Space, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    snapshot = graph(0, {"company": clustered.ids.tolist()}, {})
    monkeypatch.setattr("research._validate_embeddings.database", lambda: Database.at("postgresql:///none"))
    monkeypatch.setattr("research._validate_embeddings.read", lambda *_: (clustered, snapshot))
    said = CliRunner().invoke(main, arguments)
    assert isinstance(said.exception, InputError) and words in str(said.exception)
    assert said.output == ""

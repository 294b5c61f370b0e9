"""The battery is tested itself: the honest pass it, and each planted cheat is caught by the check that is for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from contract import battery, cheats
from contract.battery import CHECKS, gather, same

from nexus.db.engine import Database

CAUGHT = {
    "HONEST": set(),
    "PEEKING": {"is_blind", "learns_blind"},
    "FAR_SIGHTED": {"is_blind", "resumes", "is_explained"},
    "MOODY": {"repeats", "is_blind", "resumes", "learns_blind", "is_stamped"},
}


@pytest.mark.parametrize("name", CAUGHT)
def test_each_cheat_is_caught_by_the_check_that_is_for_it(simulated: Database, tmp_path: Path, name: str) -> None:
    evidence = gather(simulated, f"{cheats.__name__}:{name}", {"batch": 100}, tmp_path)
    caught = {}
    for check in CHECKS:
        try:
            check(evidence)
        except AssertionError as error:
            caught[check.__name__] = str(error)
    assert set(caught) == CAUGHT[name], caught


def test_a_module_that_fails_is_no_pass(simulated: Database, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="no parameter 'widht'"):
        gather(simulated, f"{cheats.__name__}:HONEST", {"widht": 3}, tmp_path)
    with pytest.raises(AttributeError, match="NOBODY"):
        gather(simulated, f"{cheats.__name__}:NOBODY", {}, tmp_path)


def test_equal_to_the_bit_whatever_the_order() -> None:
    frame = pd.DataFrame(
        {"company_id": [2, 1], "x": [0.1, 0.2], "name": ["b", "a"], "v": [np.ones(2, "f4"), np.zeros(2, "f4")]}
    )
    assert same(frame, frame.iloc[::-1])
    assert not same(frame, frame.assign(x=[np.nextafter(0.1, 1), 0.2]))
    assert not same(frame, frame.assign(name=["a", "b"]))
    assert not same(frame, frame.assign(v=[np.ones(2, "f4"), np.full(2, 1e-38, "f4")]))
    assert not same(frame, frame.head(1)) and not same(frame, frame.drop(columns="x"))
    assert battery.same(frame.assign(x=np.nan), frame.assign(x=np.nan))

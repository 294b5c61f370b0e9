"""Which evaluation a signal trades on."""

from __future__ import annotations

import numpy as np
import pytest
from ledger_rows import N, declaration, declare, look, looks, months
from sqlalchemy import text
from trading_rows import company, recorded

from nexus.db import ledger, registry, standing, tradable
from nexus.db.backtests import Traded
from nexus.db.engine import Database
from nexus.errors import InputError, RefusedError


@pytest.fixture(scope="module", autouse=True)
def registered(database: Database) -> None:
    """`kept` fell at its second look of four, `reversed` is `first` upside down, `weak` does not stand."""
    company(database, "one", "two")
    kept, first, weak = declare(database, *(declaration(name) for name in ("kept", "first", "weak")))
    looks(database, kept, [{}, {"stable": False}, {}, {}])
    look(database, first, portfolio_n=30, portfolio_mean=0.02, portfolio_sd=0.1)
    look(database, weak, gate_t=1.0, portfolio_n=23, portfolio_mean=0.5, portfolio_sd=0.1)
    with database.write() as connection:
        ledger.declare(connection, [(declaration("reversed"), first.hypothesis_no, -1)])
        found = standing.verdicts(connection)
        registry.upsert(connection, [registry.Signal.of(verdict, "price", {}) for verdict in found])


def test_a_standing_signal_names_its_latest_look_and_since_when_it_is_approved(database: Database) -> None:
    with database.read() as connection:
        (found,) = tradable.signals(connection, ["kept"])
        made = connection.scalars(text("SELECT evaluated_at FROM factor_evaluations WHERE factor = 'kept' ORDER BY 1"))
        at = made.all()
    assert (found.evaluation_id, found.factor, found.version, found.side) == (4, "kept", "1", 1)
    assert found.verdict.status == "approved" and found.verdict.look_no == 4
    assert found.approved_at == at[2]
    assert found.seen_to == months(N + 36)[-1].item()


def test_a_signal_that_is_another_upside_down_trades_that_ones_evaluation(database: Database) -> None:
    with database.read() as connection:
        one, two = tradable.signals(connection, ["reversed", "first"])
    assert (one.name, one.factor, one.side, two.side) == ("reversed", "first", -1, 1)
    assert one.evaluation_id == two.evaluation_id
    recorded(database, Traded(one.evaluation_id, one.name, one.factor, one.version, -1.0))


def test_all_that_do_not_stand_are_named(database: Database) -> None:
    with (
        pytest.raises(RefusedError, match=r"signal weak is rejected \(verdict \w+, .*--exploratory --because"),
        database.read() as connection,
    ):
        tradable.signals(connection, ["kept", "weak"])
    with database.read() as connection:
        assert tradable.signals(connection, ["weak"], exploratory=True)[0].approved_at is None


def test_an_unknown_signal_is_named(database: Database) -> None:
    with database.read() as connection:
        for name, remedy in (("wek", "did you mean weak"), ("zzz", "run `nexus signals register`")):
            with pytest.raises(InputError, match=f"signal {name}: not in the registry; {remedy}"):
                tradable.signals(connection, [name], exploratory=True)


def test_trial_sharpes_are_of_long_enough_portfolios(database: Database) -> None:
    with database.read() as connection:
        assert np.allclose(tradable.trial_sharpes(connection), [0.2])

"""What one session does to an account, from the facts as some load and some moment tell them."""

from __future__ import annotations

from datetime import date
from functools import cache
from hashlib import sha256
from pathlib import Path

import nexus
from nexus.backtest.run import code_hash
from nexus.db.engine import Database
from nexus.db.evening import Evening
from nexus.db.paper import State
from nexus.paper.accounts import Trading
from nexus.paper.book import Book, last_closes
from nexus.paper.decide import Occasion, Targets, decision, targets
from nexus.paper.evening import Told, opening, process
from nexus.paper.tape import LONG, SHORT, Seen, read_tape


def settle(
    database: Database,
    trading: Trading,
    day: date,
    state: State | None,
    why: Occasion | None,
    seen: Seen,
    before: Seen,
) -> Evening:
    """What one session does to an account; nothing is written.

    why : there is a decision at the close
    seen : what is read; `before` what was read on the evening before
    """
    wanted = Targets.nothing()
    if why is not None:
        wanted = targets(database, trading.spec, trading.signals, day, frozenset(why.lost), seen)
        seen = Seen(wanted.load_id or seen.load_id, seen.as_of)
    own = set() if state is None else state.companies
    companies = own | set(wanted.companies.tolist())
    tape = read_tape(database, companies, day, seen, days=SHORT if why is None else LONG)
    decided = None if why is None else decision(tape, wanted, why)
    told = Told(day, tape.load_id, code_version(), tape.level)
    if state is None:
        marks = last_closes(tape.market, tape.row)
        return opening(Book.opened(tape.companies, trading.account.capital, marks), told, trading.spec.rules, decided)
    late = tape.told_late(read_tape(database, own, state.session, before)) if own else []
    book = Book.of(tape.companies, state, last_closes(tape.market, tape.row - 1))
    return process(book, late, tape.session(), told, trading.spec.rules, decided)


@cache
def code_version() -> str:
    """Release, and the digest of the code that trades."""
    own = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
    return f"{nexus.__version__}+{sha256(code_hash().encode() + own).hexdigest()[:12]}"

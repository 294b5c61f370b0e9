"""`nexus paper`: accounts that trade what passed, an evening at a time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nexus.cli.output import as_json_option, database, emit, say, table

if TYPE_CHECKING:
    from nexus.db.evening import Evening
    from nexus.paper.reconcile import Reconciled
    from nexus.paper.status import Status
    from nexus.paper.trader import Ran

DAY = click.DateTime(["%Y-%m-%d"])
WAITING, OVERDUE, BUSY = 5, 6, 7
SEVERITY = (0, WAITING, BUSY, OVERDUE, 4, 3, 2)
"""Exit statuses from nothing to say to the worst, of several accounts the worst counts."""
ACCOUNTS = ["account", "backtest", "capital", "last session", "equity", "earned", "evenings", "replayed", "positions",
            "open orders", "due", "remark"]  # fmt: skip
today_option = click.option("--today", type=DAY, help="As if on the night of that day  [default: now]")


@click.group()
def paper() -> None:
    """Trade what passed on paper, an evening at a time."""


@paper.command("open")
@click.argument("name")
@click.option("--backtest", "number", type=int, required=True, help="Recorded run, not an exploratory one.")
@click.option("--capital", type=float, help="[default: the run's]")
@click.option(
    "--start", type=DAY, help="First session  [default: the newest that can still be traded on]; earlier is a replay."
)
def open_(name: str, number: int, capital: float | None, start: datetime | None) -> None:
    """Open account NAME on a backtest whose signals stand."""
    from nexus.paper.accounts import open_account

    opened = open_account(database(), name, number, capital, _day(start))
    say(f"account {name}: {opened.capital:,.2f} on backtest {number}, from {opened.opened_session} on")


@paper.command()
@click.argument("names", nargs=-1)
@click.option("--from", "path", type=click.Path(path_type=Path), help="Python file with factors of yours.")
@today_option
@click.option("--as-is", is_flag=True, help="Do not wait for prices and scores: process with what is there.")
@click.option("--patience", default=12.0, show_default=True, help="Hours after a close until its data are overdue.")
@as_json_option
def run(
    names: tuple[str, ...], path: Path | None, today: datetime | None, as_is: bool, patience: float, as_json: bool
) -> None:
    """Process the sessions that have closed since the last time, of accounts NAMES (all open ones, without one).

    \b
    Exit status
      0  every session that has closed is processed, now or before
      2  something is wrong with the account, the data or the database: the sentence says what and what to do
      3  refused: the account is closed, or the code of a factor is not what was judged
      5  waiting: data of a session have not arrived yet; run it again later
      6  overdue: they have not arrived and it is later than --patience; somebody should look
      7  busy: another run has the account
    Whatever the status, sessions that are processed stay so, and running again does the rest. Of several accounts the
    worst status counts: 2, 3, 6, 7, 5, 0.
    """  # noqa: D301
    from nexus.errors import NexusError
    from nexus.paper.trader import run as trade

    own, factors = database(), _factors(path)
    status, rows = 0, list[dict[str, Any]]()
    for name in names or _open_accounts():
        done: Sequence[Evening] = ()
        try:
            ran = trade(own, name, factors, _day(today), as_is=as_is, patience=patience)
            done, own_status, wrong = ran.processed, exit_status(ran), remark(ran)
        except NexusError as error:
            own_status, wrong = error.exit_status, f"error: {error}"
        status = max(status, own_status, key=SEVERITY.index)
        rows.append({"account": name, "status": own_status, "processed": [e.session for e in done], "remark": wrong})
        if not as_json:
            print_run(name, done, wrong)
    if as_json:
        emit(rows)
    elif not rows:
        say("no account is open; see `nexus paper open`")
    raise click.exceptions.Exit(status)


@paper.command()
@click.argument("names", nargs=-1)
@today_option
@as_json_option
def status(names: tuple[str, ...], today: datetime | None, as_json: bool) -> None:
    """Say how accounts NAMES (all, without one) stand; of one also what it holds and has ordered."""
    from nexus.paper.status import status as one
    from nexus.paper.status import statuses

    own = database()
    found = [one(own, name, _day(today)) for name in names] if names else statuses(own, _day(today))
    if as_json:
        from dataclasses import asdict

        emit([asdict(each) for each in found])
        return
    table([_line(each) for each in found], ACCOUNTS)
    if len(names) == 1:
        table([(p.company_id, p.shares, p.price, p.shares * p.price) for p in found[0].positions],
              ["company", "shares", "price", "value"])  # fmt: skip
        table([(o.order_no, o.decided, o.company_id, o.open_shares, o.reason) for o in found[0].orders],
              ["order", "decided", "company", "shares", "reason"])  # fmt: skip


@paper.command()
@click.argument("name")
@click.option("--because", required=True, help="Kept with the account.")
def close(name: str, because: str) -> None:
    """Close account NAME for good; what it holds stays at its last price."""
    from nexus.paper.accounts import close_account

    close_account(database(), name, because)
    say(f"account {name}: closed ({because})")


@paper.command()
@click.argument("name")
@as_json_option
def reconcile(name: str, as_json: bool) -> None:
    """Go through the evenings of account NAME again and say where a gap to the backtester comes from.

    Exit status 1 where there is a gap of half a cent or more.
    """
    from nexus.paper.reconcile import reconcile as compare

    found = compare(database(), name)
    if found is None:
        say(f"account {name}: no evening was processed yet")
        return
    _print_reconciled(name, found, as_json)
    raise click.exceptions.Exit(int(not found.agrees))


def exit_status(ran: Ran) -> int:
    """Of one account's run."""
    if ran.waiting is None:
        return 0
    return OVERDUE if ran.waiting.overdue else WAITING


def remark(ran: Ran) -> str | None:
    """What a run waits for."""
    if ran.waiting is None:
        return None
    word = "OVERDUE" if ran.waiting.overdue else "waiting"
    return f"account {ran.account}: {word}, {ran.waiting.session}: {ran.waiting.reason}"


def print_run(name: str, done: Sequence[Evening], wrong: str | None) -> None:
    """Print what a run did; what it could not do goes to standard error."""
    for one in done:
        say(f"account {name}: {one.session} {one.status}, {len(one.fills)} fills, {len(one.orders)} orders, "
            f"equity {one.curve.equity[0]:,.2f}{_noted(one.note)}")  # fmt: skip
    if wrong is not None:
        click.echo(wrong, err=True)
    elif not done:
        say(f"account {name}: nothing to do")


def _noted(note: str | None) -> str:
    return f" ({'; '.join(note.splitlines())})" if note else ""


def _open_accounts() -> list[str]:
    from nexus.db.paper import accounts

    with database().read() as connection:
        return [account.name for account in accounts(connection) if account.closed_at is None]


def _factors(path: Path | None) -> dict[str, Any]:
    from nexus.signals.user import factors, from_file

    return {**factors(), **(from_file(path) if path else {})}


def _day(moment: datetime | None) -> date | None:
    return None if moment is None else moment.date()


def _line(found: Status) -> tuple[Any, ...]:
    account = found.account
    remark = (
        f"closed: {account.closed_because}"
        if account.closed_because
        else "; ".join(f"{name} lost its approval" for name in found.lost)
    )
    return (account.name, account.backtest_id, account.capital, found.session or f"from {account.opened_session}",
            found.equity, found.equity / account.capital - 1, found.evenings, found.replayed, len(found.positions),
            len(found.orders), len(found.due), remark)  # fmt: skip


def _print_reconciled(name: str, found: Reconciled, as_json: bool) -> None:
    parts = ("code", "timing", "revision", "cost")
    if as_json:
        from dataclasses import asdict

        emit({"account": name, "gap": found.gap, "agrees": found.agrees, **asdict(found)})
        return
    say(f"account {name} after {found.session}: {found.equity:,.2f}, the backtester {found.backtest:,.2f}, "
        f"gap {found.gap:,.2f}")  # fmt: skip
    for part in parts:
        say(f"  {part:<9} {getattr(found, part):>16,.2f}")
    if found.changed_code:
        say(f"  {found.changed_code} evenings were processed by another version of the code")
    if found.restated:
        table([(r.session, r.company_id, r.shares, r.price, r.now) for r in found.restated],
              ["fill", "company", "shares", "filled at", "open now"])  # fmt: skip

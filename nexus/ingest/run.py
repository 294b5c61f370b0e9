"""Ingesting: one file, the frames of a live source, or the whole real pack."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import pandas as pd

from nexus.db.engine import Database
from nexus.db.load import Loaded, SourceInfo, begin_run, finish_run
from nexus.errors import InputError
from nexus.ingest import introduce, pack, reading
from nexus.ingest.columns import kind_of
from nexus.ingest.orders import ARRIVALS, Clerk, Order
from nexus.ingest.reading import Unreadable

Progress = Callable[[Sequence[str]], Iterable[str]]
"""Shows how far a walk over names has come, and yields them."""


def ingest_file(
    database: Database,
    kind: str,
    path: Path,
    *,
    source: str | None = None,
    known_at_basis: str = "reported",
    preference: int = 100,
    licence: str | None = None,
) -> list[Loaded]:
    """Ingest a user's own file in the documented columns of its kind.

    source : name stored in each row's key; default the file's name without suffix. Prices with a `basis` are stored as
        `source@basis`, for prices of different bases are not vintages of one another
    known_at_basis : of the source: reported, assumed or backdated
    Returns one summary per table. Bad rows are quarantined in rejected_rows.

    Raises
    ------
    InputError
        When there is no such kind or file, or the source is known with another basis.
    """
    kind_of(kind)
    mark = reading.mark(path) if path.is_file() else None
    info = SourceInfo(source or path.stem, known_at_basis, None, preference, licence, f"{path.name}, {kind}")
    order = Order(kind, info, lambda: reading.read(path), mark)
    if kind == "prices" and path.is_file():
        order = _with_basis(order)
    return _one_run(database, f"ingest {kind} {path.name}", [order])


def ingest_frames(
    database: Database, frames: Mapping[str, pd.DataFrame], source: SourceInfo | str, *, command: str | None = None
) -> list[Loaded]:
    """Ingest frames in the documented columns, by kind: what a live source or the simulation gives.

    Order of kinds: companies first, whatever the order in the mapping.
    """
    info = SourceInfo(source, "reported") if isinstance(source, str) else source
    for name in frames:
        kind_of(name)
    orders = [
        _with_basis(Order(kind, info, partial(reading.of_frame, frames[kind]))) for kind in ARRIVALS if kind in frames
    ]
    return _one_run(database, command or f"ingest {info.source}", orders)


def ingest_all(database: Database, folder: Path, *, progress: Progress | None = None) -> list[Loaded]:
    """Ingest every file of the real pack that is in `folder`; what was loaded before is skipped.

    progress : called with the names of the steps; yields them as they begin
    Each file is committed by itself: after an interruption the next run goes on with the file that was under way.

    Raises
    ------
    InputError
        When the folder holds no file of the pack.
    """
    steps = {one.stem: one for one in pack.PACK if (folder / f"{one.stem}.parquet").is_file()}
    if not steps:
        raise InputError(f"folder {folder}: no file of the real pack there; set NEXUS_DATA_DIR, or simulate a market")
    run_id = begin_run(database, f"ingest all --from {folder}")
    clerk, loaded = Clerk(database, run_id), list[Loaded]()
    names = [introduce.STEP, *steps]
    for name in progress(names) if progress else names:
        if name == introduce.STEP:
            loaded.append(introduce.introduce(database, run_id, folder))
        else:
            loaded += clerk.execute(_of_pack(steps[name], folder))
    finish_run(database, run_id, summary(loaded))
    return loaded


def exit_status(loaded: Sequence[Loaded]) -> int:
    """0: all was taken, or known, or counted as out of scope; 1: something was rejected."""
    return int(any(one.rejected for one in loaded))


def _one_run(database: Database, command: str, orders: Sequence[Order]) -> list[Loaded]:
    run_id = begin_run(database, command)
    clerk = Clerk(database, run_id)
    loaded = [one for order in orders for one in clerk.execute(order)]
    finish_run(database, run_id, summary(loaded))
    return loaded


def summary(loaded: Sequence[Loaded]) -> dict[str, object]:
    """What is kept of a run: the figures of each load."""
    return {"loads": [asdict(one) for one in loaded], "exit_status": exit_status(loaded)}


def _with_basis(order: Order) -> Order:
    """The order under the source of its prices' basis, where they state one."""
    if order.kind != "prices":
        return order
    try:
        raw = order.rows()
    except Unreadable:
        return order  # said when it is carried out
    if "basis" not in raw.frame or not raw.frame["basis"].notna().any():
        return replace(order, rows=lambda: raw)
    stated = pd.to_datetime(raw.frame["basis"].dropna().unique(), errors="coerce")
    if len(stated) != 1 or stated.isna().any() or raw.frame["basis"].isna().any():
        raise InputError("column basis: it must be one date for the whole file; split the file by basis")
    basis = stated[0].date()
    source = replace(order.source, source=f"{order.source.source}@{basis}", basis=basis)
    return replace(order, rows=lambda: raw, source=source)


def _of_pack(file: pack.PackFile, folder: Path) -> Order:
    path = folder / f"{file.stem}.parquet"
    return Order(
        file.kind,
        file.source,
        lambda: pack.mapped(file, reading.read(path)),
        reading.mark(path),
        file.label,
        strangers=True,
    )

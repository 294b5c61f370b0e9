"""Whether the ledger is as it was written: every block is hashed again, and what does not fit is named."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, text

from nexus.db import ledger
from nexus.db.engine import Database
from nexus.errors import InputError

HEAD = re.compile(r"(\d+):([0-9a-f]{64})")


@dataclass(frozen=True)
class Finding:
    """Something that is not as it was written; `where` is a block, an evaluation, a sketch or the head."""

    where: str
    what: str


def head(connection: Connection) -> str:
    """The end of the chain as "N:HASH"; "empty" without blocks."""
    row = connection.execute(_HEAD).one_or_none()
    return "empty" if row is None else f"{row.block_no}:{bytes(row.hash).hex()}"


def verify(database: Database, known_head: str | None = None) -> list[Finding]:
    """Recompute the chain; empty where all is well.

    known_head : "N:HASH" as a report printed it: without one, a chain rewritten from some block on looks sound

    Raises
    ------
    InputError
        When `known_head` is no head.
    """
    with database.read() as connection:
        return findings(connection, known_head)


def findings(connection: Connection, known_head: str | None = None) -> list[Finding]:
    """As `verify`, in a transaction that is open already."""
    return [
        *_head(connection, known_head),
        *_blocks(connection),
        *(Finding(f"evaluation {row.id}", row.what) for row in connection.execute(_ROWS)),
        *_sketches(connection),
    ]


def _head(connection: Connection, known: str | None) -> Iterator[Finding]:
    if known is None or known == "empty":
        return
    parts = HEAD.fullmatch(known.strip().lower())
    if parts is None:
        raise InputError(f"head {known!r}: write it as the report printed it, N:HASH with 64 hexadecimal digits")
    number = int(parts[1])
    stored = connection.scalar(text("SELECT hash FROM ledger_blocks WHERE block_no = :n"), {"n": number})
    if stored is None:
        yield Finding(f"block {number}", "missing: the chain ended here once, and is shorter now")
    elif bytes(stored).hex() != parts[2]:
        yield Finding(f"block {number}", f"hash is {bytes(stored).hex()}, the report had {parts[2]}: rewritten")


def _blocks(connection: Connection) -> Iterator[Finding]:
    for row in connection.execute(_BLOCKS):
        where = f"block {row.block_no} (evaluations {row.first_evaluation_id} to {row.last_evaluation_id})"
        if row.block_no != row.number_before + 1:
            yield Finding(f"block {row.number_before + 1}", f"missing before block {row.block_no}")
        elif bytes(row.previous_hash) != bytes(row.hash_before):
            yield Finding(where, "does not follow from the block before: a block was replaced or reordered")
        if row.there != row.last_evaluation_id - row.first_evaluation_id + 1:
            yield Finding(where, f"holds {row.there} evaluations: some are missing")
        if bytes(row.computed) != bytes(row.hash):
            yield Finding(where, "hash does not match: a row, or its hypothesis, was edited, removed or reordered")
        if (row.looks, row.m) != (row.counted, max(ledger.LEAST_M, row.counted)):
            yield Finding(where, f"says {row.looks} looks and M = {row.m}; {row.counted} looks are there")


def _sketches(connection: Connection) -> Iterator[Finding]:
    hashes = [bytes(hash) for hash in connection.scalars(text("SELECT sketch_hash FROM sketches"))]
    for sketch in ledger.sketches(connection, hashes) if hashes else ():
        if ledger.digest(sketch.dates, sketch.companies, sketch.ranks) != sketch.hash:
            yield Finding(f"sketch {sketch.hash.hex()[:12]}", "does not match its hash: edited")


_HEAD = text("SELECT block_no, hash FROM ledger_blocks ORDER BY block_no DESC LIMIT 1")
_BLOCKS = text(
    """
    SELECT b.*, lag(b.block_no, 1, 0::bigint) OVER w AS number_before, lag(b.hash, 1, ''::bytea) OVER w AS hash_before,
           ledger_hash(b.previous_hash, b.first_evaluation_id, b.last_evaluation_id) AS computed,
           (SELECT count(*) FROM factor_evaluations e
            WHERE e.evaluation_id BETWEEN b.first_evaluation_id AND b.last_evaluation_id) AS there,
           (SELECT count(e.look_no) FROM factor_evaluations e WHERE e.evaluation_id <= b.last_evaluation_id) AS counted
    FROM ledger_blocks b
    WINDOW w AS (ORDER BY b.block_no)
    ORDER BY b.block_no
    """
)
# rows outside any block, gaps between rows, and rows out of the order in which they were judged
_ROWS = text(
    """
    SELECT e.evaluation_id AS id, 'belongs to no block: inserted past the trigger' AS what
    FROM factor_evaluations e
    WHERE NOT EXISTS (SELECT FROM ledger_blocks b
                      WHERE e.evaluation_id BETWEEN b.first_evaluation_id AND b.last_evaluation_id)
    UNION ALL
    SELECT before + 1, 'missing' FROM (
        SELECT evaluation_id, lag(evaluation_id, 1, 0::bigint) OVER (ORDER BY evaluation_id) AS before
        FROM factor_evaluations) gaps
    WHERE evaluation_id > before + 1
    UNION ALL
    SELECT evaluation_id, 'judged before the evaluation with the number before: reordered' FROM (
        SELECT evaluation_id, evaluated_at, lag(evaluated_at) OVER (ORDER BY evaluation_id) AS before
        FROM factor_evaluations) times
    WHERE evaluated_at < before
    ORDER BY 1
    """
)

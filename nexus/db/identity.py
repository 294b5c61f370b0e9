"""Who a row is about: entities, and the tickers they had; resolved with the latest knowledge, not point-in-time."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
from sqlalchemy import text

from nexus.db.copy import copy
from nexus.db.engine import Database
from nexus.errors import InputError

ENTITY = {"kind": pa.string(), "identity": pa.string(), "cik": pa.int64(), "name": pa.string()}


def ensure_entities(database: Database, wanted: pd.DataFrame) -> dict[str, int]:
    """Add the entities that are new; return the id of each identity.

    wanted : columns kind, identity, cik (may be missing), name; one row per identity
    A CIK that was missing is filled in; a name stays the one first given.

    Raises
    ------
    InputError
        When an identity is known with another kind or CIK.
    """
    repeated = wanted["identity"][wanted["identity"].duplicated()]
    if len(repeated):
        raise InputError(f"entity {repeated.iloc[0]}: named more than once; give one row per identity")
    columns = {name: pa.array(wanted[name], kind, from_pandas=True) for name, kind in ENTITY.items()}
    with database.write() as connection:
        connection.execute(_WANTED)
        copy(connection, "wanted", pa.table(columns))
        connection.execute(_ADD)
        connection.execute(_FILL_CIK)
        stranger = connection.execute(_CONTRADICTED).first()
        if stranger is not None:
            raise InputError(
                f"entity {stranger.identity}: known as {stranger.kind} with CIK {stranger.cik}, not as "
                f"{stranger.wanted_kind} with CIK {stranger.wanted_cik}; give it another identity"
            )
        return {identity: entity_id for identity, entity_id in connection.execute(_IDS)}


def entities(database: Database) -> pd.DataFrame:
    """All entities: entity_id, kind, identity, cik (Int64), name."""
    with database.read() as connection:
        rows = connection.execute(_ENTITIES).all()
    frame = pd.DataFrame(rows, columns=["entity_id", "kind", "identity", "cik", "name"])
    return frame.astype({"entity_id": "int64", "cik": "Int64"})


def symbol_spells(database: Database) -> pd.DataFrame:
    """Which company had which ticker when, by the newest vintage of each source.

    Columns company_id, ticker, valid_from, valid_to (half-open; NaT: still), source, identity, cik (Int64).
    """
    with database.read() as connection:
        rows = connection.execute(_SPELLS).all()
    names = ["company_id", "ticker", "valid_from", "valid_to", "source", "identity", "cik"]
    kinds = {"company_id": "int64", "valid_from": "datetime64[s]", "valid_to": "datetime64[s]", "cik": "Int64"}
    return pd.DataFrame(rows, columns=names).astype(kinds)


_WANTED = text("CREATE TEMP TABLE wanted (kind text, identity text, cik bigint, name text) ON COMMIT DROP")
# ordered, so that two loaders that add the same entities wait for one another instead of deadlocking
_ADD = text(
    "INSERT INTO entities (kind, identity, cik, name) SELECT kind, identity, cik, name FROM wanted w "
    "WHERE NOT EXISTS (SELECT FROM entities e WHERE e.identity = w.identity) ORDER BY identity "
    "ON CONFLICT (identity) DO NOTHING"
)
_FILL_CIK = text(
    "UPDATE entities e SET cik = w.cik FROM wanted w "
    "WHERE e.identity = w.identity AND e.cik IS NULL AND w.cik IS NOT NULL"
)
_CONTRADICTED = text(
    "SELECT e.identity, e.kind, e.cik, w.kind AS wanted_kind, w.cik AS wanted_cik "
    "FROM wanted w JOIN entities e USING (identity) WHERE e.kind <> w.kind OR e.cik <> w.cik LIMIT 1"
)
_IDS = text("SELECT identity, entity_id FROM entities JOIN wanted USING (identity)")
_ENTITIES = text("SELECT entity_id, kind, identity, cik, name FROM entities ORDER BY entity_id")
_SPELLS = text(
    "SELECT s.company_id, s.ticker, s.valid_from, s.valid_to, s.source, e.identity, e.cik FROM ("
    "SELECT DISTINCT ON (company_id, ticker, valid_from, source) * FROM symbols "
    "ORDER BY company_id, ticker, valid_from, source, known_at DESC) s "
    "JOIN entities e ON e.entity_id = s.company_id ORDER BY s.ticker, s.valid_from, s.company_id, s.source"
)

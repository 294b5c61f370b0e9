"""The audit finds what an owner did with the guards down; the archive keeps chain and counts."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from ledger_rows import declaration, declare, look, months
from sqlalchemy import text

from nexus.db import admin, ledger, ledger_audit
from nexus.db.engine import Database
from nexus.db.ledger import StoredSketch
from nexus.db.ledger_archive import export_ledger, import_ledger
from nexus.errors import InputError, RefusedError


@pytest.fixture(scope="module")
def written(database: Database) -> Database:
    """A ledger of six blocks and a sketch."""
    dates, companies, ranks = months(2), np.array([1, 2], np.int32), np.array([[1, 2], [2, 1]], np.int16)
    with database.write() as connection:
        ledger.store_sketches(
            connection, [StoredSketch(ledger.digest(dates, companies, ranks), dates, companies, ranks)]
        )
    for hypothesis in declare(database, *(declaration(f"f{i}", params={"window": i}) for i in range(6))):
        look(database, hypothesis, details={"note": "a", "mean": 0.1})
    database.dispose()
    return database


@pytest.fixture
def tampered(written: Database) -> Iterator[Database]:
    """A copy of it for one test to tamper with."""
    copy = admin.clone(written, f"{written.url.database}_{uuid4().hex[:6]}")
    yield copy
    admin.drop(copy)


def tamper(database: Database, *statements: str) -> None:
    with database.owner() as connection:
        for table in ("factor_evaluations", "hypotheses", "ledger_blocks", "sketches"):
            connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        for statement in statements:
            connection.execute(text(statement))


def head(database: Database) -> str:
    with database.read() as connection:
        return ledger_audit.head(connection)


def test_an_untouched_ledger_has_no_findings(written: Database) -> None:
    assert head(written).startswith("6:")
    assert ledger_audit.verify(written, head(written)) == []


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE factor_evaluations SET gate_p = 0.5 WHERE evaluation_id = 3",
        "UPDATE factor_evaluations SET gate_ic[1] = 0.0500000000000001 WHERE evaluation_id = 3",
        "UPDATE factor_evaluations SET details = '{}' WHERE evaluation_id = 3",
        "UPDATE factor_evaluations SET evaluated_at = evaluated_at + interval '1 microsecond' WHERE evaluation_id = 3",
        "UPDATE factor_evaluations SET factor = 'g' WHERE evaluation_id = 3",
        "UPDATE hypotheses SET params = '{}' WHERE hypothesis_no = 3",
        "UPDATE hypotheses SET signal = 'g' WHERE hypothesis_no = 3",
    ],
)
def test_an_edited_row_is_found(tampered: Database, edit: str) -> None:
    tamper(tampered, edit)
    found = ledger_audit.verify(tampered)
    assert [f.where for f in found] == ["block 3 (evaluations 3 to 3)"]
    assert "edited" in found[0].what


def test_a_missing_row_is_found(tampered: Database) -> None:
    tamper(tampered, "DELETE FROM factor_evaluations WHERE evaluation_id = 4")
    where = {f.where: f.what for f in ledger_audit.verify(tampered)}
    assert where["evaluation 4"] == "missing"
    assert "block 4 (evaluations 4 to 4)" in where


def test_a_cut_end_is_found_by_the_head_alone(tampered: Database) -> None:
    known = head(tampered)
    tamper(
        tampered,
        "DELETE FROM factor_evaluations WHERE evaluation_id = 6",
        "DELETE FROM ledger_blocks WHERE block_no = 6",
    )
    assert ledger_audit.verify(tampered) == []
    assert [f.where for f in ledger_audit.verify(tampered, known)] == ["block 6"]


def test_a_reordered_ledger_is_found(tampered: Database) -> None:
    tamper(
        tampered,
        "UPDATE factor_evaluations SET evaluation_id = 100 WHERE evaluation_id = 2",
        "UPDATE factor_evaluations SET evaluation_id = 2 WHERE evaluation_id = 5",
        "UPDATE factor_evaluations SET evaluation_id = 5 WHERE evaluation_id = 100",
    )
    found = ledger_audit.verify(tampered)
    assert {f.where for f in found} >= {"block 2 (evaluations 2 to 2)", "block 5 (evaluations 5 to 5)"}
    assert any("reordered" in f.what and f.where.startswith("evaluation") for f in found)


def test_a_rewritten_chain_is_found_by_the_head(tampered: Database) -> None:
    known = head(tampered)
    tamper(
        tampered,
        "UPDATE factor_evaluations SET gate_p = 1 WHERE evaluation_id = 6",
        "UPDATE ledger_blocks SET hash = ledger_hash(previous_hash, 6, 6) WHERE block_no = 6",
    )
    assert ledger_audit.verify(tampered) == []
    assert "rewritten" in ledger_audit.verify(tampered, known)[0].what


def test_a_row_past_the_trigger_is_found(tampered: Database) -> None:
    columns = "evaluation_id, " + ", ".join(
        column for column in (*ledger.COLUMNS, "root_no", "approved", "factor", "version", "horizon", "evaluated_at")
    )
    copied = columns.replace("evaluation_id, ", "7, ", 1)
    tamper(tampered, f"INSERT INTO factor_evaluations ({columns}) SELECT {copied} FROM factor_evaluations LIMIT 1")
    assert "evaluation 7" in {f.where for f in ledger_audit.verify(tampered)}


def test_edited_counts_and_sketches_are_found(tampered: Database) -> None:
    tamper(
        tampered,
        "UPDATE ledger_blocks SET looks = 0 WHERE block_no = 2",
        "UPDATE sketches SET ranks = ranks || ranks, dates = dates || dates",
    )
    found = ledger_audit.verify(tampered)
    assert found[0].where.startswith("block 2") and "2 looks" in found[0].what
    assert found[1].where.startswith("sketch")


def test_a_head_is_a_head(written: Database) -> None:
    with pytest.raises(InputError, match="N:HASH"):
        ledger_audit.verify(written, "6:abc")


def test_export_and_import_keep_chain_and_counts(
    written: Database, template: Database, server: Database, tmp_path: Path
) -> None:
    path = tmp_path / "ledger.zip"
    exported = export_ledger(written, path)
    assert exported == head(written)
    name = f"nexus_test_{uuid4().hex[:12]}"
    with server.autocommit() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template.url.database}"))
    other = server.sibling(name)
    try:
        assert import_ledger(other, path) == exported
        assert ledger_audit.verify(other, exported) == []
        with other.read() as connection:
            assert ledger.looks(connection) == 6
        with pytest.raises(RefusedError, match="holds 6 rows"):
            import_ledger(other, path)
        (hypothesis,) = declare(other, declaration("after"))
        assert look(other, hypothesis).evaluation_id == 7
        assert ledger_audit.verify(other, exported) == []
    finally:
        admin.drop(other)


def test_a_doctored_export_is_refused(written: Database, template: Database, server: Database, tmp_path: Path) -> None:
    path, doctored = tmp_path / "ledger.zip", tmp_path / "doctored.zip"
    export_ledger(written, path)
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(doctored, "w") as new:
        for member in old.namelist():
            new.writestr(member, old.read(member).replace(b"120", b"121"))
    name = f"nexus_test_{uuid4().hex[:12]}"
    with server.autocommit() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template.url.database}"))
    other = server.sibling(name)
    try:
        with pytest.raises(RefusedError, match="nothing was imported"):
            import_ledger(other, doctored)
        with other.read() as connection:
            assert ledger.looks(connection) == 0
    finally:
        admin.drop(other)

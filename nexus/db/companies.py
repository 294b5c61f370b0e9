"""Companies as they are called and classified today."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, text


def sectors(connection: Connection, companies: Sequence[int]) -> dict[int, str]:
    """Sector of each company that has one, by its id."""
    rows = connection.execute(
        text("SELECT company_id, sector FROM companies WHERE company_id = ANY(:companies) AND sector IS NOT NULL"),
        {"companies": list(companies)},
    )
    return {row.company_id: row.sector for row in rows}

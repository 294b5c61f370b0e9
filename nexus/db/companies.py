"""Companies, and whom they are tied to, as they are called and classified today."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, text

from nexus.errors import InputError


def sectors(connection: Connection, companies: Sequence[int]) -> dict[int, str]:
    """Sector of each company that has one, by its id."""
    rows = connection.execute(
        text("SELECT company_id, sector FROM companies WHERE company_id = ANY(:companies) AND sector IS NOT NULL"),
        {"companies": list(companies)},
    )
    return {row.company_id: row.sector for row in rows}


def names(connection: Connection, entities: Sequence[int]) -> dict[int, str]:
    """Ticker of each company that has one, else the name, of any kind of entity, by its id."""
    rows = connection.execute(
        text(
            "SELECT e.entity_id, coalesce(c.ticker, e.name) AS name FROM entities e "
            "LEFT JOIN companies c ON c.company_id = e.entity_id WHERE e.entity_id = ANY(:entities)"
        ),
        {"entities": list(entities)},
    )
    return {row.entity_id: row.name for row in rows}


def ids(connection: Connection, tickers: Sequence[str]) -> dict[str, int]:
    """Company of each ticker that one is called by today.

    Where two are, the one that still has it, or had it last.
    """
    rows = connection.execute(
        text(
            "SELECT DISTINCT ON (ticker) ticker, company_id FROM companies WHERE ticker = ANY(:tickers) "
            "ORDER BY ticker, (ticker_until IS NULL) DESC, ticker_since DESC, company_id"
        ),
        {"tickers": list(tickers)},
    )
    return {row.ticker: row.company_id for row in rows}


def check_tickers(where: str, wanted: Sequence[str], there: Collection[str]) -> None:
    """Refuse the first ticker that is not there.

    Raises
    ------
    InputError
        It names the ticker, and where it is missing.
    """
    missing = [ticker for ticker in wanted if ticker not in there]
    if missing:
        raise InputError(f"ticker {missing[0]} is not among {where}; see the view `companies`")

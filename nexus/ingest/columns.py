"""The columns of the files that can be ingested: one table of specifications, checked and documented from here."""

from __future__ import annotations

from dataclasses import dataclass

from nexus.errors import InputError


@dataclass(frozen=True)
class Column:
    """One documented column.

    type : text, date (a day), instant (UTC; a zone in the text is honoured), number (finite), integer or json
    required : the file must have the column, and every row a value in it
    """

    name: str
    type: str
    required: bool
    meaning: str


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    tables : fact tables that its rows end up in
    either : groups of columns of which each row needs at least one
    """

    name: str
    tables: tuple[str, ...]
    columns: tuple[Column, ...]
    either: tuple[tuple[str, ...], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, in documented order."""
        return tuple(column.name for column in self.columns)


TICKER = Column("ticker", "text", True, "symbol on the row's day; a dot is a dash (BRK.B = BRK-B)")
SYMBOL = Column("ticker", "text", False, "symbol on the row's day; this or cik")
CIK = Column("cik", "integer", False, "SEC central index key of the issuer: settles who is meant where given")
KNOWN_AT = Column(
    "known_at", "instant", False, "when it became public; a day means its end; empty: the rule of the kind"
)
VALID_FROM = Column("valid_from", "date", True, "first day of the spell")
VALID_TO = Column("valid_to", "date", False, "first day no longer in the spell; empty: it goes on")


def _kind(name: str, tables: str, *columns: Column, either: tuple[tuple[str, ...], ...] = ()) -> Kind:
    return Kind(name, tuple(tables.split()), columns, either)


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        _kind(
            "reference",
            "symbols classifications",
            SYMBOL,
            CIK,
            Column("name", "text", False, "name of the company"),
            VALID_FROM,
            VALID_TO,
            Column("scheme", "text", False, "classification scheme (GICS); with it the row is a class, not a symbol"),
            Column("code", "text", False, "class of the company in that scheme"),
            KNOWN_AT,
            either=(("ticker", "cik"),),
        ),
        _kind(
            "universe",
            "universe_members symbols",
            Column("universe", "text", True, "name of the universe"),
            TICKER,
            CIK,
            VALID_FROM,
            VALID_TO,
            KNOWN_AT,
        ),
        _kind(
            "prices",
            "prices corporate_actions",
            TICKER,
            CIK,
            Column("date", "date", True, "session"),
            Column("open", "number", False, "opening price"),
            Column("high", "number", False, "highest price"),
            Column("low", "number", False, "lowest price"),
            Column("close", "number", True, "closing price, not adjusted for dividends"),
            Column("volume", "number", False, "shares traded"),
            Column("adj_close", "number", False, "close adjusted for splits and dividends: dividends are read off it"),
            Column("basis", "date", False, "adjusted for splits up to this day, one for the file; empty: as traded"),
            KNOWN_AT,
        ),
        _kind(
            "actions",
            "corporate_actions",
            TICKER,
            CIK,
            Column("ex_date", "date", True, "first session without the right; of a delisting, its day"),
            Column("kind", "text", True, "split, dividend or delisting"),
            Column(
                "value",
                "number",
                True,
                "new shares per old one, all cash per share of that day, or return after the last price",
            ),
            KNOWN_AT,
        ),
        _kind(
            "fundamentals",
            "fundamentals",
            SYMBOL,
            CIK,
            Column("field", "text", True, "what is reported (net_income)"),
            Column("unit", "text", True, "USD, shares, USD/shares, days"),
            Column("period_start", "date", False, "first day; empty: an instant, the same as period_end"),
            Column("period_end", "date", True, "last day"),
            Column("value", "number", True, "the value"),
            KNOWN_AT,
            either=(("ticker", "cik"),),
        ),
        _kind(
            "events",
            "events",
            SYMBOL,
            CIK,
            Column("event_type", "text", True, "earnings, 8-K:2.02, ..."),
            Column("event_date", "date", True, "the day the event is about"),
            KNOWN_AT,
            Column("title", "text", False, "one line of text"),
            Column("payload", "json", False, "a JSON object"),
            Column("event_id", "text", False, "the source's own identifier; without it the row's content is"),
            either=(("ticker", "cik"),),
        ),
        _kind(
            "relations",
            "relations",
            Column("src_kind", "text", True, "company, fund, director or extended (a firm outside the universe)"),
            Column("src", "text", True, "ticker of a company, else a name"),
            Column("relation", "text", True, "holds, supplies, competes, sits_on, ..."),
            Column("dst_kind", "text", True, "as src_kind"),
            Column("dst", "text", True, "as src"),
            VALID_FROM,
            VALID_TO,
            Column("weight", "number", False, "strength of the edge"),
            KNOWN_AT,
        ),
        _kind(
            "benchmarks",
            "benchmarks",
            Column("series", "text", True, "SP500, VIX, MKT_RF, ..."),
            Column("date", "date", True, "the day of the value"),
            Column("value", "number", True, "level, or simple return as a decimal"),
            KNOWN_AT,
        ),
    )
}


def kind_of(name: str) -> Kind:
    """The kind called `name`; InputError where there is none."""
    if name not in KINDS:
        raise InputError(f"kind {name}: unknown; there are {', '.join(KINDS)}")
    return KINDS[name]

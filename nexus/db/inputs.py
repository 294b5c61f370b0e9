"""What a reader declares it reads: "prices.close", "fundamentals.net_income", "universe_members.SP500"."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from nexus.db.tables import metadata
from nexus.errors import InputError
from nexus.settings import settings

MARKET = "benchmarks.market"
PRICE_FIELDS = ("open", "high", "low", "close", "volume")

# table -> the column whose values are named after the dot; None: the columns themselves are named
_NAMED_BY: dict[str, str | None] = {
    "prices": None,
    "symbols": None,
    "fundamentals": "field",
    "benchmarks": "series",
    "universe_members": "universe",
    "events": "event_type",
    "classifications": "scheme",
}
MADE = {
    "graph_snapshots": "graph",
    "node_embeddings": "model_version",
    "centrality_history": None,
    "graph_predictions": "model_version",
}
"""The same of what was made of the facts: graphs, and outputs of modules."""
_CENTRALITY = ("degree", "pagerank", "eigenvector", "betweenness", "clustering", "k_core", "katz")
_COLUMNS = {"prices": PRICE_FIELDS, "symbols": ("ticker",), "centrality_history": _CENTRALITY}
_READABLE = _NAMED_BY | MADE


@dataclass(frozen=True)
class Inputs:
    """Declared inputs, checked and sorted."""

    names: tuple[str, ...]

    def of(self, table: str) -> tuple[str, ...]:
        """What is read of `table`: ("close", "volume"); empty when nothing is."""
        prefix = f"{table}."
        return tuple(name.removeprefix(prefix) for name in self.names if name.startswith(prefix))

    def require(self, table: str, name: str) -> None:
        """Refuse to read what was not declared.

        Raises
        ------
        InputError
            Naming the missing declaration.
        """
        if f"{table}.{name}" not in self.names:
            raise InputError(f'"{table}.{name}" is not among the declared inputs {list(self.names)}; declare it')


def check_inputs(inputs: Iterable[str]) -> Inputs:
    """Parse declared inputs against the tables, without a connection; MARKET stands for the series of the settings.

    Raises
    ------
    InputError
        For a table that is none, a column that a table lacks, or a name without a dot.
    """
    names = tuple(sorted({f"benchmarks.{settings().market}" if name == MARKET else name for name in inputs}))
    for declared in names:
        table, dot, name = declared.partition(".")
        if table not in _READABLE:
            raise InputError(f'input "{declared}": no readable table "{table}"; {_nearest(table, _READABLE)}')
        if not dot or not name:
            raise InputError(f'input "{declared}": name what is read of it, as in "{table}.{_example(table)}"')
        if table in _COLUMNS and name not in _COLUMNS[table]:
            raise InputError(f'input "{declared}": {table} has no "{name}"; {_nearest(name, _COLUMNS[table])}')
    return Inputs(names)


def _example(table: str) -> str:
    column = _READABLE[table]
    if column is None:
        return _COLUMNS[table][-1]
    assert column in metadata.tables[table].c
    return f"<{column}>"


def _nearest(word: str, known: Iterable[str]) -> str:
    choices = list(known)
    found = get_close_matches(word, choices, n=1)
    return f'did you mean "{found[0]}"?' if found else f"there are {', '.join(choices)}"

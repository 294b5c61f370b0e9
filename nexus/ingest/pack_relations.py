"""Mappings of the pack: fund holdings, triples from news, the semiconductor supply chain."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nexus.ingest.arrival import next_day

COLUMNS = ["src_kind", "src", "relation", "dst_kind", "dst", "valid_from"]


def holdings(rows: pd.DataFrame) -> pd.DataFrame:
    """Positions of funds: a spell from the first day a fund's list has a holding to the first list without it.

    Each change of weight (per cent of the fund) is a vintage of the spell; a day without one, and a day whose list is
    missing, say nothing.
    """
    named = rows.assign(dst=rows["ticker"].fillna(rows["company"])).sort_values(["fund", "dst", "date"])
    lists = rows[["fund", "date"]].drop_duplicates().sort_values(["fund", "date"])
    lists["nth"] = lists.groupby("fund").cumcount()
    lists["following"] = lists.groupby("fund")["date"].shift(-1)
    place = named.reset_index().merge(lists, on=["fund", "date"], how="left").set_index("index")
    holding = [place["fund"], place["dst"]]
    starts = place.groupby(holding)["nth"].diff().ne(1)
    place = place.assign(spell=starts.cumsum())
    place["valid_from"] = place.groupby("spell")["date"].transform("first")
    changed = place["weight_pct"].ne(place.groupby("spell")["weight_pct"].shift())
    last = ~place["spell"].duplicated(keep="last") & place["following"].notna()
    open_ = place[changed].assign(valid_to=pd.NaT, known_at=lambda row: next_day(row["date"]))
    ended = place[last].assign(valid_to=lambda row: row["following"], known_at=lambda row: next_day(row["following"]))
    edges = pd.concat([open_, ended])
    kinds = np.where(edges["ticker"].notna(), "company", "extended")
    edges = edges.assign(
        src_kind="fund", src=edges["fund"], relation="holds", dst_kind=kinds, weight=edges["weight_pct"]
    )
    return edges[[*COLUMNS, "valid_to", "weight", "known_at"]]


def triples(rows: pd.DataFrame) -> pd.DataFrame:
    """Triples that join two companies, from their week on, known a week later."""
    both = rows[rows["subject_ticker"].notna() & rows["object_ticker"].notna()]
    named = both.rename(columns={"subject_ticker": "src", "object_ticker": "dst", "week_start": "valid_from"})
    return named[named["src"] != named["dst"]].assign(
        src_kind="company",
        dst_kind="company",
        relation=named["relation"].str.lower(),
        known_at=next_day(both["known_at"]),
    )[[*COLUMNS, "known_at"]]


def provision(rows: pd.DataFrame) -> pd.DataFrame:
    """Firms that supply an input; countries are out of scope. The input is an extended entity."""
    firms = rows[rows["provider_type"] == "organization"]
    kind = np.where(firms["ticker"].notna(), "company", "extended")
    share = pd.to_numeric(firms["share_provided"].str.rstrip("%"), errors="coerce") / 100
    return firms.assign(
        src_kind=kind,
        src=firms["ticker"].fillna(firms["provider_name"]),
        relation="supplies",
        dst_kind="extended",
        dst=firms["provided_name"],
        valid_from=firms["known_at"],
        weight=share,
    )[[*COLUMNS, "weight"]]


def competitors(rows: pd.DataFrame) -> pd.DataFrame:
    """Providers of the same inputs; the weight counts them."""
    ends = {}
    for end, side in (("src", "a"), ("dst", "b")):
        ticker = rows[f"ticker_{side}"]
        ends[f"{end}_kind"] = np.where(ticker.notna(), "company", "extended")
        ends[end] = ticker.fillna(rows[f"provider_{side}"])
    return rows.assign(relation="competes", valid_from=rows["known_at"], weight=rows["n_shared_inputs"], **ends)[
        [*COLUMNS, "weight"]
    ]

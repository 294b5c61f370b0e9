"""Factors of graphs and of modules' outputs: honest ones, and such as look ahead by a connection of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import numpy as np
from sqlalchemy import text

from nexus.db.engine import Database
from nexus.db.graph import Graph
from nexus.db.graph_store import Snapshots
from nexus.db.panel import Observations
from nexus.maths.types import Floats
from nexus.signals.factor import Factor

Compute = Callable[[Observations, date, Mapping[str, Any]], Floats]
INPUTS = ("graph_snapshots.g", "node_embeddings.m", "centrality_history.katz", "graph_predictions.m")


def degree(data: Observations, graph: Graph) -> Floats:
    """Edges of each company."""
    ends = np.concatenate([end for edges in graph.edges.values() for end in (edges.src, edges.dst)])
    return (ends[:, None] == data.companies).sum(axis=0).astype(float)


def own_query(data: Observations, statement: str, day: date) -> Floats:
    with Database.configured().read() as connection:
        found = {row[0]: row[1] for row in connection.execute(text(statement), {"day": day})}
    return np.array([found.get(int(company), np.nan) for company in data.companies])


def drift(data: Observations, day: date, params: Mapping[str, Any]) -> Floats:
    _, pair = data.at(day).embeddings("m", 2)
    norms = np.linalg.norm(pair, axis=2)
    return 1 - (pair[0] * pair[1]).sum(axis=1) / (norms[0] * norms[1])


HONEST: dict[str, Compute] = {
    "drift": drift,
    "degree": lambda data, day, params: degree(data, data.at(day).graph("g")),
    "growth": lambda data, day, params: np.subtract(*(degree(data, one) for one in data.at(day).graphs("g", 2))),
    "katz": lambda data, day, params: data.at(day).centrality("katz")[1][0],
    "predicted": lambda data, day, params: data.at(day).predictions("m"),
}
QUERIES = {
    # the newest there is, whenever it was known
    "newest_embedding": "SELECT DISTINCT ON (company_id) company_id, embedding[1] FROM node_embeddings "
    "ORDER BY company_id, snapshot_date DESC, chunk DESC",
    # of the day, but by weights that were trained later
    "in_sample": "SELECT DISTINCT ON (company_id) company_id, embedding[1] FROM node_embeddings "
    "WHERE snapshot_date <= :day ORDER BY company_id, chunk DESC, snapshot_date DESC",
    "next_katz": "SELECT DISTINCT ON (company_id) company_id, katz FROM centrality_history "
    "WHERE as_of > :day ORDER BY company_id, as_of",
    "next_prediction": "SELECT DISTINCT ON (company_id) company_id, probability FROM graph_predictions "
    "WHERE as_of > :day ORDER BY company_id, as_of",
    "explained": "SELECT DISTINCT ON (company_id) company_id, attribution FROM explanations "
    "ORDER BY company_id, as_of DESC",
}


def asked(statement: str) -> Compute:
    return lambda data, day, params: own_query(data, statement, day)


def newest_graph(data: Observations, day: date, params: Mapping[str, Any]) -> Floats:
    return degree(data, Snapshots.open(Database.configured(), "g").last("2100-01-01", 1)[0])


def newest_builder(data: Observations, day: date, params: Mapping[str, Any]) -> Floats:
    """The best snapshot of the day as it is thought today."""
    return degree(data, Snapshots.open(Database.configured(), "g").at(day))


CHEATS: dict[str, Compute] = {
    "newest_graph": newest_graph,
    "newest_builder": newest_builder,
    **{name: asked(statement) for name, statement in QUERIES.items()},
}
FACTORS = [Factor(name, "1", INPUTS, "none", compute) for name, compute in {**HONEST, **CHEATS}.items()]

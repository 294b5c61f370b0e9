"""HGT by link prediction: its loss spelled out, what it can learn, and what it tells of snapshots in a database."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from graph.link_graphs import BOARD, HOLDS, RIVALS, SUPPLY, graph, random_graphs, with_rivals
from torch.nn import functional as f

from nexus.contract.splits import SINGLE_FIT, Plan, chunks, days_of
from nexus.contract.torch import evaluating
from nexus.db.graph import Graph
from nexus.errors import InputError
from nexus.graph.gnn.baselines import BASELINES
from nexus.graph.gnn.batches import LinkBatches, Size, link_loss
from nexus.graph.gnn.data import tensors
from nexus.graph.gnn.examples import Links, normalised
from nexus.graph.gnn.figures import figures, lines
from nexus.graph.gnn.gate import verdict
from nexus.graph.gnn.trainer import HGT
from nexus.graph.gnn.weights import leave
from nexus.nn.sampling import pyg_sampler

needs_pyg = pytest.mark.skipif(pyg_sampler() is None, reason="neither pyg-lib nor torch-sparse is installed")
QUICK = {**HGT.basics, **HGT.defaults, "hidden": 16, "heads": 2, "seed": 0, "device": "cpu"}


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def links():
    return Links(tuple(random_graphs(1, 8)))


@pytest.fixture(scope="module")
def state(links):
    return HGT.build({**QUICK, **HGT.describe(links)})


def batches_of(state, links, **size):
    ready = [normalised(snapshot, state.params) for snapshot in links.raw]
    return LinkBatches(ready, links.transitions, Size(**size), 2, torch.device("cpu"))


class TestLoss:
    def test_it_is_the_cross_entropy_of_dot_products_by_snapshot(self, state, links):
        """Slow twin: PyG's layers snapshot by snapshot, pairs one by one."""
        made = batches_of(state, links)
        (batch,) = made.epoch(np.random.default_rng(0), shuffle=False)
        with evaluating(state) as network:
            given = float(link_loss(network, batch))
            embedded = [
                network(each.features, each.edge_index)
                for each in (normalised(snapshot, state.params) for snapshot in links.raw)
            ]
        (part,) = made._parts
        random, means = np.random.default_rng(0), []
        for kind, asked in part.asked.items():
            codes = asked.draw(random, 1)
            edges = {tuple(each) for each in np.transpose(asked.sampler.places(asked.positives)).tolist()}
            losses = []
            for snapshot, src, dst in np.transpose(asked.sampler.places(codes)).tolist():
                logit = embedded[snapshot][kind[0]][src] @ embedded[snapshot][kind[2]][dst]
                label = torch.tensor(1.0 if (snapshot, src, dst) in edges else 0.0)
                losses.append(float(f.binary_cross_entropy_with_logits(logit, label)))
            assert sum((s, a, b) in edges for s, a, b in np.transpose(asked.sampler.places(codes)).tolist()) == len(
                edges
            )
            means.append(np.mean(losses))
        assert given == pytest.approx(np.mean(means), abs=1e-5)

    def test_positives_are_all_edges_of_the_next_snapshot_whose_ends_are_there(self, state, links):
        (part,) = batches_of(state, links)._parts
        for kind, asked in part.asked.items():
            snapshot, src, dst = asked.sampler.places(asked.positives)
            for i, (before, after) in enumerate(zip(links.graphs, links.graphs[1:], strict=False)):
                mine = snapshot == i
                told = set(zip(
                    before.nodes[kind[0]][src[mine]].tolist(), before.nodes[kind[2]][dst[mine]].tolist(), strict=True
                ))  # fmt: skip
                known = [set(before.nodes[side].tolist()) for side in kind[::2]]
                edges = after.edges[kind]
                pairs = zip(edges.src.tolist(), edges.dst.tolist(), strict=True)
                assert told == {(a, b) for a, b in pairs if a in known[0] and b in known[1]}

    def test_a_large_snapshot_in_samples_with_all_neighbours_has_the_same_loss(self, state, links):
        one = Links(links.graphs[:2])
        whole, sampled = (
            list(batches_of(state, one, **size).epoch(np.random.default_rng(3), shuffle=False))
            for size in ({}, {"edges": 0, "fanout": 1000, "pairs": 10**6})
        )
        with evaluating(state) as network:
            assert float(link_loss(network, sampled[0])) == pytest.approx(float(link_loss(network, whole[0])), abs=1e-5)

    @pytest.mark.parametrize("sampler", ["nexus", pytest.param("pyg", marks=needs_pyg)])
    def test_samples_split_every_pair_among_them(self, state, links, sampler):
        one = Links(links.graphs[:2])
        whole, sampled = (
            list(batches_of(state, one, **size).epoch(np.random.default_rng(3), shuffle=False))
            for size in ({}, {"edges": 0, "fanout": 2, "pairs": 50, "sampler": sampler})
        )
        assert len(sampled) > 3
        for kind in (SUPPLY, BOARD, HOLDS):
            parts = [batch.pairs[kind] for batch in sampled if kind in batch.pairs]
            assert sum(pairs.shape[-1] for pairs, _ in parts) == whole[0].pairs[kind][0].shape[-1]
            assert sum(edges for _, edges in parts) == whole[0].pairs[kind][1]
        assert all(torch.isfinite(link_loss(state.network, batch)) for batch in sampled)

    @needs_pyg
    def test_logits_of_pyg_samples_with_all_neighbours_are_those_of_the_whole(self, state, links):
        one, kept = Links(links.graphs[:2]), {}
        for name, size in (("whole", {}), ("pyg", {"edges": 0, "fanout": 1000, "pairs": 10**6, "sampler": "pyg"})):
            logits = kept.setdefault(name, {})
            with evaluating(state) as network:
                for batch in batches_of(state, one, **size).epoch(np.random.default_rng(3), shuffle=False):
                    embedded = network.embed_many(batch.encoded)
                    for kind, (pairs, edges) in batch.pairs.items():
                        logits[kind] = batch.encoded.scores(embedded, kind, pairs)[:edges].sort().values
        assert set(kept["pyg"]) == set(kept["whole"])
        for kind, logits in kept["whole"].items():
            torch.testing.assert_close(kept["pyg"][kind], logits, rtol=0, atol=1e-5)

    def test_a_sampler_that_does_not_exist_is_refused(self, state, links):
        with pytest.raises(InputError, match="sampler 'dice' is unknown; one of nexus, pyg"):
            batches_of(state, links, sampler="dice")

    def test_rivals_of_another_node_type_are_learned_from_like_any_edge(self, links):
        more = Links(tuple(with_rivals(links.graphs)))
        state = HGT.build({**QUICK, **HGT.describe(more)})
        (batch,) = batches_of(state, more).epoch(np.random.default_rng(0), shuffle=False)
        pairs, edges = batch.pairs[RIVALS]
        assert edges == sum(len(after.edges[RIVALS]) - step.of_new_nodes
                            for after, step in zip(more.graphs[1:], more.transitions[RIVALS], strict=True))  # fmt: skip
        assert pairs.shape[-1] == 2 * edges
        before = HGT.loss(state, more)
        for _ in range(20):
            HGT.step(state, more)
        assert HGT.loss(state, more) < before
        assert HGT.metrics(state, more)["company-competes-extended/all/edges"] > 0

    def test_of_a_node_type_that_training_never_saw_nothing_is_known_and_the_question_counts(self, state, links):
        more = Links(tuple(with_rivals(links.graphs)))
        told = [(asked, score) for asked, score in HGT.marks(state, more) if asked.edge_type == RIVALS]
        assert len(told) == sum(asked.edge_type == RIVALS for asked in more.asked) > 0
        assert all(score.auc == 0.5 for _, score in told)

    def test_a_complete_type_teaches_nothing(self):
        nodes = {"company": [1, 2, 3]}
        full = {BOARD: {(1, 2), (1, 3), (2, 3)}}
        complete = Links((graph(0, nodes, full), graph(1, nodes, full)))
        state = HGT.build({**QUICK, **HGT.describe(complete)})
        assert HGT.loss(state, complete) == 0.0
        assert HGT.step(state, complete) == 0.0


class TestDescription:
    def test_features_are_in_units_of_the_training_snapshots(self, state, links):
        for node_type in state.params["node_types"]:
            rows = torch.cat([normalised(each, state.params).features[node_type] for each in links.raw])
            varied = rows.std(0, correction=0) > 1e-3
            assert varied.sum() >= 4
            torch.testing.assert_close(rows.mean(0), torch.zeros(5), atol=1e-4, rtol=0)
            torch.testing.assert_close(
                rows.std(0, correction=0)[varied], torch.ones(int(varied.sum())), atol=1e-4, rtol=0
            )

    def test_types_that_training_had_not_are_left_out(self, state, links):
        later = links.graphs[-1]
        nodes = {**later.nodes, "director": np.array([7, 8])}
        edges = {**later.edges, ("director", "director_of", "company"): replace(later.edges[HOLDS])}
        edges[("director", "director_of", "company")] = replace(
            later.edges[HOLDS], src=np.array([7]), dst=later.nodes["company"][:1], weight=np.ones(1, np.float32)
        )  # fmt: skip
        grown = Graph(later.day, later.graph, later.version, nodes, edges)
        kept = normalised(tensors(grown), state.params)
        assert "director" not in kept.features and all("director" not in kind for kind in kept.edge_index)
        (embedded,) = HGT.embeddings(state, [tensors(grown)])
        assert embedded["company"].shape == (len(later.nodes["company"]), 16)

    def test_one_snapshot_is_none_to_learn_from(self, links):
        with pytest.raises(InputError, match="1 snapshots to train on"):
            HGT.describe(Links(links.graphs[:1]))

    def test_what_is_described_is_json(self, links):
        described = HGT.describe(links)
        assert json.loads(json.dumps(described)) == described
        assert ["company", "rev_supplies", "company"] in described["edge_types"]


def grouped(seed: int, months: int) -> list[Graph]:
    """Companies that many funds hold supply one another, the others do so: only who holds them tells the group."""
    random = np.random.default_rng(seed)
    companies, held = list(range(100, 160)), set(range(100, 130))
    funds = list(range(1, 9))
    holds = {(fund, company) for company in held for fund in funds if random.random() < 0.6}
    holds |= {
        (fund, company) for company in companies if company not in held for fund in funds if random.random() < 0.1
    }
    supply, out = set(), []
    for month in range(months):
        supply = {pair for pair in supply if random.random() > 0.15}
        while len(supply) < 90:
            a, b = (int(each) for each in random.choice(companies, 2, replace=False))
            if (a in held) == (b in held):
                supply.add((a, b))
        out.append(graph(month, {"company": companies, "fund": funds}, {SUPPLY: set(supply), HOLDS: holds}))
    return out


class TestLearning:
    def test_it_learns_who_will_be_tied_beyond_the_best_rule(self):
        graphs = tuple(grouped(0, 50))
        train, test = Links(graphs[:30]), Links(graphs[31:], graphs[:31])
        state = HGT.build({**QUICK, **HGT.describe(train)})
        losses = [HGT.step(state, train) for _ in range(60)]
        assert losses[-1] < losses[0]
        model = [(asked, score) for asked, score in HGT.marks(state, test) if asked.kind == "new"]
        own = [score for asked, score in model if asked.edge_type == SUPPLY]
        rules = {
            name: [asked.rules[name] for asked, _ in model if asked.edge_type == SUPPLY] for name in model[0][0].rules
        }
        found = verdict(SUPPLY, own, rules)
        assert found.verdict == "pass", found.sentence
        assert found.auc < 0.8  # within a group nobody can tell

    def test_metrics_name_every_rule_beside_the_model(self, state, links, caplog):
        test = Links(links.graphs[4:], links.graphs[:4])
        with caplog.at_level("INFO", "nexus"):
            told = HGT.metrics(state, test)
        for kind in ("new", "all"):
            for figure in ("auc", "ap"):
                name = f"company-supplies-company/{kind}/{figure}"
                assert {name, *(f"{name}/{rule}" for rule in test.asked[0].rules)} <= set(told)
        assert all(np.isfinite(list(told.values())))
        edges = told["company-supplies-company/new/edges"]
        assert edges == sum(len(step.new) for step in test.transitions[SUPPLY])
        assert f"company-supplies-company/new: {edges} new edges; the graph is static" in caplog.text

    def test_many_static_types_are_told_in_one_line(self):
        types = [("company", f"relation {number}", "company") for number in range(9)]
        told = list(
            lines(
                {
                    **figures([], types),
                    "a-b-c/new/edges": 80,
                    "a-b-c/new/auc": 0.7,
                    "a-b-c/new/ap": 0.2,
                    **{f"a-b-c/new/{figure}/{rule}": 0.5 for figure in ("auc", "ap") for rule in BASELINES},
                }
            )
        )
        assert told[0] == "9 edge types: at most 0 new edges; the graph is static and the AUC says nothing"
        assert [line.partition(":")[0] for line in told[1:]] == ["a-b-c/new"]

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"layers": 0}, "an encoder of 0 layers"),
            ({"dropout": 1.0}, "with dropout 1.0"),
            ({"per_positive": 0}, "per_positive 0: at least 1"),
        ],
    )
    def test_parameters_that_teach_nothing_are_refused(self, links, wrong, message):
        with pytest.raises(InputError, match=message):
            HGT.step(HGT.build({**QUICK, **HGT.describe(links), **wrong}), links)

    def test_too_few_pairs_are_named(self, caplog):
        nodes = {"company": [1, 2, 3, 4]}
        few = Links((graph(0, nodes, {BOARD: {(1, 2)}}), graph(1, nodes, {BOARD: {(1, 2), (3, 4)}})))
        with caplog.at_level("INFO", "nexus"):
            assert len(few.asked) == 2
        assert "company-board-company: on 1 of 1 snapshots 10 negatives wanted, 4 exist: all of them" in caplog.text

    def test_training_is_equal_to_the_bit_for_equal_seeds(self, links):
        weights = []
        for seed in (0, 0, 1):
            state = HGT.build({**QUICK, **HGT.describe(links), "seed": seed})
            for _ in range(3):
                HGT.step(state, links)
                HGT.loss(state, links)
            weights.append(torch.cat([each.flatten() for each in state.network.state_dict().values()]))
        assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


class TestWeights:
    def about(self, trained_to: str, run: str) -> dict[str, object]:
        return {"trained_to": trained_to, "run_id": run, "chunk": 0}

    def test_the_latest_weights_lie_there_with_their_run(self, state, links, tmp_path: Path):
        path = tmp_path / "models" / "hgt_link_pred.pt"
        HGT.leave(state, tmp_path, self.about("2020-01-31", "first"))
        saved = torch.load(path, weights_only=True)
        assert json.loads(saved["about"])["run_id"] == "first"
        other = HGT.build({**json.loads(saved["params"]), "seed": 9})
        other.network.load_state_dict(saved["network"])
        (mine,), (theirs,) = (HGT.embeddings(each, links.raw[:1]) for each in (state, other))
        assert np.array_equal(mine["company"], theirs["company"])
        leave(path, state, self.about("2019-12-31", "earlier"))
        assert json.loads(torch.load(path, weights_only=True)["about"])["run_id"] == "first"
        leave(path, state, self.about("2020-02-28", "later"))
        assert json.loads(torch.load(path, weights_only=True)["about"])["run_id"] == "later"
        leave(path, state, {**self.about("2020-02-28", "as late"), "chunk": 1})
        leave(path, state, self.about("2020-02-28", "of an earlier chunk, its parameters chosen on later ones"))
        assert json.loads(torch.load(path, weights_only=True)["about"])["run_id"] == "as late"
        HGT.leave(state, tmp_path, {**self.about("2021-01-29", "single fit"), "chunk": SINGLE_FIT})
        assert json.loads(torch.load(path, weights_only=True)["about"])["run_id"] == "as late"
        assert [each.name for each in path.parent.iterdir()] == [path.name]

    def test_weights_of_a_gpu_are_built_on_the_cpu(self, state, tmp_path: Path):
        path = tmp_path / "hgt_link_pred.pt"
        leave(path, replace(state, params={**state.params, "device": "cuda"}), self.about("2020-01-31", "on a GPU"))
        built = HGT.build(json.loads(torch.load(path, weights_only=True)["params"]))
        assert built.device.type == "cpu" and built.params == {**state.params, "device": "cpu"}


def test_between_the_parts_one_snapshot_is_left_out_whatever_the_month():
    """Business days make the longest months; with holidays they are shorter, and the gap never closes."""
    sessions = pd.bdate_range("1990-01-01", "2025-01-15").to_numpy().astype("datetime64[D]")
    days = days_of(sessions, date(1990, 1, 1), date(2024, 12, 31), "month")
    assert max(np.diff(np.searchsorted(sessions, np.array(days, "datetime64[D]")))) == HGT.horizon
    for chunk in chunks(days, sessions, HGT.horizon, Plan()):
        assert days.index(chunk.validation[0]) - days.index(chunk.train[-1]) == 2
        assert days.index(chunk.test[0]) - days.index(chunk.validation[-1]) == 2

"""Relation-aware attention against PyG's GATv2Conv and a slow twin, edge by edge."""

import math

import pytest
import torch
from torch.nn.functional import leaky_relu

from nexus.nn.gat import GATEncoder
from nexus.nn.pyg import GATv2Conv
from nexus.nn.relation_gat import RelationAttention, RelationEncoder, RelationLayer

HIDDEN, HEADS = 12, 3
SUPPLIES, BACK = ("company", "supplies", "company"), ("company", "rev_supplies", "company")
HOLDS, HELD = ("fund", "holds", "company"), ("company", "rev_holds", "fund")
KINDS = [SUPPLIES, BACK, HOLDS, HELD]
SIZES = {"company": 9, "fund": 4}


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def random() -> torch.Generator:
    torch.manual_seed(0)  # of the weights
    return torch.Generator().manual_seed(1)


def draw_edges(random, kinds=KINDS, n_edges=14):
    edges = {
        kind: torch.stack([torch.randint(0, SIZES[end], (n_edges,), generator=random) for end in (kind[0], kind[2])])
        for kind in kinds
    }
    return edges, {kind: torch.randn(n_edges, generator=random) for kind in kinds}


def draw_nodes(random, width=HIDDEN):
    return {kind: torch.randn(n, width, generator=random) for kind, n in SIZES.items()}


def slow_attention(layer: RelationAttention, sources, targets, edges, weight) -> torch.Tensor:
    """The definition, target by target and head by head."""
    width = HIDDEN // HEADS
    left, right = layer.lin_l(sources), layer.lin_r(targets)
    out = torch.zeros(len(targets), HIDDEN)
    for target in range(len(targets)):
        incoming = [place for place in range(edges.shape[1]) if int(edges[1, place]) == target]
        for head in range(HEADS):
            part = slice(head * width, (head + 1) * width)
            scores = []
            for place in incoming:
                described = torch.cat([weight[place : place + 1], layer.embedding])
                inside = right[target] + left[edges[0, place]] + layer.lin_edge.weight @ described
                own = layer.att[0, head] @ leaky_relu(inside[part], 0.2)
                scores.append(own + layer.slope[head] * weight[place])
            if scores:
                share = torch.softmax(torch.stack(scores), dim=0)
                out[target, part] = sum(a * left[edges[0, p], part] for a, p in zip(share, incoming, strict=True))
    return out + layer.bias


def test_attention_is_its_definition(random):
    layer = RelationAttention(HIDDEN, HEADS)
    with torch.no_grad():
        layer.slope.copy_(torch.randn(HEADS, generator=random))
        layer.bias.copy_(torch.randn(HIDDEN, generator=random))
    edges, weight = draw_edges(random)
    x = draw_nodes(random)
    for kind in (SUPPLIES, HOLDS):
        given = x[kind[0]], x[kind[2]]
        made = layer(given, edges[kind], weight[kind])
        torch.testing.assert_close(made, slow_attention(layer, *given, edges[kind], weight[kind]), atol=1e-5, rtol=1e-5)


def test_without_a_slope_attention_is_pygs_with_the_embedding_as_edge_features_gradients_too(random):
    ours = RelationAttention(HIDDEN, HEADS)
    theirs = GATv2Conv((HIDDEN, HIDDEN), HIDDEN // HEADS, HEADS, add_self_loops=False, edge_dim=17)
    theirs.load_state_dict({name: value for name, value in ours.state_dict().items() if name in theirs.state_dict()})
    edges, weight = draw_edges(random)
    x = draw_nodes(random)
    given = x["fund"], x["company"]
    described = torch.cat([weight[HOLDS][:, None], ours.embedding.detach().expand(14, -1)], dim=1)
    one, other = ours(given, edges[HOLDS], weight[HOLDS]), theirs(given, edges[HOLDS], described)
    torch.testing.assert_close(one, other)
    one.square().sum().backward()
    other.square().sum().backward()
    for name, value in theirs.named_parameters():
        torch.testing.assert_close(ours.get_parameter(name).grad, value.grad, atol=1e-5, rtol=1e-4)


def test_the_slope_prefers_heavy_edges(random):
    layer = RelationAttention(HIDDEN, HEADS)
    edges, weight = torch.tensor([[0, 1], [0, 0]]), torch.tensor([5.0, 0.0])
    x = torch.randn(2, HIDDEN, generator=random), torch.zeros(1, HIDDEN)
    with torch.no_grad():
        layer.slope.fill_(20.0)
        made = layer(x, edges, weight)
    torch.testing.assert_close(made[0], layer.lin_l(x[0])[0] + layer.bias, atol=1e-4, rtol=1e-4)


def test_a_layer_adds_up_what_the_relations_say_by_their_softmax_weights(random):
    layer = RelationLayer(KINDS, HIDDEN, HEADS)
    with torch.no_grad():
        for place, each in enumerate(layer.weights.values()):
            each.fill_(0.7 * place)
    edges, weight = draw_edges(random)
    x = draw_nodes(random)
    made = layer(x, edges, weight)
    for target, kinds in (("company", [SUPPLIES, BACK, HOLDS]), ("fund", [HELD])):
        told = [
            layer.mlps["__".join(kind)](
                slow_attention(layer.attention.convs[kind], x[kind[0]], x[target], edges[kind], weight[kind])
            )
            for kind in kinds
        ]
        raw = [math.exp(layer.weights["__".join(kind)].item()) for kind in kinds]
        added = sum(share / sum(raw) * each for share, each in zip(raw, told, strict=True))
        expected = torch.layer_norm(x[target] + added, [HIDDEN])
        torch.testing.assert_close(made[target], expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("gone", ["absent", "empty"])
def test_a_relation_missing_on_the_day_leaves_its_weight_to_the_others(random, gone):
    layer = RelationLayer(KINDS, HIDDEN, HEADS)
    with torch.no_grad():
        layer.weights["__".join(HOLDS)].fill_(3.0)
    edges, weight = draw_edges(random)
    x = draw_nodes(random)
    if gone == "absent":
        del edges[HOLDS], weight[HOLDS]
    else:
        edges[HOLDS], weight[HOLDS] = torch.empty(2, 0, dtype=torch.long), torch.empty(0)
    assert layer.present(edges) == [SUPPLIES, BACK, HELD]
    shares = layer.shares(layer.present(edges))
    assert shares == pytest.approx({SUPPLIES: 0.5, BACK: 0.5, HELD: 1.0})
    told = [
        layer.mlps["__".join(kind)](
            layer.attention.convs[kind]((x["company"], x["company"]), edges[kind], weight[kind])
        )
        for kind in (SUPPLIES, BACK)
    ]
    expected = torch.layer_norm(x["company"] + 0.5 * told[0] + 0.5 * told[1], [HIDDEN])
    torch.testing.assert_close(layer(x, edges, weight)["company"], expected, atol=1e-5, rtol=1e-5)


def test_weights_are_learned_or_stay_alike(random):
    edges, weight = draw_edges(random)
    x = draw_nodes(random)
    for learned in (True, False):
        layer = RelationLayer(KINDS, HIDDEN, HEADS, learned=learned)
        loss = sum(each.square().sum() for each in layer(x, edges, weight).values())
        loss.backward()
        moved = {key for key, each in layer.weights.items() if each.grad is not None and float(each.grad) != 0}
        assert moved == ({"__".join(kind) for kind in KINDS[:3]} if learned else set())  # a fund has one relation only
        assert layer.shares()[SUPPLIES] == pytest.approx(1 / 3)


def test_without_any_edge_a_layer_changes_nothing(random):
    x = draw_nodes(random)
    made = RelationLayer(KINDS, HIDDEN, HEADS)(x, {}, {})
    assert all(torch.equal(made[kind], x[kind]) for kind in x)


def test_the_encoder_is_equivariant_and_ignores_types_it_was_not_told_of(random):
    encoder = RelationEncoder((["company", "fund"], KINDS), 5, HIDDEN, HEADS, dropout=0.0)
    features = draw_nodes(random, 5)
    edges, weight = draw_edges(random)
    before = encoder(features, edges, weight)
    new = torch.randperm(9, generator=random)
    inverse = torch.argsort(new)  # node `i` is called `inverse[i]` afterwards
    renamed = {
        kind: torch.stack([inverse[row] if end == "company" else row for row, end in zip(each, kind[::2], strict=True)])
        for kind, each in edges.items()
    }
    moved = {"company": features["company"][new], "fund": features["fund"], "director": torch.randn(3, 5)}
    renamed["director", "director_of", "company"] = torch.tensor([[0], [1]])
    weight["director", "director_of", "company"] = torch.ones(1)
    torch.testing.assert_close(encoder(moved, renamed, weight), before[new], atol=1e-5, rtol=1e-5)
    assert {kind[2] for kind in encoder.layers[-1].edge_types} == {"company"}


def test_an_edge_type_gets_a_gradient_in_every_layer_it_can_reach_the_companies_from(random):
    encoder = RelationEncoder((["company", "fund"], KINDS), 5, HIDDEN, HEADS, dropout=0.0)
    edges, weight = draw_edges(random)
    encoder(draw_nodes(random, 5), edges, weight).square().sum().backward()
    without = {name for name, each in encoder.named_parameters() if each.requires_grad and not each.grad.any()}
    # a fund hears of one relation only, whose weight is 1 whatever it is
    assert without == {"layers.0.weights.company__rev_holds__fund"}


def test_the_baseline_is_pygs_gatv2_with_residual_and_norm(random):
    encoder = GATEncoder(5, HIDDEN, HEADS, layers=1, dropout=0.0)
    edges = torch.randint(0, 9, (2, 20), generator=random)
    x = torch.randn(9, 5, generator=random)
    inside = torch.relu(encoder.inputs(x))
    plain = GATv2Conv(HIDDEN, HIDDEN // HEADS, HEADS)
    plain.load_state_dict(encoder.layers[0].state_dict())
    expected = torch.layer_norm(inside + plain(inside, edges), [HIDDEN])
    torch.testing.assert_close(encoder(x, edges), expected, atol=1e-5, rtol=1e-5)


def test_half_precision_gives_nearly_the_same_and_finite_gradients(random):
    """As on a GPU: the layers in bfloat16, sums over edges and the softmax in full."""
    encoder = RelationEncoder((["company", "fund"], KINDS), 5, HIDDEN, HEADS, dropout=0.0)
    edges, weight = draw_edges(random)
    features = draw_nodes(random, 5)
    full = encoder(features, edges, weight)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = encoder(features, edges, weight)
    torch.testing.assert_close(half.float(), full, atol=0.1, rtol=0.1)
    half.float().square().sum().backward()
    assert all(torch.isfinite(each.grad).all() for each in encoder.parameters() if each.grad is not None)

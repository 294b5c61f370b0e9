"""Verdicts in sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from nexus.db.evidence import Evidence
from nexus.signals.decide import REASONS


def summary(signals: Sequence[Evidence], m: int) -> str:
    """One sentence on all of them: how many stand, and what the test could have seen."""
    statuses = Counter(found.signal["status"] for found in signals)
    stands = [found.signal["name"] for found in signals if found.signal["status"] == "approved"]
    counted = ", ".join(f"{count} {status}" for status, count in sorted(statuses.items())) or "none registered"
    opening = f"Standing at M = {m}: {', '.join(stands)}" if stands else f"Nothing stands at M = {m}"
    detectable = sorted(f.signal["detectable_ic"] for f in signals if f.signal["detectable_ic"] is not None)
    coverage = sorted(f.signal["coverage"] for f in signals if f.signal["coverage"] is not None)
    power = f"; the median signal's detectable IC is {detectable[len(detectable) // 2]:.3f}" if detectable else ""
    seen = f", coverage of the universe {coverage[0]:.0%} to {coverage[-1]:.0%}" if coverage else ""
    return f"{opening} ({counted}){power}{seen}."


def verdict_sentence(signal: Mapping[str, Any], look: Mapping[str, Any]) -> str:
    """What was concluded of one signal, and how sure that is."""
    if look["gate_t"] is None:
        return f"{signal['verdict'].capitalize()}, so {signal['status']}: there are too few dates for a t statistic."
    power = (
        f" An IC of {look['detectable_ic']:.3f} would have been found with a probability of 80 %."
        if look["detectable_ic"] is not None
        else ""
    )
    side, p = look["side"], look["gate_p"]
    return (
        f"{signal['verdict'].capitalize()}, so {signal['status']}: over {look['gate_n']} months at {look['horizon']} "
        f"sessions the mean IC is {look['gate_mean'] * side:+.4f}, t = {look['gate_t'] * side:+.2f}, p = {p:.2g}, "
        f"p x M = {min(p * signal['m'], 1):.2g} at M = {signal['m']}.{power} Reason: {REASONS[signal['reason']]}."
    )


def number(value: float | None, form: str, side: int = 1) -> str:
    """`value` times `side` in printf form; nothing for None."""
    return "" if value is None else form % (value * side)


def percent(value: float | None, form: str = "%.1f") -> str:
    """A fraction in per cent; nothing for None."""
    return "" if value is None else f"{form % (100 * value)} %"


def money(value: float) -> str:
    """Three digits and a word: 12.3 million."""
    for size, word in ((1e9, " billion"), (1e6, " million"), (1e3, " thousand")):
        if value >= size:
            return f"{value / size:.3g}{word}"
    return f"{value:.3g}"

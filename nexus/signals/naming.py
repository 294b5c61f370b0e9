"""What a signal is called in the registry."""

from __future__ import annotations

from nexus.settings import settings
from nexus.signals.scores import Scorable


def signal_name(factor: Scorable, own: Scorable, universe: str) -> str:
    """The factor's bare name where it is judged as it was written on the default universe, else `factor@...`.

    factor : as judged
    own : as written
    """
    changed = (factor.neutralise, factor.condition_name) != (own.neutralise, own.condition_name)
    if universe == settings().universe and not changed:
        return factor.name
    return f"{factor.name}@{'/'.join(filter(None, [universe, factor.neutralise, factor.condition_name]))}"

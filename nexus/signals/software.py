"""What an evaluation was computed with, so that a later one can say whether that changed."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from platform import python_version

import nexus

JUDGING = (
    "maths/calendar", "maths/ic", "maths/inference", "maths/kernels", "maths/ordered", "maths/regression",
    "maths/returns", "maths/stats", "signals/describe", "signals/exposures", "signals/judge", "signals/labels",
    "signals/rebalance", "signals/scores", "signals/survey",
)  # fmt: skip
"""Files on which the figures depend, besides the factor's own and the readers'."""
LIBRARIES = ("numpy", "scipy", "numba")


@cache
def code_hash() -> str:
    """Digest of the code that scores, neutralises, labels and judges, as this process runs it."""
    root = Path(nexus.__file__).parent
    return sha256(b"".join((root / f"{name}.py").read_bytes() for name in JUDGING)).hexdigest()


def libraries() -> dict[str, str]:
    """Versions of what the figures are computed with."""
    return {"python": python_version()} | {name: version(name) for name in LIBRARIES}

"""What is drawn, apart from what draws it: `interactive` for the page, `still` for print and for files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from nexus.maths.types import Dates, Floats

BLUE, ORANGE, GREY = "#2b6cb0", "#c05621", "#a0aec0"
PALETTE = (BLUE, ORANGE, "#718096", "#2f855a", "#6b46c1")
SHADE = "#ecc94b"
IN_SAMPLE = "in-sample selection"
EXPLORATORY = "EXPLORATORY"


@dataclass(frozen=True)
class Series:
    """One line, or one bar for each place; NaN: nothing is drawn there."""

    name: str
    values: Floats


@dataclass(frozen=True)
class Curves:
    """Lines over days or over a positive number (then on a logarithmic axis).

    key : of its file
    caption : what a reader must know to read it
    percent : values are fractions
    log : the values' axis is logarithmic
    filled : between the line and zero
    steps : bars instead of lines
    """

    key: str
    title: str
    x: Dates | Floats
    lines: Sequence[Series]
    caption: str = ""
    x_title: str = ""
    percent: bool = False
    log: bool = False
    filled: bool = False
    steps: bool = False

    @property
    def timed(self) -> bool:
        """Whether it is over days."""
        return self.x.dtype.kind == "M"

    @property
    def days(self) -> Dates:
        """Of one that is timed."""
        return self.x.astype("datetime64[D]")


@dataclass(frozen=True)
class Bars:
    """Horizontal bars, one of each series for each name, downwards."""

    key: str
    title: str
    names: Sequence[str]
    bars: Sequence[Series]
    caption: str = ""
    percent: bool = False


@dataclass(frozen=True)
class Heat:
    """Words on colours, (n_rows, n_columns).

    colours : -1 to 1; NaN: an empty cell
    """

    key: str
    title: str
    rows: Sequence[str]
    columns: Sequence[str]
    words: Sequence[Sequence[str]]
    colours: Floats
    caption: str = ""


Chart = Curves | Bars | Heat


@dataclass(frozen=True)
class Stamp:
    """What every drawing of a run carries.

    exploratory : the reason of an exploratory run
    cut : up to which day the figures are in-sample selection
    """

    name: str
    exploratory: str | None
    cut: date | None

    @property
    def lines(self) -> list[str]:
        """In words, the reason last."""
        cut = [] if self.cut is None else [f"up to {self.cut}: {IN_SAMPLE}"]
        return [self.name, *cut, *([] if self.exploratory is None else [f"{EXPLORATORY}: {self.exploratory}"])]

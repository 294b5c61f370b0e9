"""Walk-forward: on which days a module is trained, chosen and tried, so that no label of one part reaches the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nexus.errors import InputError
from nexus.maths import calendar

SINGLE_FIT = -1
"""Number of the chunk of a single fit: its rows stand beside those of the walk, and give way where both may be read."""
Days = NDArray[np.datetime64]
Split = Literal["train", "validation", "test", "none"]
Every = Literal["month"] | int


@dataclass(frozen=True)
class Plan:
    """How a stretch of days is cut into chunks.

    start, end : first and last day, default those of the inputs
    first_train_months : of the first chunk; each later one trains `test_months` longer, from the same first day
    days : "month", the last session of each complete month, or every so many sessions
    single_fit : one chunk that trains on all but the last validation and test months, and predicts everything: a way
        to look, since a reader of any judged day does not see its rows
    """

    start: date | None = None
    end: date | None = None
    first_train_months: int = 36
    validation_months: int = 12
    test_months: int = 12
    days: Every = "month"
    single_fit: bool = False

    def __post_init__(self) -> None:
        for name in ("first_train_months", "validation_months", "test_months"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} {getattr(self, name)}: at least one month")
        if self.days != "month" and int(self.days) < 1:
            raise InputError(f"days {self.days}: `month`, or every so many sessions, at least 1")

    def empty(self) -> InputError:
        """What to raise where it has no day."""
        return InputError(f"no day between {self.start or 'the first'} and {self.end or 'the last'}; widen the window")


@dataclass(frozen=True)
class Chunk:
    """One train / validation / test trio, days ascending.

    trained_to : last session of anything that fits, tunes or chooses, labels included; every test day is later, unless
        the parameters were chosen on later data
    companion : the day before the first test day, predicted too, so that a change from it can be told in one space
    embargoed : days between the parts, whose labels reach into the next
    single_fit : whether all days are to be predicted, not only companion and test
    """

    number: int
    train: tuple[date, ...]
    validation: tuple[date, ...]
    test: tuple[date, ...]
    trained_to: date
    companion: date
    embargoed: tuple[date, ...] = ()
    single_fit: bool = False

    @property
    def name(self) -> str:
        """In words."""
        return "single fit" if self.single_fit else f"chunk {self.number}"

    def split(self, day: date) -> Split:
        """What the weights of this chunk saw of the day."""
        parts: dict[Split, tuple[date, ...]] = {"train": self.train, "validation": self.validation, "test": self.test}
        found: Split = next((name for name, days in parts.items() if day in days), "none")
        return "validation" if found == "test" and day <= self.trained_to else found

    def chosen_on(self, last: date) -> Chunk:
        """The same days, with parameters that were chosen on data up to `last`."""
        return replace(self, trained_to=max(self.trained_to, last))

    @property
    def late(self) -> bool:
        """Whether the parameters were chosen on test days."""
        return self.test[0] <= self.trained_to

    @property
    def predicted(self) -> tuple[date, ...]:
        """The days that `predict` is for, ascending."""
        if self.single_fit:
            return tuple(sorted((*self.train, *self.embargoed, *self.validation, *self.test)))
        return (self.companion, *self.test)


def days_of(sessions: Days, first: date, last: date, every: Every) -> list[date]:
    """The days of a plan from `first` to `last`.

    sessions : (n,), the whole calendar; the last month counts once it goes on beyond it
    """
    start, end = np.datetime64(first, "D"), np.datetime64(last, "D")
    if every == "month":
        ends = calendar.month_ends(sessions, end)
        return _dates(ends[ends >= start])
    return _dates(sessions[(sessions >= start) & (sessions <= end)][:: int(every)])


def chunks(days: Sequence[date], sessions: Days, horizon: int, plan: Plan) -> list[Chunk]:
    """The chunks of `plan`, at least one.

    days : ascending, all of them sessions
    sessions : (n,), ascending, up to the last one of which data are known
    horizon : sessions after its day that a label is made of

    Raises
    ------
    InputError
        When a day is no session, or there are too few days for one chunk.
    """
    chosen = np.array([day for day in days if _inside(day, plan)], dtype="datetime64[D]")
    if not len(chosen):
        raise plan.empty()
    cut = _Cut(chosen, _rows(chosen, sessions), sessions, horizon, plan)
    bounds = [_single(chosen, plan)] if plan.single_fit else _walk(chosen, plan)
    numbered = enumerate(bounds, SINGLE_FIT if plan.single_fit else 0)
    found = [cut.chunk(number, first_test, end) for number, (first_test, end) in numbered]
    made = [chunk for chunk in found if chunk is not None]
    if not made:
        raise InputError(
            f"{len(chosen)} days from {chosen[0]} to {chosen[-1]} make no chunk: {plan.first_train_months} months of "
            f"training, {plan.validation_months} of validation and a test day are needed, with {horizon} sessions "
            "between them; start earlier, or ask for fewer months"
        )
    return made


@dataclass(frozen=True)
class _Cut:
    """The days in order, and their places in the calendar."""

    days: Days
    rows: NDArray[np.int64]
    sessions: Days
    horizon: int
    plan: Plan

    def chunk(self, number: int, first_test: np.datetime64, end: np.datetime64) -> Chunk | None:
        """The chunk whose test months begin at `first_test` and end before `end`; None where a part is empty."""
        begin = _months_later(first_test, -self.plan.validation_months)
        later = np.flatnonzero((self.days >= first_test) & (self.days < end))
        validation = self._before(later, self.days >= begin)
        train = self._before(validation, self.days < begin)
        if not len(train) or not len(validation):
            return None
        trained = int(self.rows[validation[-1]]) + self.horizon
        test = np.flatnonzero((self.rows > trained) & (self.days < end))
        between = np.setdiff1d(np.arange(test[0]), np.concatenate([train, validation]))
        return Chunk(
            number=number,
            train=tuple(_dates(self.days[train])),
            validation=tuple(_dates(self.days[validation])),
            test=tuple(_dates(self.days[test])),
            trained_to=_dates(self.sessions[trained : trained + 1])[0],
            companion=_dates(self.days[test[0] - 1 : test[0]])[0],
            embargoed=tuple(_dates(self.days[between])),
            single_fit=self.plan.single_fit,
        )

    def _before(self, part: NDArray[np.int64], among: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Those whose labels are over before the first day of the next part."""
        if not len(part):
            return part
        return np.flatnonzero(among & (self.rows + self.horizon < self.rows[part[0]]))


def _walk(days: Days, plan: Plan) -> list[tuple[np.datetime64, np.datetime64]]:
    """First test day and end of each chunk, by months from the first day's."""
    month = days[0].astype("datetime64[M]").astype("datetime64[D]")
    first = _months_later(month, plan.first_train_months + plan.validation_months)
    count = 0
    while _months_later(first, count * plan.test_months) <= days[-1]:
        count += 1
    edges = [_months_later(first, number * plan.test_months) for number in range(count + 1)]
    return list(pairwise(edges))


def _single(days: Days, plan: Plan) -> tuple[np.datetime64, np.datetime64]:
    beyond = _months_later(days[-1].astype("datetime64[M]").astype("datetime64[D]"), 1)
    return _months_later(beyond, -plan.test_months), beyond


def _inside(day: date, plan: Plan) -> bool:
    return (plan.start is None or day >= plan.start) and (plan.end is None or day <= plan.end)


def _rows(days: Days, sessions: Days) -> NDArray[np.int64]:
    rows = np.searchsorted(sessions, days)
    strangers = days[(rows == len(sessions)) | (sessions[np.minimum(rows, len(sessions) - 1)] != days)]
    if len(strangers):
        raise InputError(f"{strangers[0]} is no session of the data, {sessions[0]} to {sessions[-1]}; take one of them")
    return rows.astype(np.int64)


def _months_later(day: np.datetime64, months: int) -> np.datetime64:
    """The first of a month, so many months on."""
    later: np.datetime64 = (day.astype("datetime64[M]") + months).astype("datetime64[D]")
    return later


def _dates(days: Days) -> list[date]:
    return days.astype("datetime64[D]").astype(object).tolist()  # type: ignore[no-any-return]

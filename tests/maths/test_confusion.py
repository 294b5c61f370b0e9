"""Counts of two classes against pandas, and what is made of them against its definition."""

import numpy as np
import pandas as pd
import pytest

from nexus.maths.confusion import Confusion


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_counts_and_what_is_made_of_them_are_by_the_definition(share):
    random = np.random.default_rng(4)
    label, said = random.random(300) < share, random.random(300) < 0.4
    counts = Confusion.of(label, said)
    assert [[counts.tn, counts.fp], [counts.fn, counts.tp]] == pd.crosstab(label, said).to_numpy().tolist()
    precision, recall = label[said].mean(), said[label].mean()
    assert counts.f1 == pytest.approx(2 / (1 / precision + 1 / recall), rel=1e-12)
    assert counts.matthews == pytest.approx(np.corrcoef(label, said)[0, 1], rel=1e-12)


def test_nothing_said_or_nothing_true():
    label, none = np.array([True, False, True]), np.zeros(3, bool)
    assert Confusion.of(label, none).f1 == 0 and Confusion.of(label, none).matthews == 0
    assert Confusion.of(none, none).f1 == 0 and Confusion.of(none, none).tn == 3
    with pytest.raises(ValueError, match="answers"):
        Confusion.of(label, none[:2])

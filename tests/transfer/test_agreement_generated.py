"""What our checks let pass without a word runs to its end in the stand-in; of what fails there we warn first."""

from __future__ import annotations

import pytest
from agreement import disagreements


def test_some_agree() -> None:
    once_let_pass = (6562, 6840, 8733)  # an overlap of all frames, which older releases stop on
    assert disagreements([*range(60), *once_let_pass]) == []


@pytest.mark.long
@pytest.mark.parametrize("first", range(0, 10_000, 500))
def test_ten_thousand_agree(first: int) -> None:
    assert disagreements(range(first, first + 500)) == []

"""What confirming a front is worth, in simulations."""

from __future__ import annotations

from benchmarks.front.confirmations import searched
from benchmarks.front.recorded import load


def test_a_simulated_search_says_less_than_it_reaches_and_repeats_itself() -> None:
    table = load("digits")
    found = searched(table, 20, 4, seed=0)
    assert found == searched(table, 20, 4, seed=0)
    assert 0 < found.best < 0.2
    assert 0 < found.volume < 1
    assert 0 <= found.right <= 1
    assert 0 <= found.chance <= 1

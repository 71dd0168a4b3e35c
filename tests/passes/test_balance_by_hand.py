"""Copies where one choice is the better one by a little: each by hand."""

from __future__ import annotations

from fractions import Fraction

from cimc.passes.crossbars.balance import Load, at_pace_of, balance
from cimc.passes.crossbars.balance_one_input import Step, spend
from tests.passes.test_balance import load


def test_left_over_crossbars_go_where_one_saves_most() -> None:
    """A second copy of "a" saves 4 s for 3 crossbars, of "b" 2 s for one; what then is left buys two more of "b"."""
    a = [Step(1, 3, Fraction(8)), Step(2, 6, Fraction(4))]
    b = [Step(1, 1, Fraction(4)), Step(2, 2, Fraction(2)), Step(4, 4, Fraction(1))]
    assert spend([a, b], (1, 1), 3 + 1 + 3) == (1, 4)
    assert spend([a, b], (1, 1), 3 + 1 + 4) == (2, 2)


def test_of_equally_fast_copies_the_cheapest_are_taken() -> None:
    """A second copy of either saves 1 s; of "a" it takes three crossbars, of "b" two, and three are there."""
    found = balance([load("a", 2, 3), load("b", 2, 2)], 3 + 2 + 3, "latency")
    assert (found.copies, found.crossbars, found.left_over) == ((1, 2), 7, 1)


def test_times_of_any_fractions_are_compared_exactly() -> None:
    """A second copy saves 2/3 s or 5/7 s: 14 or 15 of 21; in sevenths, cut off, both would be 5."""
    layers = [Load("a", 2, Fraction(2, 3), 1, 1, 2), Load("b", 2, Fraction(5, 7), 1, 1, 2)]
    assert balance(layers, 3, "latency").copies == (1, 2)


def test_a_layer_that_cannot_keep_up_gets_all_it_may_have() -> None:
    layers = [load("a", 8, most=3), load("b", 6), load("pace", 2)]
    assert at_pace_of(layers, "pace") == (3, 3, 1)  # at 2 turns "a" would need 4
    assert at_pace_of([load("a", 8, most=2), load("pace", 1)], "pace") == (2, 1)

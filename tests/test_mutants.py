"""The list of planted bugs fits the tree as it is; `python -m tests.mutants` plants them."""

from __future__ import annotations

import ast
import re
from collections import Counter

import pytest

from tests.mutants import FIRST, PRINTED_PAGES, ROOT, WIDER, Mutant, longest, mutants

MUTANTS = mutants()


def test_there_are_bugs_of_every_subject() -> None:
    assert len(MUTANTS) >= 73
    assert max(Counter(mutant.name for mutant in MUTANTS).values()) == 1, "two bugs of one name"
    places = Counter(mutant.file for mutant in MUTANTS)
    subjects = (
        ("cimc/numerics/",), ("cimc/crossbar/",), ("runtime/crossbar.py",),
        ("runtime/vector.py", "isa/meaning.py"), ("runtime/timing",),
        ("isa/cost/", "isa/kinds/", "isa/table.py"), ("isa/verify/", "cimc/base/tokens.py"),
        ("cimc/passes/crossbars/split",), ("cimc/passes/crossbars/balance",),
    )  # fmt: skip
    for files in subjects:
        assert sum(number for file, number in places.items() if file.startswith(files)) >= 8, files


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_bug_can_be_planted(mutant: Mutant) -> None:
    """Its text stands once where it says, and with it the file is still Python."""
    text = (ROOT / mutant.file).read_text(encoding="utf-8")
    ast.parse(mutant.planted(text))
    assert mutant.first() and longest(WIDER, mutant.file)


def test_the_tests_that_are_named_are_there() -> None:
    named = [test for table in (FIRST, WIDER) for tests in table.values() for test in tests]
    named += [test for mutant in MUTANTS for test in mutant.tests]
    for test in (*named, *PRINTED_PAGES):
        path, _, function = test.partition("::")
        assert (ROOT / path).exists(), test
        if function:
            assert re.search(rf"^def {function}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE), test

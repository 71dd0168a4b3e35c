"""Assembly text as a Program."""

from __future__ import annotations

from cimc.isa.program import Program
from cimc.isa.text.fast_parser import parse_quickly
from cimc.isa.text.lark_parser import parse_by_grammar


def parse(text: str, file: str = "") -> Program:
    """The program that a text says; file: its name for diagnostics.

    Raises CimcError with everything that is wrong with the text, line by line.
    """
    return parse_quickly(text) or parse_by_grammar(text, file)

"""The grammar of one line of assembly, for lark: the norm. It says why a line that cannot be read is not of it."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

from lark import Lark, UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from cimc.base.diagnostics import did_you_mean
from cimc.isa.table import FORM
from cimc.isa.text.names import BARE, QUOTED
from cimc.isa.text.syntax import Refused

GRAMMAR = (resources.files("cimc.isa.text") / "grammar.lark").read_text(encoding="utf-8")
assert f"NAME: /{BARE}/\n" in GRAMMAR, "the grammar has other names than cimc.isa.text.names"
assert f"STRING: /{QUOTED.replace('/', chr(92) + '/')}/\n" in GRAMMAR, "the grammar has other quotes"

TERMINALS = {
    "MNEMONIC": "a mnemonic",
    "DIRECTIVE": "a directive",
    "KEY": "key=",
    "NAME": "a name",
    "STRING": "a quoted name",
    "PORT": "a port",
    "FLOAT": "a number",
    "INT": "a number",
    "BITS": "a number",
    "RUN": ":+",
    "COLON": ":",
    "SIGN": "+ or -",
    "STAR": "*",
    "COMMA": ",",
    "LSQB": "[",
    "RSQB": "]",
    "LPAR": "(",
    "RPAR": ")",
    "$END": "the end of the line",
}
"""Terminals of the grammar in words."""

_FIRST_WORD = re.compile(r"[ \t\r]*([A-Za-z_][A-Za-z0-9_]*)")
_SHOWN = 4


@cache
def line_parser() -> Lark:
    """lark's parser of a line that says something."""
    return Lark(GRAMMAR, start="line", parser="lalr", lexer="contextual")


def refusal(line: str) -> Refused:
    """Why a line is not of the grammar."""
    word = _FIRST_WORD.match(line)
    if word and word[1] not in FORM:
        return unknown_mnemonic(word.start(1), word[1])
    try:
        line_parser().parse(line)
    except UnexpectedInput as error:
        return _explained(error, line)
    raise AssertionError(f"{line!r} is of the grammar and cannot be read")


def unknown_mnemonic(column: int, mnemonic: str) -> Refused:
    """The refusal of a mnemonic that the table does not have."""
    return Refused("mnemonic", f'there is no instruction "{mnemonic}"', did_you_mean(mnemonic, FORM), column)


def _explained(error: UnexpectedInput, line: str) -> Refused:
    column = error.column - 1 if error.column > 0 else len(line)
    if isinstance(error, UnexpectedCharacters):
        if error.char == '"':
            what, todo = "a quoted name that does not end, or a wrong escape in it", r"\", \\, \n, \u00e9"
            return Refused("syntax", what, f"the escapes are those of JSON: {todo}", column)
        return Refused("syntax", f'unexpected "{error.char}"', _expected(set(error.allowed or ())), column)
    assert isinstance(error, UnexpectedToken), error
    expected = _expected(set(error.accepts or error.expected))
    if error.token.type == "$END":
        return Refused("syntax", "the line ends too early", expected, len(line.split(";")[0].rstrip()))
    return Refused("syntax", f'unexpected "{error.token}"', expected, column)


def _expected(terminals: set[str]) -> str:
    """What could stand there instead, if that is few things."""
    words = sorted({TERMINALS[name] for name in terminals if name in TERMINALS})
    return f"expected {' or '.join(words)}" if 0 < len(words) <= _SHOWN else ""

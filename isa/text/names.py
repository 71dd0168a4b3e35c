"""How names and texts stand in assembly: one rule for quoting.

A name is written bare if it consists of parts joined by dots, each part a letter or underscore followed by letters,
digits and underscores (ASCII). Every other name stands in double quotes with the escapes of JSON. So `x.0` is always
port 0 of ring x, and a ring that is called "x.0" is written with quotes.
"""

from __future__ import annotations

import json
import re

BARE = r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*"
QUOTED = r'"(?:[^"\\\n]|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*"'

UTF8 = "without halves of surrogate pairs"
"""What makes a text one that both forms of a program can hold."""

_BARE = re.compile(BARE)


def quote(text: str) -> str:
    """The text in double quotes, on one line, printable."""
    return json.dumps(text, ensure_ascii=not text.isprintable())


def write_name(name: str) -> str:
    """The name as it stands in assembly: bare if it can be, else quoted."""
    return name if _BARE.fullmatch(name) else quote(name)


def read_name(token: str) -> str:
    """The name that a token (bare or quoted, well formed) stands for."""
    if not token.startswith('"'):
        return token
    text = json.loads(token, strict=False)
    assert isinstance(text, str), token
    return text


def is_text(value: str) -> bool:
    """Whether UTF-8 has the text: it holds no half of a surrogate pair."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True

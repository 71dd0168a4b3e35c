"""Names from files as they may be shown and stored: nothing that steers a terminal, no path out of an archive."""

from __future__ import annotations

import hashlib
import re

LONGEST = 200
"""Bytes of the longest name in an archive; file systems take 255."""

_ESCAPE = re.compile(r"%(?=[0-9A-Fa-f]{2})")
_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def printable(text: str) -> str:
    """A name as it may be printed, on one line: what is no visible character is written as \\x1b, \\u202e or \\n."""
    return text if text.isprintable() else "".join(c if c.isprintable() else _escaped(c) for c in text)


def printable_lines(text: str, between: str = "\n") -> str:
    """The same of a text in which these line breaks are its own."""
    return between.join(printable(line) for line in text.split(between))


def in_json(text: str) -> str:
    """A JSON text, the same value, in which strings hold visible characters only."""
    return "\n".join(
        line if line.isprintable() else "".join(c if c.isprintable() else _json_escaped(c) for c in line)
        for line in text.split("\n")
    )


def in_toml(text: str) -> str:
    """The inside of a basic string of TOML in which only visible characters stand as they are."""
    return "".join(f"\\{c}" if c in '"\\' else c if c.isprintable() else f"\\U{ord(c):08x}" for c in text)


def member_name(name: str) -> str:
    """The name in an archive of the array `name`: itself, but for what would lead out of a folder or cannot be stored.

    Such characters stand as %XX, and `urllib.parse.unquote` gives the name back; one that is longer than 196 bytes
    is cut, and ends in its sha256. Different names stay different.
    """
    safe = "".join(c if c.isprintable() and c != "\\" else _percent(c) for c in _ESCAPE.sub("%25", name))
    parts = safe.split("/")
    if any(part in ("", ".", "..") for part in parts):
        safe = "%2F".join(part.replace(".", "%2E") if part in (".", "..") else part for part in parts)
    data = safe.encode("utf-8")
    if len(data) <= LONGEST - 4:  # those that are cut are longer
        return safe
    cut = data[: LONGEST - 65].decode("utf-8", "ignore")
    return f"{cut}~{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()}"


def _escaped(letter: str) -> str:
    number = ord(letter)
    if letter in _SHORT:
        return _SHORT[letter]
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _json_escaped(letter: str) -> str:
    units = letter.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i] << 8 | units[i + 1]:04x}" for i in range(0, len(units), 2))


def _percent(letter: str) -> str:
    return "".join(f"%{byte:02X}" for byte in letter.encode("utf-8", "surrogatepass"))

"""Extreme values and names, and changes of bytes and of text that know nothing of what these mean."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

INTS = (
    0, 1, -1, 2, 3, 5, 8, 15, 16, 17, 31, 32, 33, 64, 127, 128, 255, 256, 1000, 1 << 15, 1 << 16, (1 << 31) - 1,
    1 << 31, -(1 << 31), 1 << 32, 1 << 40, (1 << 62) + 1, (1 << 63) - 1, -(1 << 63),
)  # fmt: skip
HUGE = (*INTS, 1 << 63, 1 << 64, 10**30, -(10**30), 10**400)
NUMBERS = (*map(str, HUGE), "1" + "0" * 5000, "0.5", "1e999", "nan")
FLOATS = (
    0.0, -0.0, 1.0, -1.0, 0.5, 1e-45, 1e-40, 1.2e-38, 1e-30, 1e30, 3.4e38, -3.4e38, 1e300, 5e-324, 1.7e308,
    float("inf"), float("-inf"), float("nan"), 16777217.0, 2147483648.0,
)  # fmt: skip
NAMES = (
    "", " ", "x", "input", "labels", "a/b", "../x", "/x", "./", "..", "a\0b", "\x1b[31mred", "\u202eright", "\ud7ff",
    "é", "\U0001f600", "n" * 300, "[bold]x[/bold]", "[/]", "[red", "%s%n{0}{}", '"', "'", "\\", "\\u0041", "\n", "\t",
    "a,b=c", "a b", "a.b.0", ";", "; x", "#", "-1", "0", "1e9", "None", "nan", "true", "__class__", "file", "CON",
    "row",
    "image", "*", "xin", "r[0]", "<script>", "&amp;", "$x$", "\\frac{", "_x",
)  # fmt: skip
"""Names that some reader, writer, terminal, page or plot might take for something else."""
BYTES = (0, 1, 0x7F, 0x80, 0xFF, 0x0A, 0x22, 0x2F)
_TOKEN = re.compile(r'"[^"\n]*"|-?\d+(?:\.\d+)?(?:e-?\d+)?|\w+|[^\w\s]')


def changed_bytes(rng: random.Random, data: bytes, most: int = 3) -> bytes:
    """Some bytes changed, put in, taken out or repeated, or the end cut off."""
    made = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, most))):
        at = rng.randrange(len(made) or 1)
        length = rng.choice((1, 1, 1, 2, 4, 8, 64))
        match rng.randrange(8):
            case 0:
                made[at:at] = bytes([rng.choice(BYTES)] * length)
            case 1:
                del made[at : at + length]
            case 2:
                made[at:at] = made[at : at + length]
            case 3 if rng.random() < 0.3:
                del made[at:]
            case 4 if made:
                made[at] ^= 1 << rng.randrange(8)
            case _ if made:
                made[at] = rng.choice((*BYTES, rng.randrange(256)))
    return bytes(made)


def changed_text(rng: random.Random, text: str, words: Sequence[str] = (), most: int = 3) -> str:
    """Some tokens or lines of a text changed, exchanged, repeated or lost. words: what else may be put in."""
    lines = text.split("\n")
    for _ in range(rng.choice((1, 1, 1, most))):
        at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
        match rng.randrange(10):
            case 0:
                del lines[at]
                lines = lines or [""]
            case 1:
                lines.insert(other, lines[at])
            case 2:
                lines[at], lines[other] = lines[other], lines[at]
            case 3 if rng.random() < 0.3:
                lines[at] = changed_bytes(rng, lines[at].encode()).decode("utf-8", "replace")
            case _:
                lines[at] = _with_another_token(rng, lines[at], words or _tokens(lines[other]))
    return "\n".join(lines)


def _tokens(line: str) -> list[str]:
    return [found[0] for found in _TOKEN.finditer(line)]


def _with_another_token(rng: random.Random, line: str, words: Sequence[str]) -> str:
    places = list(_TOKEN.finditer(line))
    if not places:
        return line + rng.choice(words or NAMES)
    place = rng.choice(places)
    old = place[0]
    if old.startswith('"') and rng.random() < 0.7:
        new = '"' + rng.choice((*NAMES, *(word.strip('"') for word in words))) + '"'
    elif old[-1].isdigit() and rng.random() < 0.9:
        new = other_number(rng, old)
    else:
        new = rng.choice((*words, old + old, "", *NAMES[:4]) if words else NAMES)
    return line[: place.start()] + new + line[place.end() :]


def other_number(rng: random.Random, old: str) -> str:
    """A number near an old one, or an extreme one."""
    if not old.lstrip("-").isdigit() or len(old) > 18 or rng.random() < 0.4:
        return rng.choice(NUMBERS)
    number = int(old)
    return str(rng.choice((number + 1, number - 1, number + 8, number * 2, number // 2, -number, number + 256, 0, 1)))

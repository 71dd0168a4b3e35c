"""The text of a program as docs/isa.md and docs/program.md have it, read without any code of cimc."""

from __future__ import annotations

import json
import re
from typing import Any

Record = dict[str, Any]

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|;.*|\([^)]*\)|[^\s;"(]+')


def name_of(text: str) -> str:
    return str(json.loads(text)) if text.startswith('"') else text


def value_of(text: str) -> Any:
    if text.startswith("("):
        return [part.strip() for part in re.findall(r'(?:"(?:[^"\\]|\\.)*"|[^,"])+', text[1:-1])]
    if text in ("true", "false"):
        return text == "true"
    return float(text) if re.fullmatch(r"[-+]?[\d.]+(e[-+]?\d+)?", text) else name_of(text)


def directive(line: str) -> tuple[str, Record]:
    """Name and keys; operands without a key are 0, 1, ..."""
    words, keys, count = [m for m in _TOKEN.findall(line) if not m.startswith(";")], {}, 0
    joined: list[str] = []
    for word in words:  # key= and its quoted or bracketed value are two tokens
        if joined and joined[-1].endswith("="):
            joined[-1] += word
        else:
            joined.append(word)
    for word in joined[1:]:
        key, _, value = word.partition("=") if re.match(r"[a-z_0-9]+=", word) else (str(count), "", word)
        keys[key] = value_of(value)
        count += key == str(count)
    return joined[0][1:], keys


class Program:
    """Tiles with their records, and the streams: (tile, core or -1, matrices, instructions)."""

    def __init__(self, text: str) -> None:
        self.plugs: list[tuple[str, Record]] = []
        self.records: dict[tuple[int, str, str], Record] = {}
        self.streams: list[tuple[int, int, list[Record], list[tuple[str, list[str]]]]] = []
        tile = -1
        for line in filter(None, map(str.strip, text.splitlines())):
            if not line.startswith("."):
                mnemonic, _, rest = line.partition(" ")
                self.streams[-1][3].append((mnemonic, self.operands(rest.split(";")[0] if '"' not in rest else rest)))
                continue
            kind, keys = directive(line)
            if kind in ("input", "output"):
                self.plugs.append((kind, keys))
            elif kind == "tile":
                tile = int(keys["0"])
            elif kind in ("ring", "scale", "vector", "table"):
                self.records[tile, kind, str(keys["0"])] = keys
            elif kind in ("core", "channel"):
                self.streams.append((tile, int(keys["0"]) if kind == "core" else -1, [], []))
            elif kind == "mvmu":
                self.streams[-1][2].append(keys)

    @staticmethod
    def operands(text: str) -> list[str]:
        parts = re.findall(r'(?:"(?:[^"\\]|\\.)*"|\[[^\]]*\]|[^,\[\]"])+', text)
        return [part.strip() for part in parts]

"""Examples that misbehave by themselves, to see that the worker and its watch notice."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.example import Example


@dataclass(frozen=True, slots=True)
class Naughty(Example):
    """way: what it does where it should write its files."""

    way: str = ""

    def lay_out(self, folder: Path) -> None:
        match self.way:
            case "hang":
                while True:
                    pass
            case "die":
                os._exit(7)
            case "link":
                (folder / "x").symlink_to("/dev/zero")
            case "leave":
                (folder / "x").symlink_to(folder.parents[1] / "fuzz-was-here")
                (folder / "x").write_bytes(b"")
            case "grow":
                bytearray(3 << 30)

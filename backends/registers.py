"""General registers of a core, handed out from the bottom up."""

from __future__ import annotations

from cimc.base.diagnostics import Place, fail
from cimc.isa.operands import Reg


class Registers:
    """A core's general registers while its stream is written. layer: named where they run out."""

    def __init__(self, capacity: int, layer: str) -> None:
        self.capacity = capacity
        self.layer = layer
        self.used = 0

    @property
    def left(self) -> int:
        """Words not handed out."""
        return self.capacity - self.used

    def take(self, words: int) -> Reg:
        """The next `words` words; a diagnostic where there are not so many."""
        if words > self.left:
            raise fail(
                "code.registers",
                f'layer "{self.layer}" needs {self.used + words} registers of a core; the target has {self.capacity}',
                Place(item=self.layer),
                "take a target with more registers a core",
            )
        reg = Reg("r", self.used, words)
        self.used += words
        return reg


def piece(reg: Reg, start: int, length: int) -> Reg:
    """Words start .. start + length of a run of registers."""
    assert start >= 0 and start + length <= reg.length, f"{start}+{length} of {reg}"
    return Reg(reg.space, reg.start + start, length)

"""What a run gives, and what runs a program: whichever engine it is."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from cimc.runtime.machine import AnyArray, Words
from cimc.runtime.sites import Probe

MOST_STATE = 2 << 30
"""Bytes of state that one lane may take where the user allows no more."""


@dataclass(frozen=True, slots=True)
class Writer:
    """A store that writes channels low .. high - 1 of a tensor: its tile, core and index in the core's stream, and its
    phase where there are several.

    It writes columns left .. right - 1 of rows row, row + row_step, ... (row alone where row_step is 0).
    """

    tile: int
    core: int
    index: int
    low: int
    high: int
    left: int
    right: int
    row: int = 0
    row_step: int = 1
    phase: int = 0

    def writes(self, row: int, column: int, channel: int) -> bool:
        """Whether it writes this element."""
        own = row == self.row if self.row_step == 0 else row >= self.row and (row - self.row) % self.row_step == 0
        return own and self.left <= column < self.right and self.low <= channel < self.high


@dataclass(frozen=True, slots=True)
class Execution:
    """What a run gave.

    outputs: by name, (lanes, *shape), or (images, lanes, *shape) where the run had more than one input a lane.
    counts: instructions executed by mnemonic, for one lane. stored: what cores stored into rings that hold a tensor,
    by tensor, int32 (images, lanes, height, width, channels), as far as it was captured; writers: who stored it.
    """

    outputs: Mapping[str, AnyArray]
    counts: Mapping[str, int]
    stored: Mapping[str, Words]
    writers: Mapping[str, tuple[Writer, ...]]


class Engine(Protocol):
    """Runs one program, for any inputs. max_memory: bytes of state; more lanes than fit run chunk after chunk, with the
    same results."""

    max_memory: int | None

    def run(
        self,
        inputs: Mapping[str, AnyArray],
        images: int = 1,
        *,
        capture: Collection[str] | bool | None = None,
        probe: Probe | None = None,
        first: int = 0,
    ) -> Execution:
        """Run the program on lanes of inputs, each (lanes, *shape), or (images, lanes, *shape) for images > 1.

        first: number of the first lane in the data, where they are run part by part: noise depends on it.

        capture: True, or names of tensors, to keep what cores store. probe: stop there, which raises Stopped
        (cimc.runtime.sites). Raises Deadlock where streams wait for each other for ever, CimcError where the inputs are
        wrong.
        """

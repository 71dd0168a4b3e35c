"""What lies in the crossbars of a program that writes them: words as they came, MVMU after MVMU, row after row."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from cimc.isa.program import Matrix, extent
from cimc.numerics.packing import packed_words, unpack
from cimc.runtime.machine import Action, Number, Wide, Words

Place = tuple[int, int, int]
"""An MVMU: its tile, its core, its number."""


@dataclass(slots=True)
class Stored:
    """One MVMU's cells. words: the rows as they were written, packed, (rows, words), int64."""

    words: Wide
    columns: int
    weight_bits: int
    word_bits: int

    def weights(self) -> Wide:
        """The weights, (rows, columns)."""
        return unpack(self.words, self.columns, self.weight_bits, self.word_bits)


@dataclass(slots=True)
class Cells:
    """Every MVMU that was written. writes: phases that have written it, for what each write draws at random."""

    word_bits: int
    held: dict[Place, Stored] = field(default_factory=dict)
    writes: dict[Place, int] = field(default_factory=dict)

    def begin(self, place: Place, matrices: tuple[Matrix, ...]) -> Stored:
        """The cells of an MVMU that a phase is about to write as these matrices say."""
        (rows, columns), bits = extent(matrices), matrices[0].weight_bits
        words = packed_words(columns, bits, self.word_bits)
        self.held[place] = Stored(np.zeros((rows, words), np.int64), columns, bits, self.word_bits)
        self.writes[place] = self.writes.get(place, 0) + 1
        return self.held[place]


def compile_write(stored: list[Stored], row: Number, load: Action, buffer: Words) -> Action:
    """A row of each of some MVMUs, side by side. load: fills buffer, (MVMUs * words, 1)."""

    def write() -> None:
        load()
        at = row()
        for one, words in zip(stored, buffer[:, 0].reshape(len(stored), -1), strict=True):
            one.words[at] = words

    return write


def compile_read_back(weights: Wide, row: Number, d: Words) -> Action:
    """The first weights of a row. weights: (rows, columns); d: (words, lanes)."""

    def read() -> None:
        d[...] = weights[row(), : len(d), None]

    return read

"""Loads that fetch a run of window words: each reaches one strided two-dimensional piece of memory at most."""

from __future__ import annotations

from dataclasses import dataclass

from cimc.ir.scheduled import RingPlan
from cimc.isa.operands import Affine, Axis, Window

ROW, SEGMENT, PIXEL = "row", "segment", "pixel"


@dataclass(frozen=True, slots=True)
class View:
    """How the window of an output pixel lies in a ring: row ky of the window at output row r is ring row
    r * row_advance + first_row + ky * row_step, and columns likewise. segment_pixels: output pixels of a segment;
    pixel_step: by how many the loop over pixels goes on."""

    first: tuple[int, int]
    advance: tuple[int, int]
    step: tuple[int, int]
    kernel: tuple[int, int]
    segment_pixels: int
    pixel_step: int = 1

    def row(self, ky: int) -> Affine:
        """Ring row of window row ky."""
        return affine((ROW, self.advance[0]), constant=self.first[0] + ky * self.step[0])

    def column(self, kx: int, ring: int) -> Affine:
        """Ring column of window column kx. ring: the map's column at which the ring begins."""
        advance, first = self.advance[1], self.first[1] + kx * self.step[1] - ring
        return affine((SEGMENT, advance * self.segment_pixels), (PIXEL, advance * self.pixel_step), constant=first)


def affine(*terms: tuple[str, int], constant: int = 0) -> Affine:
    """An affine number without its zero terms."""
    return Affine(constant, tuple(term for term in terms if term[1]))


def run_windows(ring: RingPlan, view: View, channel: int, channels: int, start: int, length: int) -> list[Window]:
    """Windows that fetch words start .. start + length of the (kernel row, kernel column, channel) order, in order.

    channel, channels: the run's channels, counted in the ring. A ring may begin at a later column of its map.
    """
    kw = view.kernel[1]
    pixel, row_words = channels, kw * channels
    whole_rows = (channels == ring.channels and view.step[1] == 1) or kw == 1
    found: list[Window] = []

    def fetch(ky: int, rows: int, kx: int, columns: int, first: int, count: int) -> None:
        found.append(
            Window(
                ring.name,
                Axis(view.row(ky), rows, view.step[0] if rows > 1 else 1),
                Axis(view.column(kx, ring.column), columns, view.step[1] if columns > 1 else 1),
                Axis(Affine(channel + first), count),
            )
        )

    at, stop = start, start + length
    while at < stop:
        ky, rest = divmod(at, row_words)
        kx, c = divmod(rest, pixel)
        if c or stop - at < pixel:
            count = min(pixel - c, stop - at)
            fetch(ky, 1, kx, 1, c, count)
        elif kx or stop - at < row_words or not whole_rows:
            columns = min(kw - kx, (stop - at) // pixel)
            fetch(ky, 1, kx, columns, 0, pixel)
            count = columns * pixel
        else:
            rows = (stop - at) // row_words
            fetch(ky, rows, 0, kw, 0, pixel)
            count = rows * row_words
        at += count
    return found

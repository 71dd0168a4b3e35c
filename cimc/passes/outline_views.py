"""Views: a tensor as channels of maps, known by its axes and not element by element.

What cimc.passes.places says of every element, a view says of a whole tensor, in a time that does not grow with it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from cimc.passes.lowering import Refusal

UNKNOWN = ("?",)
"""Axes of a tensor whose elements are rearranged in a way that no axis describes."""

Run = tuple[int, int, int]
"""(map's number, first channel, how many); map -1 holds zeros."""


@dataclass(frozen=True, slots=True)
class View:
    """A tensor whose channels are runs of maps' channels side by side.

    Pixel (y, x) is pixel (y * step[0] + offset[0], x * step[1] + offset[1]) of the maps. axes: of the tensor's shape,
    which of c, h and w each runs over, the outermost first; those of size 1 are left out. limits: rows and columns of
    the maps, outside of which there are zeros.
    """

    runs: tuple[Run, ...]
    height: int
    width: int
    axes: tuple[str, ...]
    offset: tuple[int, int] = (0, 0)
    step: tuple[int, int] = (1, 1)
    limits: tuple[int, int] = (0, 0)

    @property
    def channels(self) -> int:
        """Channels of all runs."""
        return sum(count for _, _, count in self.runs)

    @property
    def sizes(self) -> Mapping[str, int]:
        """Elements along c, h and w."""
        return {"c": self.channels, "h": self.height, "w": self.width}

    @property
    def maps(self) -> tuple[int, ...]:
        """The maps that it reads, each once."""
        return tuple(dict.fromkeys(number for number, _, _ in self.runs if number >= 0))

    def is_image(self) -> bool:
        """Whether its axes are (1, C, H, W)."""
        return self.axes == self.named("", "c", "h", "w")

    def named(self, *axes: str) -> tuple[str, ...]:
        """Axes without letters of size 1."""
        sizes = self.sizes
        return tuple("".join(letter for letter in axis if sizes[letter] > 1) for axis in axes)


def whole(number: int, height: int, width: int, channels: int, axes: Sequence[str]) -> View:
    """A map as a tensor of these axes."""
    view = View(((number, 0, channels),), height, width, tuple(axes), limits=(height, width))
    return view if view.axes == UNKNOWN else replace(view, axes=view.named(*axes))


def reshaped(view: View, shape: Sequence[int]) -> View:
    """Other axes over the same order of elements."""
    if view.axes == UNKNOWN:
        return view
    left, sizes, axes = list("".join(view.axes)), view.sizes, []
    for dim in shape:
        taken = ""
        while left and math.prod(sizes[letter] for letter in taken) < dim:
            taken += left.pop(0)
        if math.prod(sizes[letter] for letter in taken) != dim:
            return replace(view, axes=UNKNOWN)
        axes.append(taken)
    return replace(view, axes=tuple(axes))


def transposed(view: View, perm: Sequence[int]) -> View:
    """Axes in another order."""
    return view if view.axes == UNKNOWN else replace(view, axes=tuple(view.axes[axis] for axis in perm))


def sliced(view: View, ranges: Sequence[tuple[int, int, int]], shape: Sequence[int]) -> View:
    """A part of a tensor. shape: before it is cut."""
    for axis, ((start, _, step), before) in enumerate(zip(ranges, shape, strict=True)):
        count = len(range(*_plain(ranges[axis], before)))
        if (start, step, count) == (0, 1, before):
            continue
        letter = _one_letter(view, axis)
        if step < 1:
            raise Refusal("a slice that runs backwards is not built yet")
        if letter == "c":
            picked = _channels(view.runs, range(start, start + count * step, step))
            view = replace(view, runs=picked)
        else:
            view = _along(view, letter, start, step, count)
    return replace(view, axes=view.named(*view.axes))


def padded(view: View, pads: Sequence[tuple[int, int]]) -> View:
    """A tensor with zeros around it."""
    for axis, (before, after) in enumerate(pads):
        if not before and not after:
            continue
        letter = _one_letter(view, axis)
        if letter == "c":
            ends = [((-1, 0, count),) if count else () for count in (before, after)]
            view = replace(view, runs=(*ends[0], *view.runs, *ends[1]))
        else:
            size = view.sizes[letter]
            view = _along(view, letter, -before, 1, before + size + after)
            place = "hw".index(letter)
            zeros = (*range(before), *range(before + size, before + size + after))
            there = range(view.limits[place])
            if any(view.offset[place] + view.step[place] * index in there for index in zeros):
                raise Refusal("it has zeros where its map has numbers, which is not outlined")
    return view


def joined(views: Sequence[View], axis: int) -> View:
    """Tensors side by side, channel after channel."""
    letters = {letter for view in views for letter in (view.axes[axis] if view.axes != UNKNOWN else "?")} or {"c"}
    first = views[0]
    same = {(view.height, view.width, view.offset, view.step, view.limits) for view in views}
    if letters != {"c"} or len(same) > 1:
        raise Refusal("a join along other axes than channels is not outlined")
    axes = tuple("c" if number == axis else letter for number, letter in enumerate(first.axes))
    return replace(first, runs=tuple(run for view in views for run in view.runs), axes=axes)


def broadcast(view: View, like: View) -> View:
    """A view read once for each pixel of another one."""
    if (view.height, view.width) == (like.height, like.width):
        return view
    if view.height not in (1, like.height) or view.width not in (1, like.width):
        raise Refusal("operands of these shapes are not outlined")
    step = (0 if view.height < like.height else view.step[0], 0 if view.width < like.width else view.step[1])
    return replace(view, height=like.height, width=like.width, step=step)


def _plain(given: tuple[int, int, int], size: int) -> tuple[int, int, int]:
    start, stop, step = given
    return slice(start, None if stop < 0 else stop, step).indices(size)


def _one_letter(view: View, axis: int) -> str:
    """What an axis runs over: one of c, h and w, by its place where its size is 1."""
    letters = view.axes[axis] if view.axes != UNKNOWN else "?"
    if not letters and len(view.axes) == 4:
        letters = ("", "c", "h", "w")[axis]
    if letters not in ("c", "h", "w"):
        raise Refusal("it cuts across rows, columns and channels, which is not outlined")
    return letters


def _along(view: View, letter: str, start: int, step: int, count: int) -> View:
    """`count` rows or columns from `start` on."""
    place = "hw".index(letter)
    offsets, steps = list(view.offset), list(view.step)
    offsets[place] += start * steps[place]
    steps[place] = steps[place] * step if count > 1 else 1
    height, width = (count, view.width) if letter == "h" else (view.height, count)
    made = replace(view, height=height, width=width, offset=(offsets[0], offsets[1]), step=(steps[0], steps[1]))
    return made if letter in "".join(view.axes) else replace(made, axes=_with(made.axes, letter))


def _with(axes: tuple[str, ...], letter: str) -> tuple[str, ...]:
    """Axes of an image in which a letter is told again."""
    return tuple(letter if "chw".find(letter) == number - 1 else axis for number, axis in enumerate(axes))


def _channels(runs: Sequence[Run], wanted: range) -> tuple[Run, ...]:
    """Some of the channels of runs, as runs."""
    found: list[Run] = []
    start = 0
    for number, channel, count in runs:
        low, high = max(wanted.start, start) - start, min(wanted.stop, start + count) - start
        if wanted.step > 1:
            found += [(number, channel + c - start, 1) for c in wanted if start <= c < start + count]
        elif low < high:
            found.append((number, channel + low, high - low))
        start += count
    return tuple(found)

"""What just fits is right, and one more is refused: the verifier at the edge of each of its rules."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cimc.base.diagnostics import CimcError
from cimc.isa.binary.code import code_bytes
from cimc.isa.program import ChannelCode, Instruction, Program, TileCode
from cimc.isa.text.parser import parse
from cimc.isa.text.printer import print_program
from cimc.isa.verify.verifier import verify
from tests.isa.chip import CHIP
from tests.isa.small import SEND, SMALL

TEXT = print_program(SMALL)

HALVES = """\
.isa 1
.program "halves" target="round" weights=""
.input x dtype=float32 shape=(1, 2, 4) scale=0.1 zero=0 low=-128 high=127 index=i rings=(0:x)
.output y dtype=float32 shape=(1, 2, 4) scale=0.1 zero=0 low=-128 high=127 index=j rings=(0:y.0)
.tile 0
  .ring x addr=0 height=2 width=4 channels=1 segments=1 pixels=8 ports=2
  .ring y addr=100 height=2 width=4 channels=1 segments=1 pixels=8 ports=1 producers=2
  .core 0
    loop image, *
      loop oy, 2
        wait x.0, oy+1
        space y, oy+1
        load r[0:2], x[oy, 0:2, 0], 0
        store y[oy, 0:2, 0], r[0:2]
        release x.0, oy+1
        signal y, oy+1
      end
    end
    hlt
  .core 1
    loop image, *
      loop oy, 2
        wait x.1, oy+1
        space y, oy+1
        load r[0:2], x[oy, 2:4, 0], 0
        store y[oy, 2:4, 0], r[0:2]
        release x.1, oy+1
        signal y, oy+1
      end
    end
    hlt
"""
"""Two cores, each a half of every row."""


def codes(program: Program) -> set[str]:
    """What the verifier complains about, without its prefix; nothing where the program is right."""
    try:
        verify(program, CHIP)
    except CimcError as error:
        return {diagnostic.code.removeprefix("verify.") for diagnostic in error.diagnostics}
    return set()


def changed(text: str, *changes: tuple[str, str]) -> Program:
    for old, new in changes:
        assert old in text, f"{old!r} is not in the text"
        text = text.replace(old, new)
    return parse(text)


RING, LOAD = '.ring "conv1/y" addr=24', "load    xin[0:9], x[oy-1:+3, ox-1:+3, 0], 3"
REQUANT = "requant r[0:4], xout[0:4], conv1.scale[0:4]"
TWICE = "requant2 r[0:4], xout[0:4], xout[0:4], conv1.scale[0:4]"
HELD = 'send    "conv1/y"[oy, 0:6, 0:4], 1, 0'
RECEIVED = "receive y[oy, 0:6, 0:4], 0"


@pytest.mark.parametrize(
    ("right", "wrong", "code"),
    [
        # x takes words 0 to 23; the memory ends at 999, and conv1/y takes 48 words
        ([], [(RING, '.ring "conv1/y" addr=23')], "overlap"),
        ([(RING, '.ring "conv1/y" addr=952')], [(RING, '.ring "conv1/y" addr=953')], "memory"),
        # a scale of two rows, and what takes them
        ([("rows=1 ", "rows=2 "), (REQUANT, TWICE)], [(REQUANT, TWICE)], "scale-rows"),
        # 9 rows of XbarIn are multiplied
        ([], [(LOAD, "load    xin[0:8], x[oy-1:+2, ox-1:+2, 0:2], 3")], "unwritten"),
        # a window of three dimensions: two rows, two columns one apart, all channels
        ([], [(HELD, 'send "conv1/y"[0:2, 0:+3:2, 0:4], 1, 0')], "window"),
        # columns of a store from 0 to 5
        ([], [("[oy, ox, 0:4], r", "[oy, ox-1, 0:4], r")], "window"),
        # FIFOs 0 to 3, at both ends
        (
            [("], 1, 0", "], 1, 3"), (RECEIVED, "receive y[oy, 0:6, 0:4], 3")],
            [("], 1, 0", "], 1, 4"), (RECEIVED, "receive y[oy, 0:6, 0:4], 4")],
            "fifo",
        ),
        # a message of 24 words, and one that is less than is received, or more
        ([], [(RECEIVED, "receive y[oy, 0:5, 0:4], 0")], "messages"),
        ([], [(HELD, 'send "conv1/y"[oy, 0:5, 0:4], 1, 0')], "messages"),
        # a row is waited for, is there, and goes
        ([], [("wait    x.0, oy+2", "wait    x.0, oy+1")], "discipline"),
        ([("release x.0, oy\n", "release x.0, oy-1\n")], [("release x.0, oy\n", "release x.0, oy+1\n")], "discipline"),
        ([("release x.0, 6", "release x.0, 7")], [("release x.0, 6", "release x.0, 5")], "releases"),
    ],
)
def test_one_more_is_refused(right: list[tuple[str, str]], wrong: list[tuple[str, str]], code: str) -> None:
    assert code not in codes(changed(TEXT, *right))
    assert code in codes(changed(TEXT, *wrong))


def padded(size: int) -> Program:
    """The small program whose core's code takes `size` bytes; a clrs takes one."""
    tile = SMALL.tiles[0]
    core = tile.cores[0]
    stream = (*(Instruction("clrs"),) * (size - code_bytes(core.stream, tile)), *core.stream)
    assert code_bytes(stream, tile) == size
    return replace(SMALL, tiles=(replace(tile, cores=(replace(core, stream=stream),)), SMALL.tiles[1]))


def test_a_cores_code_fills_its_memory() -> None:
    assert codes(padded(1000)) == set()
    assert codes(padded(1001)) == {"code"}


def test_channels_share_a_tiles_instruction_memory() -> None:
    """Two channels, each with room enough for itself, may take 1,000 bytes together."""
    tile = SMALL.tiles[0]

    def waiting(*times: int) -> TileCode:
        """Channels that wait so often for the row that they send."""
        streams = [(*SEND[:2], *SEND[2:3] * count, *SEND[3:]) for count in times]
        return replace(tile, channels=tuple(ChannelCode(number, stream) for number, stream in enumerate(streams)))

    def size(made: TileCode) -> int:
        return sum(code_bytes(channel.stream, made) for channel in made.channels)

    most = max(count for count in range(1, 400) if size(waiting(count, count)) <= 1000)
    for fits in (waiting(most, most), waiting(most + 20, most - 20)):
        assert "code" not in codes(replace(SMALL, tiles=(fits, SMALL.tiles[1])))
    too_many = waiting(most + 1, most + 1)
    assert all(code_bytes(channel.stream, tile) < 600 for channel in too_many.channels)
    assert "code" in codes(replace(SMALL, tiles=(too_many, SMALL.tiles[1])))


def test_a_fifo_has_one_sender_and_one_receiver() -> None:
    for number, code in ((0, "senders"), (1, "receivers")):
        tile = SMALL.tiles[number]
        twice = replace(tile, channels=(*tile.channels, replace(tile.channels[0], number=1)))
        tiles = [*SMALL.tiles]
        tiles[number] = twice
        assert code in codes(replace(SMALL, tiles=tuple(tiles)))


def test_matrices_of_an_mvmu_share_no_row_and_no_column() -> None:
    """9 x 4 weights; another matrix begins at row 9 and column 4 or behind."""
    tile = SMALL.tiles[0]
    core = tile.cores[0]
    for row, column, right in ((9, 4, True), (8, 4, False), (9, 3, False), (20, 30, True)):
        second = replace(core.matrices[0], at_row=row, at_column=column)
        together = replace(core, matrices=(core.matrices[0], second))
        program = replace(SMALL, tiles=(replace(tile, cores=(together,)), SMALL.tiles[1]))
        assert ("matrix" not in codes(program)) == right, (row, column)


SECOND_LOAD, SECOND_STORE = "load r[0:2], x[oy, 2:4, 0], 0", "store y[oy, 2:4, 0], r[0:2]"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ([], ""),
        ([("producers=2", "producers=3")], "producers"),
        ([("producers=2", "producers=1")], "producers"),
        (
            [(SECOND_LOAD, "load r[0:3], x[oy, 1:4, 0], 0"), (SECOND_STORE, "store y[oy, 1:4, 0], r[0:3]")],
            "written-twice",
        ),
        ([(SECOND_STORE, "store y[oy, 2:3, 0], r[0]")], "unstored"),
        ([(SECOND_LOAD, "load r[0:2], x[oy+1, 2:4, 0], 0")], "discipline"),
    ],
)
def test_two_producers_fill_a_ring_side_by_side(changes: list[tuple[str, str]], code: str) -> None:
    assert codes(changed(HALVES, *changes)) == ({code} if code else set())


def test_a_row_is_there_when_both_producers_have_signalled() -> None:
    """Core 1 waits for a row of y before it fills its own half of it."""
    program = changed(
        HALVES,
        ("pixels=8 ports=1 producers=2", "pixels=8 ports=2 producers=2"),
        ("        wait x.1, oy+1\n", "        wait y.1, oy+1\n        wait x.1, oy+1\n"),
        ("        release x.1, oy+1\n", "        release x.1, oy+1\n        release y.1, oy+1\n"),
    )
    assert codes(program) == {"deadlock"}

"""Several chips: refused with how many it takes, and then the same bits; a program says how many it has."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import cimc
from cimc.base.diagnostics import CimcError
from cimc.driver.compile import Compiled
from cimc.isa.binary.file import decode, encode
from cimc.isa.program import Program
from cimc.isa.text.parser import parse
from cimc.isa.text.printer import print_program
from cimc.isa.verify.verifier import verify as verify_program
from cimc.target.mesh import Mesh
from cimc.target.model import Target
from tests.cli.commands import CALIBRATION, INPUTS, RESIDUAL, TEST
from tests.cli.commands import cimc as command
from tests.isa.chip import CHIP
from tests.isa.small import SMALL
from tests.laws.digits import Bits, bits_of, compiled, run, same, varied
from tests.passes.end_to_end import PUMA
from tests.passes.test_placement import assert_streams_like_one, placed

CORES = varied(PUMA, tile={"cores": 1}, crossbar={"rows": 48})
"""One core a tile, so that the bundled residual network takes many tiles."""


@cache
def alone() -> tuple[Compiled, Bits]:
    """The network on one chip, and what it computes."""
    made = compiled("digits_residual", CORES)
    assert made.program.chips == 1
    return made, bits_of(run(made))


def chips_of(tiles: int) -> Target:
    return varied(CORES, chip={"tiles": tiles})


@pytest.mark.parametrize("chips", [2, 3])
def test_a_chip_that_is_too_small_is_refused_with_what_works(chips: int) -> None:
    made, wanted = alone()
    tiles = len(made.program.tiles)
    there = -(-tiles // chips)
    target = chips_of(there)
    for given in range(1, chips):
        with pytest.raises(CimcError) as caught:
            placed(made, target, chips=given)
        (found,) = caught.value.diagnostics
        on = f"{there}" if given == 1 else f"{there} on each of {given} chips"
        assert found.code == "place.chip"
        assert found.what == f"the network needs {tiles} tiles; puma has {on}"
        assert found.todo == (
            f"map it onto more chips: --chips {chips}; run it in rounds (--rounds), or take a larger target"
        )
    several = placed(made, target, chips=chips)
    assert several.program.chips == several.scheduled.chips == chips
    assert {tile.number // there for tile in several.program.tiles} == set(range(chips))
    assert same(bits_of(run(several)), wanted)
    assert_streams_like_one(several)


def test_more_chips_than_needed_are_not_used() -> None:
    made, wanted = alone()
    target = chips_of(-(-len(made.program.tiles) // 2))
    two, many = placed(made, target, chips=2), placed(made, target, chips=9)
    assert two.program == many.program
    assert placed(made, CORES, chips=9).program.chips == 1
    assert same(bits_of(run(many)), wanted)


def test_little_crosses_from_chip_to_chip() -> None:
    """Less than with the tiles in network order, or as much."""
    made, _ = alone()
    several = placed(made, chips_of(-(-len(made.program.tiles) // 3)), chips=3)
    mesh = Mesh.of(several.target)
    crossing = [t for t in several.scheduled.transfers if mesh.chip(t.source_tile) != mesh.chip(t.tile)]
    assert several.scheduled.travel is not None
    before, after = several.scheduled.travel
    assert 0 < after.off_chip <= before.off_chip
    assert len(crossing) < len(several.scheduled.transfers)


# the program says how many chips it has


def test_chips_are_in_the_text_and_in_the_bytes() -> None:
    made, _ = alone()
    several = placed(made, chips_of(-(-len(made.program.tiles) // 3)), chips=3).program
    text = print_program(several)
    (head,) = [line for line in text.splitlines() if line.lstrip().startswith(".program")]
    assert " chips=3" in head
    assert parse(text) == decode(encode(several)) == several
    assert " chips=" not in print_program(made.program)
    assert parse(print_program(made.program)).chips == 1


def beyond(chips: int, tile: int) -> Program:
    """The small program that says it has so many chips, with its second tile at that number."""
    second = replace(SMALL.tiles[1], number=tile)
    text = print_program(replace(SMALL, tiles=(SMALL.tiles[0], second), chips=chips))
    moved = text.replace('send    "conv1/y"[oy, 0:6, 0:4], 1, 0', f'send    "conv1/y"[oy, 0:6, 0:4], {tile}, 0')
    assert tile == 1 or moved != text
    return parse(moved.replace("rings=(1:y.0)", f"rings=({tile}:y.0)"))


def test_tiles_of_all_chips_are_known() -> None:
    there = CHIP.chip.tiles
    verify_program(beyond(1, 1), CHIP)
    verify_program(beyond(2, 2 * there - 1), CHIP)
    verify_program(beyond(3, 2 * there), CHIP)


@pytest.mark.parametrize(
    ("chips", "times", "message"),
    [
        (1, 1, "a chip of {name} has {there} tiles, numbered from 0"),
        (2, 2, "2 chips of {name} have {there} tiles, numbered from 0"),
    ],
)
def test_a_tile_beyond_the_chips_is_refused(chips: int, times: int, message: str) -> None:
    there = CHIP.chip.tiles * times
    with pytest.raises(CimcError) as caught:
        verify_program(beyond(chips, there), CHIP)
    assert [d.code for d in caught.value.diagnostics] == ["verify.tile"]
    assert caught.value.diagnostics[0].what == message.format(name=CHIP.name, there=there)


@pytest.mark.parametrize("chips", [0, -1])
def test_a_program_without_chips_is_refused(chips: int) -> None:
    with pytest.raises(CimcError) as caught:
        verify_program(replace(SMALL, chips=chips), CHIP)
    assert "verify.program" in [d.code for d in caught.value.diagnostics]
    assert f"chips is {chips}; it must be 1 to 65536" in str(caught.value)


# what a user types


@pytest.fixture(scope="module")
def toml(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """puma with two cores a tile and two tiles a chip."""
    path = tmp_path_factory.mktemp("target") / "tiny.toml"
    unit = '[tile]\ncores = { value = 2, unit = "cores", source = "a test" }\n'
    unit += '[chip]\ntiles = { value = 2, unit = "tiles", source = "a test" }\n'
    head = 'extends = "puma"\nname = "tiny"\ndescription = "two tiles of two cores"\n'
    path.write_text(head + unit, encoding="utf-8")
    return path


def test_the_command_says_how_many_chips_and_takes_them(toml: Path, tmp_path: Path) -> None:
    arguments = ("compile", RESIDUAL, "--target", toml, "--calibration", CALIBRATION, "-o", tmp_path / "net")
    refused = command(*arguments)
    assert refused.code == 2 and not (tmp_path / "net").exists()
    assert "error[place.chip]: the network needs " in refused.err and "tiles; tiny has 2" in refused.err
    needed = refused.err.split("--chips ")[1].split(";")[0]
    assert int(needed) > 1
    done = command(*arguments, "--chips", needed)
    assert done.code == 0, done.err
    ran = command("run", tmp_path / "net", "--input", TEST, "-o", tmp_path / "out.npz", "--limit", "8")
    assert ran.code == 0, ran.err
    one = cimc.compile(RESIDUAL, "puma", {"input": np.load(CALIBRATION)["input"]})
    assert np.array_equal(np.load(tmp_path / "out.npz")["logits"], one.run({"input": INPUTS})["logits"])


def test_python_takes_chips_too(toml: Path) -> None:
    calibration = {"input": np.load(CALIBRATION)["input"]}
    with pytest.raises(cimc.CimcError, match="--chips"):
        cimc.compile(RESIDUAL, toml, calibration)
    program = cimc.compile(RESIDUAL, toml, calibration, chips=9)
    report = program.report()
    assert report.travel is not None and report.travel.off_chip > 0
    assert cimc.verify(RESIDUAL, {"input": INPUTS}, toml, calibration, chips=9).bit_exact


@pytest.mark.parametrize("chips", ["0", "-1", "two"])
def test_no_number_of_chips_is_a_mistake_of_the_user(chips: str, tmp_path: Path) -> None:
    assert command("compile", RESIDUAL, "--chips", chips, "-o", tmp_path / "net").code == 2

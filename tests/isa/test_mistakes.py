"""Mistakes in assembly text: every message with its line, its column and what to do.

The messages stand in golden/mistakes.txt; `python -m tests.isa.goldens write` writes them anew.
"""

from __future__ import annotations

import pytest

from cimc.base.diagnostics import CimcError
from cimc.isa.text.parser import parse
from tests.isa.goldens import golden

GOLDEN = "mistakes.txt"

HEAD = '.isa 1\n.program "net" target="puma" weights=""\n'
TILE = (
    HEAD
    + """\
.tile 0
.ring rows addr=0 height=6 width=6 channels=1 segments=1 pixels=24 ports=1
.scale half addr=100 entries=4 rows=1 zero=0 low=0 high=255 a0=0 b0=0 array=half
.core 0
"""
)
LOOP = TILE + "loop image, *\nloop oy, 6\n{}\nend\nend\nhlt\n"

CASES = {
    "unknown mnemonic": LOOP.format("relaese rows.0, oy"),
    "unknown mnemonic in a line that is not right either": LOOP.format("laod r[0:4], rows[oy, 0:4"),
    "too few operands": LOOP.format("maxi r[0:4], 0"),
    "no operands": LOOP.format("load"),
    "operands of end": LOOP.format("clrs r[0]"),
    "a port is wanted": LOOP.format("wait rows, oy"),
    "a window is wanted": LOOP.format("load r[0:4], rows[0:4], 0"),
    "a number is wanted": LOOP.format("maxi r[0:4], r[0:4], oy"),
    "a register is wanted": LOOP.format("maxi 4, r[0:4], 1"),
    "an unknown register file": LOOP.format("maxi xim[0:4], r[0:4], 1"),
    "an unknown register file far from any": LOOP.format("maxi q[0:4], r[0:4], 1"),
    "an unknown ring": LOOP.format("wait row.0, oy"),
    "a scale in place of a ring": LOOP.format("space half, oy"),
    "an unknown scale": LOOP.format("requant r[0:4], xout[0:4], hlf[0:4]"),
    "an unknown table": LOOP.format("lut r[0:4], r[0:4], sigmoid"),
    "an unknown counter": LOOP.format("wait rows.0, oyy+1"),
    "counters out of order": LOOP.format("loop ox, 2\nwait rows.0, ox+oy\nend"),
    "a counter twice": LOOP.format("loop oy, 2\nend"),
    "an empty range": LOOP.format("maxi r[4:4], r[0:4], 1"),
    "a range between counters": LOOP.format("load r[0:4], rows[oy:oy+4, 0, 0], 0"),
    "no entries": LOOP.format("load r[0:4], rows[oy:+0, 0, 0], 0"),
    "a negative count": LOOP.format("loop ox, -2\nend"),
    "a negative tile": TILE.replace(".core 0", ".channel 0") + "loop image, *\nsend rows[0, 0:6, 0], -1, 0\nend\nhlt\n",
    "too long a number": LOOP.format("maxi r[0:4], r[0:4], 12345678901234567890"),
    "a large number": LOOP.format("maxi r[0:4], r[0:4], 1234567890123456789"),
    "an instruction of a channel": LOOP.format("receive rows[oy, 0:6, 0], 0"),
    "an instruction of a core": TILE.replace(".core 0", ".channel 0") + "clrs\nhlt\n",
    "no end": TILE + "loop image, *\nloop oy, 6\nclrs\nend\nhlt\n",
    "an end too many": LOOP.format("end"),
    "no hlt": TILE + "clrs\n",
    "hlt in the middle": TILE + "hlt\nclrs\nhlt\n",
    "no bracket": LOOP.format("load r[0:4, rows[oy, 0:4, 0], 0"),
    "no comma": LOOP.format("maxi r[0:4] r[0:4], 0"),
    "a strange character": LOOP.format("maxi r[0:4], r[0:4], #1"),
    "a quote that does not end": LOOP.format('wait "rows.0, oy'),
    "an early end of line": LOOP.format("maxi r[0:4], r[0:4],"),
    "an unknown version": ".isa 7\n.program\n",
    "no version": '.program "net" target="puma" weights=""\n',
    "nothing": "",
    "no program": ".isa 1\n",
    "two programs": HEAD + '.program "net" target="puma" weights=""\n',
    "an unknown directive": HEAD + ".tiel 0\n",
    "an unknown key": HEAD + ".tile 0\n.vector v addr=0 entrys=4 array=v\n",
    "a missing key": HEAD + ".tile 0\n.vector v array=v\n",
    "a key twice": HEAD + ".tile 0\n.vector v addr=0 entries=4 entries=4 array=v\n",
    "a wrong value": HEAD + ".tile 0\n.vector v addr=0 entries=4.5 array=v\n",
    "an infinite value": HEAD + ".input x dtype=f shape=(1) scale=1e999 zero=0 low=0 high=1 index=i rings=(0:x)\n",
    "a wrong list": HEAD + ".input x dtype=f shape=(0:x) scale=1 zero=0 low=0 high=1 index=i rings=(0:x)\n",
    "no number of a tile": HEAD + ".tile\n",
    "a ring without a tile": HEAD + ".ring r addr=0 height=6 width=6 channels=1 segments=1 pixels=24 ports=1\n",
    "a matrix without a core": HEAD
    + ".tile 0\n.channel 0\n.mvmu 0 array=a rows=1 columns=1 weight_bits=8 input_bits=8 "
    "signed=true shift=0 layer=l row=0 column=0\nhlt\n",
    "an origin without a stream": HEAD + ".tile 0\n.origin 1\n",
    "an instruction without a stream": HEAD + ".tile 0\nclrs\n",
    "a string out of order": HEAD + '.string 1 "a"\n',
    "a name twice": HEAD + ".tile 0\n.vector v addr=0 entries=4 array=v\n.vector v addr=8 entries=4 array=v\n",
    "a tile twice": HEAD + ".tile 0\n.tile 0\n",
    "a core twice": TILE + "clrs\nhlt\n.core 0\nwait x.0, 1\n",
    "several at once": TILE
    + "loop image, *\nlaod r[0:4], rows[0, 0:4, 0], 0\nwait rowz.0, 1\nadd r[0:4], s[0:4], r[0:4]\n"
    "maxi r[0:4], r[0:4]\nend\nhlt\n.core 1\nloop image, *\nhlt\n",
    "what follows from a mistake is not said": TILE.replace("pixels=24 ", "pixel=24 ")
    + "lop image, *\nwait rows.0, image\n"
    "end\nhlt\n",
}


def message(name: str) -> str:
    """What the parser says to a case."""
    with pytest.raises(CimcError) as caught:
        parse(CASES[name], "net.cimasm")
    return str(caught.value)


@pytest.mark.parametrize("name", CASES)
def test_a_mistake_has_its_message(name: str) -> None:
    assert message(name) == golden(GOLDEN, name)


def test_the_frame_of_the_cases_is_right() -> None:
    assert parse(LOOP.format("wait rows.0, oy+1"))

"""The prose of docs/isa.md: what the instruction table means by its words. The code in it is run by a test."""

INTRODUCTION = """\
This page is generated from the tables in `isa/` by `python -m cimc.isa.document`; do not edit it. Together with
[program.md](program.md), which has the files, the directives, the target and the host, it says what an interpreter
needs to know.
"""

MACHINE = """\
A program has tiles; a tile has rings and constants in its shared memory, cores, and transfer channels. Each core and
each channel runs one stream of instructions, all at the same time. Words are signed whole numbers; names with a dot are
keys of the program's `target.toml`.

| words | how many | bits |
|---|---|---|
| `xin` | `core.mvmus` * rows a core; those of MVMU k begin at k * rows | `numbers.word` |
| `xout` | `core.mvmus` * stride a core; those of MVMU k begin at k * stride | `numbers.accumulator` |
| `r` | `core.registers` a core | `numbers.word` |
| `s` | one a core | 64 |
| memory | `tile.memory_words` a tile | of what is stored |
| FIFO | `tile.fifo_depth` messages, each of any length; `tile.fifos` FIFOs a tile | of what is sent |

rows is `crossbar.rows`. stride is `crossbar.columns` where `mvmu.slices` is "crossbars". Where it is "columns", stride
is floor(`crossbar.columns` / n) * `mvmu.crossbars`, with n the columns of a 2-bit weight: ceil(2 /
`crossbar.cell_bits`) in offset encoding, 2 in differential pairs.

All words are 0 before the run. After that nothing is cleared: registers, `s` and memory keep their words from one input
to the next.
"""

STREAMS = """\
`loop c, n` runs the instructions up to its `end` n times. `loop image, *`, whose counter may have any name, runs once
for each input of the run. It is the outermost loop, there is one at most, only instructions that set up registers stand
before it, which run once a run, and only `hlt` stands behind it. A stream without one waits for nothing and touches no
ring. The image of a stream is the number of the input that it is at, 0, 1, ...; streams are at different inputs at the
same time. The counter of `loop image, *` stands in no address and no ticket: these count from the first row of the
stream's current input. A counter has another name than those of the loops around it; loops run once at least.

Only `wait`, `space`, `send` and `receive` stop a stream, until what they wait for has come. Streams meet in rings and
FIFOs alone, every slot has one writer, and it is neither read before it is signalled nor overwritten before it is
released. So the words do not depend on the order in which streams run: an interpreter may run any stream until it
stops, then any other that can go on. The host's part (program.md) counts as streams too. The run is over when all have
ended; if none can go on before that, it is a deadlock.

A program that cimc compiles or runs has passed the static check, which promises, beside what this page says
elsewhere:

- Loops are nested at most 32 deep, and an input takes at most 1,000,000,000 instructions, all streams together.
- A ring has as many producers as it says: the streams that `space`, `signal`, `store` or `receive` it, or the host
  alone. A port is used by one stream or by the host. In every input each producer signals, and each port is released
  up to, height * segments. A FIFO has one sender and one receiver, and their messages agree in length.
- A stream reads only slots that it has waited for and not released, or that it produces; it writes only slots that it
  has space for and has not signalled. Every word of a map is written in every input.
- Windows of `store`, `send` and `receive` keep to the map; those of `load` to its channels. Channels have the step 1.
- A register is written before it is read. An `mvm` selects MVMUs that hold a matrix.
"""

RINGS = """\
A ring holds the last pixels of a map of height x width pixels of channels words (`.ring`). Input after input goes
through it, and pixels are counted through: pixel (row, column) of the stream's current input lies at

    slot = ((image * height + row) * width + column) mod pixels

and its channel c in word addr + slot * channels + c of the tile's memory.

A ticket counts segments of width / segments pixels: row * segments + segment. In an instruction it is clamped to 0 ..
height * segments and then counted from the first input on; in the table below `ticket` is

    image * height * segments + min(max(ticket as written, 0), height * segments)

Slots below ticket t are those of the first t segments. A ring keeps, all 0 before the run,

- signalled(ring, stream) for each of its producers: its own slots below this ticket are ready, whoever fills the
  others;
- released(port) for each port: the consumer no longer needs slots below this ticket.

signalled(ring) is the least of its producers'. free(ring) is the least released(port) + capacity, with capacity =
pixels / (width / segments); without ports it is endless. Neither ever goes back.

Example: height=4 width=4 channels=2 segments=2 pixels=8 has 8 tickets an input, of which 4 fit at once. In input 1,
`wait x.0, 7` waits until 8 + 7 = 15 tickets are signalled; row 3, column 1 lies at slot ((4 + 3) * 4 + 1) mod 8 = 5, in
words addr + 10 and addr + 11.
"""

WINDOWS = """\
`x[rows, columns, channels]` names indices along three axes. One axis is an index; from:to, without `to`; start:+count;
or start:+count:step, which is start, start + step, ... In registers and in messages the words of a window stand row by
row, in a row column by column, in a pixel channel by channel. Sender and receiver of a message may give it other
shapes: only the number of words is the same.

A pixel whose row is not 0 .. height - 1 or whose column is not 0 .. width - 1 is outside of the map, also where the
ring holds a neighbouring row of another input: `load` gives its words the value `fill`.
"""

NUMBERS = """\
Memory and messages hold words. `store` saturates what is wider than a word to one (an accumulator may be); `load` and
`loadv` saturate to the bits of d's register file (an accumulator may be narrower), the value `fill` to a word first.
`send` and `receive` move words as they are.

All other instructions compute in whole numbers of any width, from what all sources held before, even if d overlaps
them. Then they store fit(result): saturated to the bits of d's register file, -2^(bits-1) .. 2^(bits-1) - 1. So a chain
of `add` may saturate on its way, and its order matters.

Requantisation computes in float32 (IEEE 754 single, subnormal numbers kept). Each operation - conversion f32(),
product, sum, quotient, in the order written - rounds to the nearest float32, ties to even; there is no fused
multiply-add. Differences, products and sums inside of f32() are exact. m is the scale's row 0, n its row 1, from the
operand's first entry on, entry by entry along d; zero, low, high, a0 and b0 are keys of `.scale`. Then

    settle(x) = fit(min(max(round(x) + zero, low), high))

with round to the nearest whole number, ties to even, and everything behind it in whole numbers. Infinities saturate.
Multipliers are finite, so only `requant2` can meet inf - inf; x counts as 0 then. Where `s` is 0, m / f32(s) counts as
0 in `requants`.

`lut`, with e the n entries of the table as they are, even wider than a word, and first and step its keys:

    at = min(max(a - first, 0), (n - 1) * 2^step)
    step 0:  d = fit(e[at])
    step > 0:  k = floor(at / 2^step), part = at mod 2^step, next = e[min(k + 1, n - 1)]
               d = fit(e[k] + floor(((next - e[k]) * part + 2^(step - 1)) / 2^step))
"""

MEANINGS = """\
These are the functions that the emulator computes with, on arrays of NumPy: one way to do what the table says in words.
They take what the operands hold, in their order and without d: words (words, or 1; lanes), whole numbers; an imm; the
keys of a scale, with m and n (entries, or 1; 1); those of a table; and s last, where they need it. Where lengths
reduce, words are (terms, words, lanes). They give whole numbers, which are then fitted, or, with a scale, float32,
which is then settled.
"""

PRODUCT = '''\
The matrices that `.mvmu` lines put into one MVMU are one matrix w, each at its at_row and at_column; all other weights
are 0, and w ends at the last row and the last column that one of them reaches. They share no row and no column and
agree in weight_bits, input_bits, signed and shift. Row i is fed the lowest input_bits bits of word i of the MVMU's
`xin`: a number in two's complement where signed=true, else 0 .. 2^input_bits - 1. The sums of the columns become

    xout of k = fit(sums) where shift is 0, else fit(floor((sums + 2^(shift - 1)) / 2^shift))

in its first words, as many as w has columns; the words behind stay as they are.

sums is the exact product of x and w wherever no conversion can clip. That is so where (2^dac_bits - 1) * n < 2^adc_bits
for n the sum of the levels of each column of cells - one for each column of w, slice and half of a pair - and, in
offset encoding, for n the rows of w. Else the converters decide. An input is fed dac_bits at a time, lowest first; its
last digit may have fewer. A weight lies in cells of cell_bits: w + 2^(weight_bits - 1) in offset encoding, positive and
negative part apart in a differential pair. With `mvmu.flipped`, which only offset encoding has, a slice's column that
is set to more than half is stored as its complement. Every column of every slice is converted at every step and clips
at 2^adc_bits - 1; so does the sum of the digits, read from a unit column. As code, with t the keys of `[crossbar]` and
`[mvmu]`:

```python
import numpy as np


def sums_by_steps(x, w, weight_bits, input_bits, signed, t):
    """x: (rows,), w: (rows, columns), int64; the sums before the shift, (columns,)."""
    cell, dac = t["cell_bits"], t["dac_bits"]
    top, ceiling = 2**cell - 1, 2 ** t["adc_bits"] - 1
    if t["encoding"] == "offset":
        offset, bits, stored = 2 ** (weight_bits - 1), weight_bits, [w + 2 ** (weight_bits - 1)]
    else:  # differential
        offset, bits, stored = 0, weight_bits - 1, [np.maximum(w, 0), np.maximum(-w, 0)]
    slices, steps = max(1, -(-bits // cell)), -(-input_bits // dac)
    bias = 2 ** (input_bits - 1) if signed and dac > 1 else 0
    code = (x + bias) % 2**input_bits
    sums = -bias * w.sum(axis=0)
    for step in range(steps):
        digit = code >> (step * dac) & 2**dac - 1
        weight = 2 ** (step * dac)
        if signed and dac == 1 and step == steps - 1:
            weight = -weight  # the sign bit
        unit = min(digit.sum(), ceiling)
        sums = sums - weight * offset * unit
        for sign, part in zip((1, -1), stored):
            for s in range(slices):
                levels = part >> (s * cell) & top
                flip = t["flipped"] & (2 * levels.sum(axis=0) > top * len(x))
                read = np.minimum(digit @ np.where(flip, top - levels, levels), ceiling)
                read = np.where(flip, top * unit - read, read)
                sums = sums + sign * weight * (read << (s * cell))
    return sums
```

Levels are those after flipping. Rows of the MVMU beyond w take no part; what no matrix covers inside of w is weight 0,
which is stored as any other weight. Refused before a run are: input_bits beyond `numbers.word`; weights that
weight_bits do not hold, in a pair magnitudes that the slices' cells do not; and, with `crossbar.conversions` "once" or
`crossbar.adc_keeps` "high bits", all but `crossbar.rows` * (2^cell_bits - 1) * (2^n - 1) < 2^adc_bits, where n is
input_bits with "once", else dac_bits. So the code, and the exact product, hold for these targets too.
'''

BINARY = """\
Numbers are LEB128 varints of at most {longest} bytes; signed ones are zigzag encoded first (0, -1, 1, -2 become 0, 1,
2, 3). A list is its length and then its things; a text in the payload is an index into its texts.

- Header: the bytes `{magic}`; FORMAT and ISA version, one byte each; CRC-32 (4 bytes) and length (8 bytes) of the
  payload, little-endian.
- Payload: the list of texts, each its length in bytes and UTF-8; name, target and weights; chips, word and
  accumulator (signed); the list of strings; the lists of inputs and outputs; the list of tiles.
- A record (an input, a ring, ...): its directive's operands and keys in their order. int: signed; float: 8 bytes,
  little-endian; bool: a byte; name and text: a text; ints: a list of signed; rings: a list of tile (signed), ring (a
  text) and port (signed, -1: none).
- Tile: number (signed); the lists of rings, scales, vectors and tables; the list of cores (number, list of matrices,
  stream); the list of channels (number, stream).
- Stream: the bytes of its code and the code; the list of its loops' counters (texts); the list of origins, each an
  origin (signed) and for how many instructions it holds.
- Code: instruction after instruction, the opcode (a byte) and the operands as the table above says. Rings and
  constants are indices into the tile's lists, counters depths of loops. Only code takes instruction memory.
"""

TEXT = """\
One statement stands on a line, which a line feed ends; `;` outside of quotes begins a comment. Indentation means
nothing. Instructions and `.mvmu` lines belong to the last `.core` or `.channel` before them, that and rings and
constants to the last `.tile`. A name is bare where its parts, joined by dots, each begin with a letter or underscore
and go on with letters, digits and underscores (ASCII); every other name is quoted, with the escapes of JSON. So `x.0`
is port 0 of ring `x`, and a ring called x.0 is written `"x.0"`; a tab may stand in quotes as it is. `r[5]` is `r[5:6]`.
Ranges of registers and of entries hold no counters and may be start:+count too; from:to stands between constants only,
also in windows. No range is empty. A mask may be a decimal number. The grammar is for lark (LALR, contextual lexer) and
one line, from `line` on; operands are then checked against the table.
"""

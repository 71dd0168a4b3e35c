"""Writes docs/isa.md from the tables: `python -m cimc.isa.document`. A test sees to it that the page is current."""

from __future__ import annotations

from pathlib import Path

from cimc.isa.binary import FORMAT, MAGIC
from cimc.isa.bytestream import LONGEST_VARINT
from cimc.isa.check_work import MOST_INSTRUCTIONS
from cimc.isa.directives import DIRECTIVES, VALUE_KINDS, Directive
from cimc.isa.grammar import GRAMMAR
from cimc.isa.kinds import KINDS
from cimc.isa.lengths import RULE, RULES
from cimc.isa.table import FORMS, ISA_VERSION, Form
from cimc.isa.wellformed import MOST_NESTED

PAGE = Path(__file__).resolve().parents[1] / "docs" / "isa.md"

_INTRODUCTION = """\
This page is generated from the tables in `isa/` by `python -m cimc.isa.document`; do not edit it.

A program has tiles; a tile has rings and constants in its shared memory, cores, and transfer channels. Each core and
each channel runs one stream: instructions that set up registers, then `loop image, * ... end`, then `hlt`. Addresses
and tickets count from the first row of the current input. A ticket is a segment of a row: row * segments + segment; it
is clamped to 0 .. height * segments. A load outside of the map reads its fill value. Loops are nested at most {nested}
deep, and an input takes at most {most:,} instructions, all streams together.

One statement stands on a line; `;` begins a comment. A name is bare where its parts, joined by dots, each begin with a
letter or underscore and go on with letters, digits and underscores (ASCII); every other name is quoted, with the
escapes of JSON. So `x.0` is port 0 of ring `x`, and a ring called x.0 is written `"x.0"`.
"""

_BINARY = """\
Numbers are LEB128 varints of at most {longest} bytes; signed ones are zigzag encoded first (0, -1, 1, -2 become 0, 1,
2, 3). A list is its length and then its things; a text in the payload is an index into its texts.

- Header: the bytes `{magic}`; FORMAT and ISA version, one byte each; CRC-32 (4 bytes) and length (8 bytes) of the
  payload, little-endian.
- Payload: the list of texts, each its length in bytes and UTF-8; name, target and weights; chips, word
  and accumulator (signed); the list of strings; the lists of inputs and outputs; the list of tiles.
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

_PLACES = {"core": "core", "tile": "channel", "any": "both"}


def isa_page() -> str:
    """The whole page, in Markdown."""
    return "\n".join([*_introduction(), *_instructions(), *_operands(), *_directives(), *_binary(), *_grammar()])


def _introduction() -> list[str]:
    introduction = _INTRODUCTION.format(nested=MOST_NESTED, most=MOST_INSTRUCTIONS)
    return [f"# The instruction set, version {ISA_VERSION}", "", introduction]


def _instructions() -> list[str]:
    lines = [
        "## Instructions",
        "",
        "| opcode | instruction | stands in | unit | meaning | lengths |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {form.opcode} | {_form(form)} | {_PLACES[form.place]} | {form.unit} | {_cell(form.meaning)} | "
        f"{RULE[form.mnemonic] if RULES[RULE[form.mnemonic]] else ''} |"
        for form in FORMS
    ]
    lines += ["", "Lengths, in words:", ""]
    lines += [f"- {name}: {meaning}" for name, meaning in RULES.items() if meaning]
    return [*lines, ""]


def _form(form: Form) -> str:
    operands = ", ".join(
        f"*{field.name}* {field.kind}" if field.name != field.kind else field.kind for field in form.fields
    )
    return f"`{form.mnemonic}` {operands}".rstrip()


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*")


def _operands() -> list[str]:
    lines = ["## Operands", "", "| kind | what | such as | bytes |", "|---|---|---|---|"]
    lines += [
        f"| {name} | {_cell(kind.what)} | `{kind.example}` | {_cell(kind.bytes)} |" for name, kind in KINDS.items()
    ]
    return [*lines, ""]


def _directives() -> list[str]:
    lines = ["## Directives", "", "| directive | stands | keys | meaning |", "|---|---|---|---|"]
    places = {"program": "anywhere", "tile": "in a tile", "core": "in a core", "stream": "in a stream"}
    lines += [
        f"| `.{directive.name}` {_leading(directive)} | {places[directive.level]} | {_keys(directive)} | "
        f"{directive.meaning} |"
        for directive in DIRECTIVES
    ]
    lines += ["", "A key in brackets may be left out. Values:", ""]
    lines += [f"- {name}: {meaning}" for name, meaning in VALUE_KINDS.items()]
    return [*lines, ""]


def _leading(directive: Directive) -> str:
    return " ".join(f"*{key.name}* {key.kind}" for key in directive.leading)


def _keys(directive: Directive) -> str:
    words = [f"{key.name}={key.kind}" for key in directive.keys]
    return ", ".join(
        f"[{word}]" if key.attribute in directive.defaults else word
        for key, word in zip(directive.keys, words, strict=True)
    )


def _binary() -> list[str]:
    return [f"## Binary form, FORMAT {FORMAT}", "", _BINARY.format(longest=LONGEST_VARINT, magic=MAGIC.hex(" "))]


def _grammar() -> list[str]:
    note = "For lark (LALR, contextual lexer); operands are then checked against the table."
    return ["## Grammar of a line", "", note, "", "```", GRAMMAR.strip(), "```", ""]


if __name__ == "__main__":
    PAGE.write_text(isa_page(), encoding="utf-8", newline="\n")

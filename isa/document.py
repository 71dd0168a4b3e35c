"""Writes docs/isa.md, and the directives in docs/program.md, from the tables: `python -m cimc.isa.document`.

A test sees to it that the pages are current.
"""

from __future__ import annotations

import json
from pathlib import Path

from cimc.isa.binary import FORMAT, MAGIC
from cimc.isa.bytestream import LONGEST_VARINT
from cimc.isa.directives import DIRECTIVES, VALUE_KINDS, Directive, Key
from cimc.isa.document_prose import BINARY, INTRODUCTION, MACHINE, NUMBERS, PRODUCT, RINGS, STREAMS, TEXT, WINDOWS
from cimc.isa.grammar import GRAMMAR
from cimc.isa.kinds import KINDS
from cimc.isa.lengths import RULE, RULES
from cimc.isa.table import FORMS, ISA_VERSION, Form

PAGE = Path(__file__).resolve().parents[1] / "docs" / "isa.md"
PROGRAM_PAGE = PAGE.with_name("program.md")

_BEGIN, _END = "<!-- directives: python -m cimc.isa.document -->", "<!-- end -->"

_PLACES = {"core": "core", "tile": "channel", "any": "both"}
_LEVELS = {"program": "anywhere behind `.isa`", "tile": "in a tile", "core": "in a core", "stream": "in a stream"}


def isa_page() -> str:
    """docs/isa.md, in Markdown."""
    sections = [
        *_section(f"# The instruction set, version {ISA_VERSION}", INTRODUCTION),
        *_section("## The machine", MACHINE),
        *_section("## Streams", STREAMS),
        *_section("## Rings and tickets", RINGS),
        *_section("## Windows", WINDOWS),
        *_section("## Numbers", NUMBERS),
        *_instructions(),
        *_section("## The product of an MVMU", PRODUCT),
        *_operands(),
        *_section("## Text", f"{TEXT}\n```\n{GRAMMAR.strip()}\n```\n"),
        *_section(f"## Binary form, FORMAT {FORMAT}", BINARY.format(longest=LONGEST_VARINT, magic=MAGIC.hex(" "))),
    ]
    return "\n".join(sections).rstrip("\n") + "\n"


def program_page(page: str) -> str:
    """docs/program.md with its directives as the table has them. page: as it is."""
    before, rest = page.split(_BEGIN + "\n")
    return before + "\n".join([_BEGIN, *_directives(), _END]) + rest.split(_END, 1)[1]


def _section(title: str, text: str) -> list[str]:
    return [title, "", text]


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
    lines = ["| directive | stands | meaning |", "|---|---|---|"]
    lines += [
        f"| `.{d.name}` {_leading(d)} | {'first' if d.name == 'isa' else _LEVELS[d.level]} | {d.meaning} |"
        for d in DIRECTIVES
    ]
    lines += ["", "| directive | key | value | if left out | meaning |", "|---|---|---|---|---|"]
    for same in _alike():
        names = ", ".join(f"`.{directive.name}`" for directive in same)
        lines += [f"| {names} | {_key(key, same[0])} |" for key in same[0].leading + same[0].keys]
    return [*lines, "", "Values:", "", *(f"- {name}: {meaning}" for name, meaning in VALUE_KINDS.items())]


def _alike() -> list[list[Directive]]:
    """Directives in their order, those with the same keys together."""
    found: dict[tuple[Key, ...], list[Directive]] = {}
    for directive in DIRECTIVES:
        found.setdefault(directive.keys or directive.leading, []).append(directive)
    return list(found.values())


def _key(key: Key, directive: Directive) -> str:
    name = f"*{key.name}*" if key in directive.leading else f"`{key.name}`"
    default = directive.defaults.get(key.attribute, "")
    shown = f"`{json.dumps(default)}`" if key.attribute in directive.defaults else ""
    return f"{name} | {key.kind} | {shown} | {_cell(key.meaning)}"


def _leading(directive: Directive) -> str:
    return " ".join(f"*{key.name}*" for key in directive.leading)


if __name__ == "__main__":
    PAGE.write_text(isa_page(), encoding="utf-8", newline="\n")
    PROGRAM_PAGE.write_text(program_page(PROGRAM_PAGE.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")

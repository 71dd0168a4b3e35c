"""Writes docs/isa.md, and the directives in docs/program.md, from the tables: `python -m cimc.isa.document`.

A test sees to it that the pages are current.
"""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import numpy as np

from cimc.isa import meaning
from cimc.isa.binary.bytestream import LONGEST_VARINT
from cimc.isa.binary.file import FORMAT, MAGIC
from cimc.isa.directives import DIRECTIVES, Directive, Key
from cimc.isa.document_prose import (
    BINARY,
    INTRODUCTION,
    MACHINE,
    MEANINGS,
    NUMBERS,
    PRODUCT,
    RINGS,
    STREAMS,
    TEXT,
    WINDOWS,
)
from cimc.isa.form import RULES, Form, Meaning
from cimc.isa.table import FORM, ISA_VERSION
from cimc.isa.text.grammar import GRAMMAR
from cimc.isa.values import VALUE_KINDS

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
        *_meanings(),
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
        f"| {form.opcode} | {_form(form)} | {_PLACES[form.place]} | {form.unit} | {_cell(form.text)} | "
        f"{form.lengths.name} |"
        for form in _in_order()
    ]
    lines += ["", "Lengths, in words:", ""]
    lines += [f"- {rule.name}: {rule.text}" for rule in RULES]
    return [*lines, ""]


def _meanings() -> list[str]:
    """Functions of cimc.isa.meaning, or of NumPy, that instructions are declared with."""
    meanings = [form.meaning for form in _in_order() if form.meaning is not None]
    helpers: list[Meaning] = [meaning.f32, meaning.less, meaning.exact_product]
    functions = [function for function in meanings if not isinstance(function, np.ufunc)]
    ufuncs = [f"{f.mnemonic} = np.{f.meaning.__name__}" for f in _in_order() if isinstance(f.meaning, np.ufunc)]
    sources = (inspect.getsource(function).rstrip() for function in helpers + functions)
    code = "\n\n\n".join(["\n".join(ufuncs), *sources])
    return [*_section("## Meanings as code", MEANINGS), "```py", code, "```", ""]


def _in_order() -> list[Form]:
    return sorted(FORM.values(), key=lambda form: form.opcode)


def _form(form: Form) -> str:
    operands = ", ".join(
        f"*{field.name}* {field.kind.name}" if field.name != field.kind.name else field.kind.name
        for field in form.fields
    )
    return f"`{form.mnemonic}` {operands}".rstrip()


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*")


def _operands() -> list[str]:
    lines = ["## Operands", "", "| kind | what | such as | bytes |", "|---|---|---|---|"]
    kinds = {field.kind.name: field.kind for form in FORM.values() for field in form.fields}
    lines += [
        f"| {name} | {_cell(kind.what)} | `{kind.example}` | {_cell(kind.layout)} |" for name, kind in kinds.items()
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
    return [*lines, "", "Values:", "", *(f"- {kind.name}: {kind.what}" for kind in VALUE_KINDS)]


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
    return f"{name} | {key.kind.name} | {shown} | {_cell(key.meaning)}"


def _leading(directive: Directive) -> str:
    return " ".join(f"*{key.name}*" for key in directive.leading)


if __name__ == "__main__":
    PAGE.write_text(isa_page(), encoding="utf-8", newline="\n")
    PROGRAM_PAGE.write_text(program_page(PROGRAM_PAGE.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")

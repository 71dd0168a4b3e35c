"""Reports validate against the schema that is published, and what is no report does not."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import jsonschema
import pytest

import cimc
from cimc.report.json_text import json_text, to_json
from cimc.report.schema import FILE, report_schema, schema_of, schema_text
from tests.cli.commands import CALIBRATION, DIGITS, QUANTISED, RESIDUAL
from tests.cli.commands import cimc as command

VALIDATOR = jsonschema.Draft202012Validator(report_schema())


@dataclass(frozen=True)
class Leaf:
    """A leaf. x: None where
    there is none."""

    x: int | None


@dataclass(frozen=True)
class Tree:
    """A tree."""

    name: str
    leaves: tuple[Leaf, ...]
    below: Tree | None


def test_the_published_file_is_current() -> None:
    assert FILE.read_text(encoding="utf-8") == schema_text(), "run python -m cimc.report.schema"
    assert command("report", "--schema").out == schema_text()


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(report_schema())


@pytest.mark.parametrize("model", [DIGITS, RESIDUAL, QUANTISED])
@pytest.mark.parametrize("target", ["puma", "ideal"])
def test_real_reports_validate(model: str, target: str) -> None:
    VALIDATOR.validate(json.loads(json_text(cimc.compile(model, target, CALIBRATION).report())))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.pop("writing"), "'writing' is a required property"),
        (lambda r: r.update(more=1), "'more' was unexpected"),
        (lambda r: r.update(format=1), "4 was expected"),
        (lambda r: r["summary"].update(tiles="1"), "'1' is not of type 'integer'"),
        (lambda r: r["layers"][0].update(cores=None), "None is not of type 'integer'"),
        (lambda r: r["tiles"][0]["cores"][0].update(layers="conv1"), "'conv1' is not of type 'array'"),
    ],
)
def test_what_is_no_report_does_not(change: Any, message: str) -> None:
    report = json.loads(json_text(cimc.compile(DIGITS, "puma", CALIBRATION).report()))
    change(report)
    (error,) = VALIDATOR.iter_errors(report)
    assert message in str(error.message)


def test_a_record_in_itself() -> None:
    schema = schema_of(Tree)
    validator = jsonschema.Draft202012Validator(schema)
    leaf = Tree("b", (), None)
    validator.validate(to_json(Tree("a", (Leaf(1), Leaf(None)), leaf)))
    assert not validator.is_valid(to_json({"name": "a", "leaves": (), "below": replace(leaf, name=3)}))
    leaf_schema = schema["$defs"]
    assert isinstance(leaf_schema, dict)
    assert leaf_schema["Leaf"]["description"] == "A leaf. x: null where there is none."


def test_a_report_needs_a_program() -> None:
    done = command("report")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error[options.report]: no program is named\n  help: write cimc report DIR")

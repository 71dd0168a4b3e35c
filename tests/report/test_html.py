from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markupsafe import Markup

import cimc
from cimc.base.quantities import si
from cimc.report.cost_model import Share
from cimc.report.html import PARTS, html_page
from cimc.report.html_values import SHADES, bar, on_page, shade, shortened
from cimc.report.model import Report
from cimc.runtime.timing.engine import time_program
from cimc.runtime.timing.result import Timing
from cimc.target import load_target
from cimc.target.model import Target
from tests.cli.commands import CALIBRATION, DIGITS, RESIDUAL, compiled
from tests.cli.commands import cimc as command

LARGEST = 100_000
"""Bytes of a page of the example, which has six layers on one tile: about 26,000, and room for more."""
ODD = "conv<b>&\"'</title></svg><script>alert(1)</script> http://x.example/ \x00\u202e"
VOID = {"meta", "input"}


class Read(HTMLParser):
    """What a page holds. stack: of open elements; loads: values of attributes that a browser would fetch."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.loads: list[str] = []
        self.handlers: list[str] = []
        self.stack: list[str] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()
        assert self.stack == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.loads += [
            value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "srcset", "action", "data")
        ]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture(scope="module")
def program() -> cimc.CompiledProgram:
    return cimc.compile(RESIDUAL, "puma", CALIBRATION)


@pytest.fixture(scope="module")
def timing(program: cimc.CompiledProgram) -> Timing:
    return time_program(program.program, program.target, 4, record=True)


@pytest.fixture(scope="module")
def page(program: cimc.CompiledProgram, timing: Timing) -> str:
    return html_page(program.report(), program.program, program.target, timing)


def test_the_page_needs_nothing_else(page: str) -> None:
    read = Read(page)
    assert all(target.startswith(("#", "data:image/png;base64,")) for target in read.loads)
    assert not {"script", "link", "img", "iframe", "object", "embed", "base"} & set(read.tags)
    assert not read.handlers
    assert not re.search(r"https?:|@import|url\((?!#)", page)
    assert "default-src 'none'" in page
    assert len(page.encode()) < LARGEST


def test_all_parts_are_there_once(page: str) -> None:
    read = Read(page)
    assert len(set(read.ids)) == len(read.ids)
    assert {part for part, _ in PARTS} <= set(read.ids)
    assert {"bottleneck", "pipeline", "by-layer", "by-cells", "by-memory", "by-energy"} <= set(read.ids)
    assert {link[1:] for link in read.loads if link.startswith("#")} <= set(read.ids)
    assert set(re.findall(r"url\(#([^)]*)\)", page)) <= set(read.ids)


def test_it_says_what_the_report_says(page: str, program: cimc.CompiledProgram, timing: Timing) -> None:
    text = "|".join(Read(page).text)
    report = program.report()
    for layer in report.layers:
        assert f"|{layer.name}|" in text
    for component in timing.joules_by_component:
        assert f"|{component}|" in text
    assert f"|{si(timing.latency, 's')}|" in text
    assert timing.interval is not None and f"|{si(timing.interval, 's')}|" in text
    tiles = program.program.tiles
    streams = [c.stream for t in tiles for c in t.cores] + [c.stream for t in tiles for c in t.channels]
    mnemonics = [instruction.mnemonic for stream in streams for instruction in stream]
    for mnemonic in set(mnemonics):
        assert re.search(rf"\|{mnemonic}\|\n?\|?{mnemonics.count(mnemonic):,}\|", text), mnemonic
    cores = [core for tile in report.tiles for core in tile.cores]
    assert len(re.findall('class="core h', page)) == len(cores)


def test_the_same_bytes_twice(page: str, program: cimc.CompiledProgram) -> None:
    again = time_program(program.program, program.target, 4, record=True)
    assert html_page(program.report(), program.program, program.target, again) == page


def test_odd_names_stay_text(program: cimc.CompiledProgram, timing: Timing) -> None:
    odd = _renamed(program.report(), ODD)
    other = replace(timing, layers=(ODD,) * len(timing.layers))
    page = html_page(odd, replace(program.program, name=ODD), program.target, other)
    read = Read(page)
    assert "script" not in read.tags
    assert ODD.replace("\x00\u202e", "\ufffd\ufffd") in read.text
    assert "\x00" not in page and "\u202e" not in page


def _renamed(report: Report, name: str) -> Report:
    """A report in which everything that a network names has this name."""
    layers = tuple(replace(layer, name=name, origin=name, output=name) for layer in report.layers)
    tiles = tuple(
        replace(
            tile,
            largest=tile.largest and replace(tile.largest, name=name, tensor=name),
            cores=tuple(replace(core, layers=(name,)) for core in tile.cores),
        )
        for tile in report.tiles
    )
    plugs = tuple(replace(plug, name=name) for plug in report.inputs)
    assert report.cost is not None
    limit = replace(report.cost.limit, name=name, why=name, help=(name,))
    cost = replace(report.cost, limit=limit, elsewhere=(Share(name, 1.0, 1.0),))
    return replace(report, layers=layers, tiles=tiles, inputs=plugs, outputs=plugs, cost=cost)


def test_without_prices_one_sentence_says_so(tmp_path: Path) -> None:
    folder = compiled(tmp_path / "net", target="ideal")
    file = tmp_path / "report.html"
    done = command("report", folder, "--html", file)
    assert done.code == 0, done.err
    read = Read(file.read_text(encoding="utf-8"))
    assert "No time and energy: target ideal has no prices: it says nothing about time and energy." in read.text
    assert {part for part, _ in PARTS} <= set(read.ids) and "pipeline" not in read.ids


def test_the_command_writes_it_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = compiled(tmp_path / "net")
    file = tmp_path / "report.html"
    done = command("report", folder, "--html", file)
    assert done.code == 0, done.err
    data = file.read_bytes()
    assert f"{len(data):,} bytes" in done.out
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["net", "report.html"]
    (folder / "report.json").write_text("{}", encoding="utf-8")
    assert command("report", folder, "--html", file).code == 2
    assert file.read_bytes() == data
    assert command("report", folder, "--html", tmp_path / "none" / "report.html").code == 2
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["net", "report.html"]


def test_tiles_of_a_second_chip_have_a_plan_of_their_own(program: cimc.CompiledProgram, timing: Timing) -> None:
    puma: Target = load_target("puma")
    report = program.report()
    (tile,) = report.tiles
    two = replace(report, tiles=(tile, replace(tile, tile=puma.chip.tiles, chip=1)))
    read = Read(html_page(two, program.program, puma, timing))
    assert {"Chip 0: 1 of 138 tiles", "Chip 1: 1 of 138 tiles", f"tile {puma.chip.tiles}"} <= set(read.text)


def test_a_network_without_tiles_in_use_has_a_page(timing: Timing) -> None:
    plain = cimc.compile(DIGITS, "puma", CALIBRATION)
    empty = replace(plain.program, tiles=())
    report = replace(plain.report(), tiles=(), layers=())
    Read(html_page(report, empty, plain.target, timing))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0 s"), (1.0, "1.00 s"), (0.00099999, "1.00 ms"), (12.34e-6, "12.3 µs"), (999.6e-9, "1.00 µs")],
)
def test_quantities(value: float, text: str) -> None:
    assert si(value, "s") == text


def test_values() -> None:
    assert on_page("a\x07\u2066b\n") == "a\ufffd\ufffdb\n"
    assert (on_page(0.125), on_page(2.0), on_page(7)) == ("0.12", "2", 7)
    assert on_page(Markup("<i></i>")) == "<i></i>"
    assert shortened("abcdefghij", 7) == "abcd…ij"
    assert bar(40, 15) == (
        '<span class="bar"><i style="width:15%" class="strong"></i><i style="width:25%" class="weak"></i></span>'
    )


def test_columns_of_tables(page: str) -> None:
    assert '<th scope="col" class="text">layer</th><th scope="col" class="whole">kind</th>' in page
    assert '<td class="whole">matrix</td><td class="number">' in page
    assert '<td class="bars"><span class="bar">' in page


def test_every_layer_has_a_row_under_its_number_and_the_host_one_behind(page: str, timing: Timing) -> None:
    text = Read(page).text
    worked = {one.layer for one in timing.intervals if timing.streams[one.stream].unit == "core"}
    for number in worked:
        assert any(part.startswith(f"{number + 1} {timing.layers[number]}"[:20]) for part in text)
    titles = [part for part in text if re.search(r": \d+ (cores?|streams of the host), from", part)]
    assert [title.split(":")[0] for title in titles] == [*(timing.layers[number] for number in sorted(worked)), "host"]


def test_every_figure_of_a_layer_is_on_the_page(page: str, program: cimc.CompiledProgram) -> None:
    text = Read(page).text
    for heading in (
        "matrix", "encoding", "slices", "MVMUs", "crossbars", "copies", "filled % of rows", "of columns", "of cells",
        "vectors", "busy", "energy", "work in memory %", "on vector units %",
    ):  # fmt: skip
        assert heading in text, heading
    report = program.report()
    for layer in report.layers:
        assert layer.cost is not None
        assert si(layer.cost.seconds, "s") in text and si(layer.cost.joules, "J") in text
        if layer.matrix is not None:
            assert f"{layer.matrix.cells_percent:.1f}" in text and layer.matrix.encoding in text
    assert report.cost is not None and report.writing.seconds is not None and report.writing.joules is not None
    assert str(report.writing) in text
    assert str(report.writing).startswith(
        f"{si(report.writing.seconds, 's')} and {si(report.writing.joules, 'J')}, once"
    )
    assert report.cost.limit.help
    assert all(advice in text for advice in report.cost.limit.help)


def test_the_floor_plan_has_a_shade_for_every_core_and_way(page: str, program: cimc.CompiledProgram) -> None:
    cores = [core for tile in program.report().tiles for core in tile.cores]
    shades = re.findall(r'class="core h\d+ c(\d) e(\d)"', page)
    assert len(shades) == len(cores)
    most = max(cores, key=lambda core: core.joules or 0.0)
    assert shades[cores.index(most)][1] == str(SHADES)
    for core, (cells, energy) in zip(cores, shades, strict=True):
        assert (cells == "0") == (core.mvmus == 0) and energy != "0"
    assert (shade(0.0), shade(1e-9), shade(0.5), shade(1.0), shade(1.1)) == (0, 1, SHADES // 2, SHADES, SHADES)
    for level in range(SHADES + 1):
        assert f"#by-cells:checked~.scroll .c{level},#by-energy:checked~.scroll .e{level}" in page


def test_without_prices_there_is_no_plan_by_energy() -> None:
    ideal = cimc.compile(DIGITS, "ideal", CALIBRATION)
    read = Read(html_page(ideal.report(), ideal.program, ideal.target, None))
    assert "by-cells" in read.ids and "by-energy" not in read.ids


def test_four_full_chips_keep_within_three_megabytes(program: cimc.CompiledProgram, timing: Timing) -> None:
    """A network as large as VGG-16: 540 tiles of 8 cores, 40 layers with long names."""
    puma: Target = load_target("puma")
    report = program.report()
    layers = tuple(replace(report.layers[0], name=f"features.{n}.convolution_QuantizeLinear_Output") for n in range(40))
    core = report.tiles[0].cores[0]
    tiles = tuple(
        replace(
            report.tiles[0],
            tile=number,
            chip=number // puma.chip.tiles,
            cores=tuple(replace(core, core=n, layers=(layers[(number + n) % 40].name,)) for n in range(8)),
        )
        for number in range(540)
    )
    page = html_page(replace(report, layers=layers, tiles=tiles), program.program, puma, timing)
    assert {f"Chip {chip}: {used} of 138 tiles" for chip, used in enumerate((138, 138, 138, 126))} <= set(
        Read(page).text
    )
    assert len(page.encode()) < 2_500_000  # 3 MB, less the rows of a pipeline

"""How the page looks: its style sheet, in light and dark, and the hue of each layer."""

from __future__ import annotations

GOLDEN_ANGLE = 137.508
"""Degrees between the hues of layers that follow each other; however many there are, neighbours differ most."""


def hue_class(layer: int) -> str:
    """The class of what belongs to a layer, by its index; -1: to none."""
    return f"h{layer}" if layer >= 0 else "none"


def style_sheet(layers: int) -> str:
    """The style sheet of a page with so many layers."""
    hues = "".join(f".{hue_class(layer)}{{--h:{layer * GOLDEN_ANGLE % 360:.0f}}}\n" for layer in range(layers))
    return STYLE + hues


STYLE = """
:root{color-scheme:light dark;--back:#fff;--card:#f5f6f8;--text:#1b1f24;--dim:#59626e;--line:#d4d9e0;
--strong:#2f6fb5;--weak:#a9c6e6;--warn:#8a5a00;--tint:80%;--solid:44%;--idle:#e9ecf0}
@media(prefers-color-scheme:dark){:root{--back:#14171b;--card:#1d2126;--text:#e6e9ed;--dim:#a0a9b4;--line:#363d46;
--strong:#5b9ee6;--weak:#31567f;--warn:#e3b341;--tint:32%;--solid:58%;--idle:#262b31}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1400px;padding:1rem 1.25rem 3rem;background:var(--back);color:var(--text);
font:15px/1.5 system-ui,sans-serif}
h1{font-size:1.6rem;margin:.5rem 0;overflow-wrap:anywhere}
h2{font-size:1.2rem;margin:2.2rem 0 .6rem;border-bottom:1px solid var(--line);padding-bottom:.25rem}
h3{font-size:1rem;margin:1.4rem 0 .4rem}
p{margin:.4rem 0;max-width:90ch;overflow-wrap:anywhere}
.dim{color:var(--dim);font-size:.88rem}
nav{display:flex;flex-wrap:wrap;gap:.2rem 1rem}
a{color:var(--strong)}
dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(9.5rem,1fr));gap:.6rem;margin:.6rem 0}
dl div{background:var(--card);border-radius:6px;padding:.5rem .7rem;min-width:0}
dt{color:var(--dim);font-size:.8rem}
dd{margin:0;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
.scroll{overflow-x:auto;border:1px solid var(--line);border-radius:6px}
table{border-collapse:collapse;width:100%;font-size:.87rem;font-variant-numeric:tabular-nums}
th,td{padding:.28rem .5rem;text-align:left;vertical-align:top;border-bottom:1px solid var(--line)}
tbody tr:last-child td{border-bottom:0}
th{color:var(--dim);font-weight:600;white-space:nowrap;background:var(--card)}
.number,.whole{white-space:nowrap}
.number{text-align:right}
td.text{max-width:24rem;overflow-wrap:break-word}
.bar{display:flex;min-width:8rem;height:.8rem;margin-top:.3rem;background:var(--idle);border-radius:2px;
overflow:hidden}
.bar i{display:block;height:100%}
.strong{background:var(--strong)}
.weak{background:var(--weak)}
.key{display:inline-block;min-width:1.7rem;padding:0 .3rem;border-radius:3px;text-align:center;
background:hsl(var(--h) 60% var(--tint))}
.key.none{background:var(--idle)}
.warning{border-left:3px solid var(--warn);padding-left:.6rem}
svg{display:block;padding:.4rem}
svg text{fill:var(--text);font:12px system-ui,sans-serif}
svg .dim{fill:var(--dim);font-size:11px}
.fills .dim{fill:var(--text)}
.tile{fill:var(--card);stroke:var(--line)}
.tile.unused{fill:none;stroke-dasharray:3 3}
.core{fill:hsl(var(--h) 60% var(--tint))}
.core.none,.idle{fill:var(--idle)}
.middle{text-anchor:middle}
.level{fill:var(--weak)}
.choice{margin:.2rem 0 .6rem}
#by-fill:checked~.scroll .layers,#by-layer:checked~.scroll .fills{display:none}
label{margin:0 1rem 0 .25rem}
.row{fill:hsl(var(--h) 60% var(--solid))}
.row.none{fill:var(--dim)}
.lane{fill:var(--idle)}
.tick{stroke:var(--line)}
.done{stroke:var(--text);stroke-dasharray:4 3}
"""

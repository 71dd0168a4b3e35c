"""How the page looks: its style sheet, in light and dark, and the hue of each layer."""

from __future__ import annotations

GOLDEN_ANGLE = 137.508
"""Degrees between the hues of layers that follow each other; however many there are, neighbours differ most."""


def hue(layer: int) -> float:
    """The hue of a layer, by its index, in degrees."""
    return layer * GOLDEN_ANGLE % 360


def hue_class(layer: int) -> str:
    """The class of what belongs to a layer, by its index; -1: to none."""
    return f"h{layer}" if layer >= 0 else "none"


def style_sheet(layers: int) -> str:
    """The style sheet of a page with so many layers."""
    hues = "".join(f".{hue_class(layer)}{{--h:{hue(layer):.0f}}}\n" for layer in range(layers))
    return STYLE + hues


STYLE = """
:root{color-scheme:light dark;--back:#fff;--card:#f5f6f8;--text:#1b1f24;--dim:#59626e;--line:#d4d9e0;
--strong:#2f6fb5;--weak:#a9c6e6;--warn:#8a5a00;--tint:80%;--idle:#e9ecf0}
@media(prefers-color-scheme:dark){:root{--back:#14171b;--card:#1d2126;--text:#e6e9ed;--dim:#a0a9b4;--line:#363d46;
--strong:#5b9ee6;--weak:#31567f;--warn:#e3b341;--tint:32%;--idle:#262b31}}
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
.scroll+.scroll{margin-top:.6rem}
.scroll{overflow-x:auto;border:1px solid var(--line);border-radius:6px}
table{border-collapse:separate;border-spacing:0;width:100%;font-size:.87rem;font-variant-numeric:tabular-nums}
th,td{padding:.28rem .5rem;text-align:left;vertical-align:top;border-bottom:1px solid var(--line)}
tbody tr:last-child td{border-bottom:0}
th{color:var(--dim);font-weight:600;vertical-align:bottom;background:var(--card)}
td:first-child,th:first-child{position:sticky;left:0;z-index:1;background:var(--back)}
th:first-child{background:var(--card)}
td.number,.whole{white-space:nowrap}
.number{text-align:right}
.bars{min-width:5.5rem}
td.text{min-width:11rem;max-width:24rem;overflow-wrap:anywhere}
.bar{display:flex;height:.8rem;margin-top:.3rem;background:var(--idle);border-radius:2px;
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
.tile{fill:var(--card);stroke:var(--line)}
.tile.unused{fill:none;stroke-dasharray:3 3}
.core{fill:hsl(var(--h) 60% var(--tint))}
.core.none{fill:var(--idle)}
.cores text,.memory text,.middle{text-anchor:middle}
.level{fill:var(--weak)}
.cores rect:hover,.tile:hover{stroke:var(--text)}
.scroll h3{margin:.6rem .5rem .2rem}
.scroll.tall{max-height:44rem;overflow-y:auto}
.tall thead th{position:sticky;top:0}
.scale{display:inline-flex;vertical-align:middle;border:1px solid var(--line)}
.scale i{width:1.1rem;height:.8rem;background:var(--shade)}
input{position:absolute;opacity:0}
label{display:inline-block;margin:0 1rem .2rem 0;cursor:pointer}
label::before{content:"○ "}
input:checked+label::before{content:"● "}
input:focus-visible+label{outline:2px solid var(--strong)}
"""

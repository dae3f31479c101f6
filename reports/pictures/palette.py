"""The colours of all figures, each for a white page and for a dark one.

Twelve colours are what can be told apart: any two differ by 15 or more in CIELAB for normal sight, deuteranopia,
protanopia and tritanopia (Machado et al. 2009), on either page, and have a contrast of 3:1 or more with it (WCAG 2.1,
1.4.11). Methods that share one are told apart by dashes.
"""

from __future__ import annotations

__all__ = ["DARK", "PAGES", "PALETTE", "css", "hue_of", "variable"]

PAGES = ("#ffffff", "#16181c")  # a white page, as files have it, and a dark one
PALETTE = {
    "blue": "#0a72fc",
    "red": "#c34508",
    "green": "#058254",
    "violet": "#9020d1",
    "orange": "#d67a03",
    "cyan": "#269dba",
    "grey": "#626677",
    "maroon": "#510113",
    "olive": "#839948",
    "brown": "#7d4118",
    "forest": "#1a5637",
    "plum": "#690058",
}
DARK = {
    "blue": "#5577ef",
    "red": "#e91408",
    "green": "#70fc97",
    "violet": "#8c31f7",
    "orange": "#e3a354",
    "cyan": "#06c0ea",
    "grey": "#cbdbf0",
    "maroon": "#de4d7a",
    "olive": "#d4d94b",
    "brown": "#a86d3e",
    "forest": "#92e2b6",
    "plum": "#cd4ea0",
}
_HUES = {color: hue for hue, color in PALETTE.items()}
_SHARES = (5, 7, 25, 31, 65, 70, 75)  # of ink in the greys that figures use, in percent


def css() -> str:
    """The variables of a style sheet that `variable` names, in terms of its `--ink` and `--paper`."""
    greys = "".join(f"--k{share}:color-mix(in srgb,var(--ink) {share}%,var(--paper));" for share in _SHARES)
    light, dark = ("".join(f"--{hue}:{color};" for hue, color in hues.items()) for hues in (PALETTE, DARK))
    return f":root{{{greys}{light}}}\n@media screen and (prefers-color-scheme: dark){{:root{{{dark}}}}}"


def hue_of(color: str) -> str:
    """The name of one of the colours of PALETTE."""
    return _HUES[color]


def variable(color: str) -> str:
    """What a drawing inside a page says instead of a colour such as `#0061b1`; others than these stay as they are."""
    if color in _HUES:
        return f"var(--{_HUES[color]})"
    if color == "#000000" or color == "#ffffff":
        return "var(--ink)" if color == "#000000" else "var(--paper)"
    if color[1:3] * 2 != color[3:] or color in ("#010101", "#fefefe"):  # the last two are text on a colour
        return color
    ink = 100 - round(int(color[1:3], 16) / 2.55)
    return f"var(--k{min(_SHARES, key=lambda share: abs(share - ink))})"

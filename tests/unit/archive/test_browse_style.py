"""The pages' one stylesheet and their templates: readable colours, nothing from elsewhere, no script."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

_FOLDER = files("cci.archive.browse")
_CSS = _FOLDER.joinpath("static", "browse.css").read_text(encoding="utf-8")
#: Text colours and what they stand on.
PAIRS = [
    *(
        ("text", "page"),
        ("text", "card"),
        ("soft", "page"),
        ("soft", "card"),
        ("link", "page"),
        ("link", "card"),
    ),
    *((f"{tone}-text", f"{tone}-back") for tone in ("plain", "good", "bad", "busy", "wait")),
    ("on-accent", "accent"),
]


def palettes() -> dict[str, dict[str, str]]:
    """Return the colours by name, of the light and the dark scheme."""
    light, dark = re.findall(r":root \{(.*?)\}", _CSS, re.DOTALL)
    return {
        scheme: dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))
        for scheme, block in (("light", light), ("dark", dark))
    }


def luminance(colour: str) -> float:
    """Return the relative luminance of WCAG 2.2."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_computed_right() -> None:
    """Black on white has the contrast 21, a colour on itself 1."""
    assert (21.0, 1.0) == (round(contrast("#000000", "#ffffff"), 6), contrast("#777777", "#777777"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("text", "back"), PAIRS)
def test_contrast(scheme: str, text: str, back: str) -> None:
    """Every text can be read by weak eyes: contrast 4.5 at least (WCAG 2.2, level AA)."""
    colours = palettes()[scheme]
    assert contrast(colours[text], colours[back]) >= 4.5


def test_both_schemes_name_the_same_colours() -> None:
    """No colour of the light scheme is left on the dark one."""
    light, dark = palettes().values()
    assert set(light) == set(dark)


def test_nothing_comes_from_elsewhere() -> None:
    """No script, no inline style, no address of another host stands in a template or the stylesheet."""
    texts = {each.name: each.read_text(encoding="utf-8") for each in _FOLDER.joinpath("templates").iterdir()}
    found = re.compile(
        r"<script|<style|style=|\son\w+=|https?://|@import|url\(|\|\s*safe|autoescape", re.IGNORECASE
    )
    wrong = {name: found.findall(text) for name, text in {**texts, "browse.css": _CSS}.items()}
    assert {name: [] for name in wrong} == wrong
    assert "base.html" in texts

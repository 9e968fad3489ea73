"""From values to HTML. Everything is escaped by the templates' engine; no value is ever marked as safe."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from cci.archive.browse import words


def render(template: str, values: Mapping[str, object]) -> str:
    """Fill a template."""
    return _environment().get_template(template).render(values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("cci.archive.browse"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters |= {
        "plain": words.plain,
        "size": words.size,
        "number": words.number,
        "moment": words.moment,
        "tone": words.tone,
        "type_name": words.type_name,
        "laid_out": words.laid_out,
        "figures": words.figures,
    }
    return environment

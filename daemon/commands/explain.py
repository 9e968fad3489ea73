"""The command that explains the codes of causes and errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from cci.causes import CAUSES, Cause, find_cause
from cci.daemon.commands.options import json_option
from cci.daemon.context import Context, pass_context
from cci.errors import CciError, UsageError, did_you_mean


@click.command()
@click.argument("code", required=False)
@json_option
@pass_context
def explain(context: Context, code: str | None, *, as_json: bool) -> None:
    """Explain CODE, the cause of a failed attempt or of an error; without it, list all causes."""
    if code is None:
        _list(context, as_json=as_json)
        return
    value = explanation(code)
    if as_json:
        context.answer(value)
        return
    context.say(f"{value['code']}: {value['means']}")
    for name, key in (("remedy", "remedy"), ("retry", "retry")):
        if value.get(key):
            context.say(f"  {name:7}{value[key]}")


def explanation(code: str) -> dict[str, Any]:
    """Return what is known of a cause, or of an error such as ``E-DISK``.

    Raises
    ------
    UsageError
        If there is no such code.
    """
    cause = find_cause(code)
    if cause is not None:
        return cause_value(cause)
    errors = {error.code: error for error in _errors(CciError)}
    error = errors.get(code.strip().upper())
    if error is not None:
        means = (error.__doc__ or "").strip().splitlines()[0].rstrip(".")
        retry = "by itself" if error.transient else "no"
        return {"code": error.code, "means": means, "remedy": error.default_hint, "retry": retry}
    maybe = did_you_mean(code, [*CAUSES, *errors])
    hint = "`cci explain` lists them; other words are a pipeline's own, and its documentation explains them"
    raise UsageError(f"there is no cause '{code}'{maybe}", hint=hint)


def cause_value(cause: Cause) -> dict[str, Any]:
    """Return a cause for ``--json``."""
    return {"code": cause.code, "means": cause.means, "remedy": cause.remedy, "retry": str(cause.retry)}


def _errors(base: type[CciError]) -> Iterator[type[CciError]]:
    yield base
    for one in base.__subclasses__():
        yield from _errors(one)


def _list(context: Context, *, as_json: bool) -> None:
    if as_json:
        context.answer([cause_value(cause) for cause in CAUSES.values()])
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("code", "what happened", "another run by itself"):
        table.add_column(name, overflow="fold")
    for cause in CAUSES.values():
        table.add_row(Text(cause.code), Text(cause.means), Text(cause.retry))
    context.table(table)

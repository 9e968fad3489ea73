"""``cci limit``: how much may be open at once, and how much is; changes hold at once, without a restart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from cci.daemon.commands.options import json_option
from cci.daemon.commands.show import moment
from cci.daemon.context import Context, pass_context
from cci.daemon.limits import Limit, limits, set_limit, unset_limit


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def limit(called: click.Context, *, as_json: bool) -> None:
    """Show the caps on open jobs and what is in use; set them, also while the daemon runs."""
    if called.invoked_subcommand is not None:
        return
    context = called.find_object(Context)
    assert context is not None
    with context.workplace() as workplace:
        found = limits(workplace)
    if as_json:
        context.answer([as_value(one) for one in found])
    else:
        context.table(table_of(found))


@limit.command(name="set")
@click.argument("name")
@click.argument("value", type=click.IntRange(min=0))
@json_option
@pass_context
def set_(context: Context, name: str, value: int, *, as_json: bool) -> None:
    """Let at most VALUE jobs be open under the cap NAME, until `cci limit unset NAME`."""
    with context.workplace() as workplace:
        done = set_limit(workplace, name, value)
    _tell(context, done, f"{name} is {value} now, {done.used} in use", as_json=as_json)


@limit.command()
@click.argument("name")
@json_option
@pass_context
def unset(context: Context, name: str, *, as_json: bool) -> None:
    """Let the settings say again what the cap NAME is."""
    with context.workplace() as workplace:
        done = unset_limit(workplace, name)
    words = "no cap" if done.cap.value is None else str(done.cap.value)
    _tell(context, done, f"{name} is as in the settings: {words}", as_json=as_json)


def _tell(context: Context, done: Limit, words: str, *, as_json: bool) -> None:
    if as_json:
        context.answer(as_value(done))
    else:
        context.say(words)


def as_value(one: Limit) -> dict[str, Any]:
    """Return a cap for ``--json``."""
    return {
        "name": one.cap.name,
        "value": one.cap.value,
        "in_use": one.used,
        "in_settings": one.in_settings,
        "set_by": one.cap.who,
        "set_at": one.cap.at,
    }


def table_of(found: Sequence[Limit]) -> Table:
    """Return the table of caps; one that is full stands out."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("cap", "at most", "in use", "from"):
        table.add_column(name, overflow="fold", justify="right" if name in {"at most", "in use"} else "left")
    for one in found:
        value = one.cap.value
        full = value is not None and one.used >= value
        table.add_row(
            Text(one.cap.name),
            "" if value is None else str(value),
            Text(str(one.used), style="yellow" if full else ""),
            Text(_origin(one)),
        )
    return table


def _origin(one: Limit) -> str:
    if one.cap.at is None:
        return "settings" if one.cap.value is not None else ""
    usual = "no cap" if one.in_settings is None else str(one.in_settings)
    return f"{one.cap.who} at {moment(one.cap.at)} UTC, in place of {usual}"

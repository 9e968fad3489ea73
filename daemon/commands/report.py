"""``cci report``: what many attempts say together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from cci.daemon import efficiency as measures
from cci.daemon import failures, finding
from cci.daemon.commands.options import json_option
from cci.daemon.context import Context, pass_context
from cci.daemon.efficiency import Advice, Request, Row, Sample
from cci.daemon.ledger import Attempt, TaskEntry
from cci.daemon.workplace import Workplace
from cci.settings import INTERVAL

#: Cells of the bar that stands for all that was asked for.
BAR = 10
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_NAMES = {"memory": "memory", "walltime": "wall time", "cores": "cores busy"}


def moment(context: click.Context, parameter: click.Parameter, value: str | None) -> datetime | None:
    """Return the moment that an option names: how long ago, a day, or a time; without a zone it is UTC.

    Raises
    ------
    click.BadParameter
        If it is none of them.
    """
    del context, parameter
    if value is None:
        return None
    ago = INTERVAL.fullmatch(value.strip())
    try:
        if ago:
            return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        at = datetime.fromisoformat(value.strip())
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (OverflowError, ValueError):
        words = "write how long ago, as 24h or 7d, or a day, as 2026-03-01"
        raise click.BadParameter(f"'{value}' is no moment: {words}") from None


def _chosen(command: Any) -> Any:
    options = (
        click.option("--project", "-p", "projects", multiple=True, help="Only tasks of this project."),
        click.option("--processor", default="", help="Only tasks of this processor."),
        click.option("--since", callback=moment, help="Only what ended since: 24h, 7d, 2026-03-01."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.group()
def report() -> None:
    """Report on many attempts together."""


def _ended(
    workplace: Workplace, projects: Sequence[str], processor: str, since: datetime | None
) -> list[tuple[TaskEntry, Attempt]]:
    tasks = {task.id: task for task in finding.tasks_of(workplace, projects=projects, processor=processor)}
    found = workplace.ledger.ended_attempts(workplace.url, since)
    return [(tasks[attempt.task_id], attempt) for attempt in found if attempt.task_id in tasks]


# -- efficiency -----------------------------------------------------------------------------------------


@report.command()
@_chosen
@json_option
@pass_context
def efficiency(
    context: Context, projects: tuple[str, ...], processor: str, since: datetime | None, *, as_json: bool
) -> None:
    """Compare what attempts asked for with what they used, and suggest what would be enough."""
    with context.workplace() as workplace:
        ended = _ended(workplace, projects, processor, since)
        now = {name: _request(configured.processor) for name, configured in workplace.processors.items()}
    tried = [measures.sample_of(attempt, task.processor) for task, attempt in ended]
    samples = [sample for sample in tried if sample is not None]
    rows, advices = measures.table(samples, now), measures.advise(samples, now)
    if as_json:
        context.answer(_value(samples, rows, advices))
    elif not rows:
        context.say("no attempt has ended yet" if since is None else "no attempt has ended since then")
    else:
        context.table(efficiency_table(rows))
        _tell_failures(context, samples)
        _tell_advice(context, advices)


def _request(processor: Any) -> Request:
    return Request(
        memory=processor.memory_mb, walltime=processor.walltime.total_seconds(), cores=processor.cores
    )


def _value(samples: Sequence[Sample], rows: Sequence[Row], advices: Sequence[Advice]) -> dict[str, Any]:
    failed = measures.count_causes(samples)
    return {
        "rows": [{**asdict(row), "failed": failed.get((row.processor, row.cluster), {})} for row in rows],
        "advice": [asdict(advice) for advice in advices],
        "settings": measures.settings_lines(advices),
    }


def efficiency_table(rows: Sequence[Row]) -> Table:
    """Return the table; each processor and cluster is named in the first of its rows."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("processor", "cluster"):
        table.add_column(name, overflow="fold")
    for name in ("attempts", "", "asked", "median", "95 %", "most"):
        table.add_column(name, justify="left" if not name else "right")
    table.add_column("used of asked")
    before: tuple[str, str] = ("", "")
    for row in rows:
        key = (row.processor, row.cluster)
        named = (*key, f"{row.measured} of {row.attempts}") if key != before else ("", "", "")
        before = key
        table.add_row(*map(Text, named), *map(Text, _figures(row)), bar(row.efficiency))
    return table


def _figures(row: Row) -> tuple[str, ...]:
    used = (row.median, row.p95, row.most)
    told = ("–" if one is None else measures.exact(row.resource, one) for one in used)
    return (_NAMES[row.resource], measures.amount(row.resource, row.asked), *told)


def bar(percent: float | None) -> Text:
    """Return a bar and the percent that it shows; of more than all, a full one in red."""
    if percent is None:
        return Text("not measured", style="dim")
    filled = min(max(round(percent * BAR / 100), 0), BAR)
    style = "red" if percent > 100 else "green" if percent >= 50 else "yellow"
    return Text.assemble(("█" * filled, style), ("░" * (BAR - filled), "dim"), f" {percent:.0f} %")


def _tell_failures(context: Context, samples: Sequence[Sample]) -> None:
    for (processor, cluster), causes in measures.count_causes(samples).items():
        counted = ", ".join(f"{count} {cause}" for cause, count in causes.items())
        context.say(f"not measured, as they failed: {processor} on {cluster}: {counted}")


def _tell_advice(context: Context, advices: Sequence[Advice]) -> None:
    context.say("")
    for advice in advices:
        context.say(f"{advice.processor}: {advice.words}")
    lines = measures.settings_lines(advices)
    if lines:
        context.say("")
        context.say("to lay over the settings:")
        context.say(lines)


# -- failed attempts ------------------------------------------------------------------------------------


@report.command()
@_chosen
@json_option
@pass_context
def failed(
    context: Context, projects: tuple[str, ...], processor: str, since: datetime | None, *, as_json: bool
) -> None:
    """Print every failed attempt as Markdown: command, inputs, parameters, and the end of its log."""
    with context.workplace() as workplace:
        ended = _ended(workplace, projects, processor, since)
    found = list(failures.failed_of(ended))
    if as_json:
        context.answer([failures.as_value(one) for one in found])
        return
    title = "Failed attempts" + (f" since {since:%Y-%m-%d %H:%M} UTC" if since else "")
    for line in failures.page(found, title=title, at=datetime.now(UTC)):
        click.echo(line)

"""Commands that look at tasks."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict

import click
from rich.text import Text

from cci.daemon import finding
from cci.daemon import why as reasons
from cci.daemon.commands.options import chosen_by, json_option
from cci.daemon.commands.show import (
    COLOURS,
    as_value,
    attempt_value,
    attempts_table,
    history_table,
    print_tasks,
)
from cci.daemon.context import Context, pass_context
from cci.daemon.steps import count_jobs, count_open
from cci.status import Status


@click.command()
@json_option
@pass_context
def status(context: Context, *, as_json: bool) -> None:
    """Count tasks by project and status."""
    with context.workplace() as workplace:
        found = Counter((task.project, task.status) for task in workplace.ledger.tasks(workplace.url))
        still, jobs = count_open(workplace), count_jobs(workplace)
    projects = sorted({project for project, _ in found})
    if as_json:
        counts = {project: {str(one): found[project, one] for one in Status} for project in projects}
        context.answer({"projects": counts, "open": vars(still), "jobs": jobs})
        return
    if not projects:
        context.say("no tasks yet: `cci sweep` finds them")
    for project in projects:
        line = Text(f"{project}: ")
        parts = [
            Text(f"{found[project, one]} {one}", style=COLOURS[one]) for one in Status if found[project, one]
        ]
        context.say(line + Text(", ").join(parts))
    if jobs:
        context.say(f"jobs: {', '.join(f'{count} {state}' for state, count in jobs.items())}")
    if still.writes:
        context.say(f"{still.writes} writes wait for the archive")


@click.command()
@chosen_by
@click.option("--labels", is_flag=True, help="Show the labels too.")
@json_option
@pass_context
def tasks(
    context: Context,
    projects: tuple[str, ...],
    statuses: tuple[str, ...],
    processor: str,
    *,
    labels: bool,
    as_json: bool,
) -> None:
    """List tasks with status and reason.

    Other commands take a task by its label, or by the words of its line, as in
    'cci why "PROJECT/session 2 dti_qa"'.
    """
    with context.workplace() as workplace:
        found = finding.tasks_of(workplace, projects=projects, statuses=statuses, processor=processor)
    if as_json:
        context.answer([as_value(task) for task in found])
    else:
        print_tasks(context.console, found, labels=labels)


@click.command()
@click.argument("task")
@json_option
@pass_context
def show(context: Context, task: str, *, as_json: bool) -> None:
    """Show all that is known of TASK and its attempts."""
    with context.workplace() as workplace:
        entry = finding.find_task(workplace, task)
        attempts = [attempt_value(attempt) for attempt in workplace.ledger.attempts(entry.id)]
    value = {**as_value(entry), "assessor": entry.assessor_id, "tries": attempts}
    if as_json:
        context.answer(value)
        return
    for name, content in value.items():
        if name != "tries":
            context.say(f"{name:10} {content}")
    if attempts:
        context.say("")
        context.table(attempts_table(attempts))


@click.command()
@click.argument("task")
@json_option
@pass_context
def why(context: Context, task: str, *, as_json: bool) -> None:
    """Say why TASK is where it is: the rule, the data it saw, what comes next."""
    with context.workplace() as workplace:
        answer = reasons.why(workplace, finding.find_task(workplace, task))
    if as_json:
        context.answer(asdict(answer))
        return
    context.say(f"{answer.label} is {answer.status}")
    rows = (("reason", answer.reason), ("job", answer.job), ("rule", answer.rule), ("next", answer.next_step))
    for name, text in rows:
        if text:
            context.say(f"  {name:7}{text}")
    for line in answer.saw:
        context.say(f"  saw    {line}")


@click.command()
@click.argument("task")
@json_option
@pass_context
def history(context: Context, task: str, *, as_json: bool) -> None:
    """List every change of TASK, with who and why."""
    with context.workplace() as workplace:
        changes = workplace.ledger.history(finding.find_task(workplace, task).id)
    if as_json:
        context.answer([vars(change) for change in changes])
        return
    context.table(history_table(changes))

"""Commands by which people act on tasks: rerun, hold, release, kill."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import click

from cci.daemon import control, finding
from cci.daemon.commands.options import Command, chosen_by, json_option
from cci.daemon.commands.show import as_value
from cci.daemon.context import Context, pass_context
from cci.daemon.ledger import TaskEntry
from cci.daemon.workplace import Workplace
from cci.errors import CciError, UsageError

EXIT_SOME_REFUSED = 1

Act = Callable[[Workplace, TaskEntry], Any]


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Which tasks a person chose: by name, or by what they have in common."""

    names: tuple[str, ...]
    projects: tuple[str, ...]
    statuses: tuple[str, ...]
    processor: str
    yes: bool

    def find(self, workplace: Workplace) -> list[TaskEntry]:
        """Find every task before anything is done to the first, so that a typing mistake does nothing."""
        by_filter = bool(self.projects or self.statuses or self.processor)
        if by_filter == bool(self.names):
            raise UsageError(
                "say which tasks: by their names, or with --project, --status and --processor, not both",
                hint="`cci tasks` lists them",
            )
        if self.names:
            found = [finding.find_task(workplace, name) for name in self.names]
            return list({entry.id: entry for entry in found}.values())
        return finding.tasks_of(
            workplace, projects=self.projects, statuses=self.statuses, processor=self.processor
        )

    def confirm(self, verb: str, found: list[TaskEntry]) -> None:
        """Ask before acting on tasks that were not named one by one."""
        if found and not self.names and not self.yes:
            many = f"{len(found)} tasks" if len(found) > 1 else finding.words_of(found[0])
            click.confirm(f"{verb} {many}?", abort=True, err=True)


def _on_tasks(command: Command) -> Command:
    """Add the argument and the options that choose tasks to act on."""
    arguments = (
        click.argument("names", nargs=-1, metavar="[TASK]..."),
        chosen_by,
        click.option("--yes", is_flag=True, help="Do not ask."),
        json_option,
        pass_context,
    )
    for add in reversed(arguments):
        command = add(command)
    return command


def _for_each(context: Context, verb: str, act: Act, done: str, *, as_json: bool, **choice: Any) -> int:
    """Act on each task; one that refuses does not stop the others."""
    chosen = Chosen(**choice)
    with context.workplace() as workplace:
        found = chosen.find(workplace)
        chosen.confirm(verb, found)
        refusals = [_refusal(context, workplace, entry, act, "" if as_json else done) for entry in found]
        if as_json:
            context.answer([as_value(workplace.ledger.task(entry.id)) for entry in found])
    refused = [error for error in refusals if error]
    if not found:
        context.say("no such tasks")
    if len(found) == 1 and refused:
        raise refused[0]
    for error in refused:
        context.complain(error.message, error.hint)
    return EXIT_SOME_REFUSED if refused else 0


def _refusal(
    context: Context, workplace: Workplace, entry: TaskEntry, act: Act, done: str
) -> CciError | None:
    try:
        act(workplace, entry)
    except CciError as error:
        return error
    if done:
        away = workplace.ledger.task(entry.id).writes_pending
        later = "; the archive hears of it when it is back" if away else ""
        context.say(f"{entry.label} {done}{later}")
    return None


@click.command()
@click.option("--keep-old", is_flag=True, help="Keep the old results in the resource OLD.")
@_on_tasks
def rerun(context: Context, *, keep_old: bool, **choice: Any) -> int:
    """Run TASKS again; old results stay until the new ones are verified."""
    act = partial(control.rerun, keep_old=keep_old)
    return _for_each(context, "run again", act, "will run again at the next sweep", **choice)


@click.command()
@_on_tasks
def hold(context: Context, **choice: Any) -> int:
    """Keep TASKS from starting."""
    return _for_each(context, "hold", control.hold, "is held", **choice)


@click.command()
@_on_tasks
def release(context: Context, **choice: Any) -> int:
    """Let held TASKS start."""
    return _for_each(context, "release", control.release, "is released", **choice)


@click.command()
@_on_tasks
def kill(context: Context, **choice: Any) -> int:
    """End the jobs of TASKS."""
    return _for_each(context, "kill", control.kill, "was killed", **choice)

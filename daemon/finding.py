"""Finds tasks by what people call them: a label, or words of the table that ``cci tasks`` prints."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from cci.daemon.ledger import TaskEntry
from cci.daemon.workplace import Workplace
from cci.errors import UsageError, did_you_mean

#: So many tasks are named where a name is not clear.
SOME = 8


def find_task(workplace: Workplace, name: str) -> TaskEntry:
    """Return the one task that *name* can mean; see `matching`.

    Raises
    ------
    UsageError
        If there is none, or more than one; the message names some.
    """
    found = workplace.ledger.named(workplace.url, name)
    found = found or matching(workplace.ledger.tasks(workplace.url), name)
    if len(found) == 1:
        return found[0]
    if not found:
        hint = "`cci tasks` lists them, `cci tasks --labels` with their labels; `cci sweep` finds new ones"
        raise UsageError(f"there is no task '{name}'", hint=hint)
    some = "; ".join(words_of(task) for task in found[:SOME]) + (" …" if len(found) > SOME else "")
    raise UsageError(
        f"'{name}' could be any of {len(found)} tasks: {some}",
        hint="say more words of its line in `cci tasks`, or its label from `cci tasks --labels`",
    )


def words_of(task: TaskEntry) -> str:
    """Return the words of the table that tell a task from others; `find_task` takes them."""
    place = "/".join(filter(None, (task.project, task.session or task.subject)))
    return " ".join(filter(None, (place, task.key.scan_id, task.processor)))


def matching(tasks: Sequence[TaskEntry], name: str) -> list[TaskEntry]:
    """Return the tasks that *name* can mean, without regard to case.

    *Name* is a label; or words of the table (project, session, scan, processor or proctype, status) in any
    order; or such words and the subject; or a part of a label. The first of these that fits any task
    decides.
    """
    wanted = _plain(name)
    ways: tuple[Callable[[TaskEntry], bool], ...] = (
        lambda task: wanted == _plain(task.label),
        lambda task: _consists_of(wanted, _table_words(task)),
        lambda task: _consists_of(wanted, [*_table_words(task), task.subject]),
        lambda task: wanted in _plain(task.label),
    )
    found = ([task for task in tasks if fits(task)] for fits in ways if wanted)
    return next(filter(None, found), [])


def _table_words(task: TaskEntry) -> list[str]:
    words = [task.project, task.session, task.key.scan_id, task.processor, task.key.proctype, task.status]
    return words if task.session else [*words, task.subject]


def _consists_of(wanted: str, words: Iterable[str]) -> bool:
    """Whether *wanted* is made of some of the words and nothing else; words may have blanks in them."""
    rest = wanted
    for word in sorted(filter(None, map(_plain, words)), key=len, reverse=True):
        rest = re.sub(rf"(?<![^\s/]){re.escape(word)}(?![^\s/])", " ", rest, count=1)
    return not rest.replace("/", " ").strip()


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


# -- lists ----------------------------------------------------------------------------------------------


def tasks_of(
    workplace: Workplace, *, projects: Sequence[str] = (), statuses: Sequence[str] = (), processor: str = ""
) -> list[TaskEntry]:
    """Return the tasks of these projects, in these statuses, of this processor; empty means any.

    Raises
    ------
    UsageError
        If nothing knows a project or the processor: neither the settings nor a task.
    """
    every = workplace.ledger.tasks(workplace.url)
    for project in projects:
        demand("project", project, {*workplace.settings.projects, *(task.project for task in every)})
    if processor:
        names = {name for task in every for name in (task.processor, task.key.proctype)}
        demand("processor", processor, {*workplace.settings.processors, *names})
    return [
        task
        for task in every
        if (not projects or task.project in projects)
        and (not statuses or task.status in statuses)
        and (not processor or processor in {task.processor, task.key.proctype})
    ]


def demand(kind: str, name: str, known: Iterable[str]) -> None:
    """Refuse a name that nothing has.

    Raises
    ------
    UsageError
        Naming what there is.
    """
    there = sorted(known)
    if name not in there:
        more = " …" if len(there) > SOME else ""
        raise UsageError(
            f"there is no {kind} '{name}'{did_you_mean(name, there)}",
            hint=f"{kind}s here: {', '.join(there[:SOME]) or 'none'}{more}",
        )

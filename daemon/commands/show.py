"""How tasks look: tables for people, plain values for ``--json``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cci.daemon.context import print_line, print_table
from cci.daemon.ledger import Attempt, Change, TaskEntry
from cci.status import Status

COLOURS = {
    Status.PRE_RUNNING: "yellow",
    Status.PRE_COMPLETE: "cyan",
    Status.JOB_RUNNING: "blue",
    Status.JOB_COMPLETE: "blue",
    Status.XVFB_ERROR: "red",
    Status.JOB_ERROR: "red",
    Status.COMPLETE: "green",
}


def as_value(task: TaskEntry) -> dict[str, Any]:
    """Return a task for ``--json``."""
    return {
        "label": task.label,
        "project": task.project,
        "subject": task.subject,
        "session": task.session,
        "scan": task.key.scan_id,
        "processor": task.processor,
        "status": str(task.status),
        "reason": task.reason,
        "attempts": task.attempts,
    }


def attempt_value(attempt: Attempt) -> dict[str, Any]:
    """Return an attempt for ``--json``."""
    return {
        "number": attempt.number,
        "state": str(attempt.state),
        "cluster": attempt.cluster,
        "job_id": attempt.job_id,
        "job_state": attempt.job_state,
        "cause": attempt.cause,
        "directory": attempt.directory,
        "submitted": attempt.submitted,
        "closed": attempt.closed,
        **{
            name: attempt.use.get(name)
            for name in ("exit_status", "signal", "wall_s", "peak_memory_mb", "node")
        },
    }


def table_of(tasks: Iterable[TaskEntry], *, labels: bool = False) -> Table:
    """Return the table of tasks; the words of a line name its task to every command."""
    table = _table("session", "scan", "processor", "status", *(["label"] if labels else []), "reason")
    for task in tasks:
        table.add_row(
            Text(f"{task.project}/{task.session or task.subject}"),
            Text(task.key.scan_id),
            Text(task.processor),
            Text(task.status, style=COLOURS[task.status]),
            *([Text(task.label)] if labels else []),
            Text(task.reason),
        )
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, overflow="fold")
    return table


def print_tasks(console: Console, tasks: list[TaskEntry], *, labels: bool = False) -> None:
    """Print the table, or say that there is nothing."""
    if tasks:
        print_table(console, table_of(tasks, labels=labels))
    else:
        print_line(console, "no tasks")


def attempts_table(attempts: Sequence[Mapping[str, Any]]) -> Table:
    """Return the attempts of a task, as `attempt_value` gives them, newest first."""
    names = ("attempt", "state", "job", "node", "submitted", "closed", "wall", "memory", "end", "directory")
    table = _table(*names)
    for attempt in reversed(attempts):
        table.add_row(*(Text(text) for text in _attempt_cells(attempt)))
    return table


def _attempt_cells(attempt: Mapping[str, Any]) -> Iterator[str]:
    yield str(attempt["number"])
    yield ": ".join(filter(None, [attempt["state"], "" if attempt["closed"] else attempt["job_state"]]))
    yield f"{attempt['job_id']} on {attempt['cluster']}" if attempt["job_id"] else ""
    yield str(attempt["node"] or "")
    yield moment(attempt["submitted"])
    yield moment(attempt["closed"])
    yield "" if attempt["wall_s"] is None else f"{attempt['wall_s']:.0f} s"
    yield "" if attempt["peak_memory_mb"] is None else f"{attempt['peak_memory_mb']:.0f} MB"
    yield attempt["cause"] or ("" if attempt["exit_status"] is None else f"exit {attempt['exit_status']}")
    yield attempt["directory"]


def moment(at: datetime | None) -> str:
    """Return a time to the second, in UTC; '' for none."""
    return "" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def history_table(changes: Iterable[Change]) -> Table:
    """Return what happened to a task, oldest first."""
    table = _table("when (UTC)", "change", "reason", "who")
    for change in changes:
        moved = change.before != change.after
        step = f"{change.before or '(new)'} → {change.after}" if moved else change.after
        table.add_row(moment(change.at), Text(step), Text(change.reason), Text(change.who))
    return table

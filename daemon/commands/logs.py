"""``cci logs``: what the last job of a task has printed."""

from __future__ import annotations

import time
from pathlib import Path

import click

from cci.daemon import control, finding
from cci.daemon.commands.options import json_option
from cci.daemon.context import Context, pass_context, print_line
from cci.daemon.jobdir import JobDirectory
from cci.daemon.ledger import Attempt, Stage, TaskEntry
from cci.daemon.plain_files import MOST_BYTES, is_plain, open_plain, read_end
from cci.daemon.workplace import Workplace
from cci.errors import UsageError

POLL_S = 0.5


@click.command()
@click.argument("task")
@click.option("--lines", "-n", default=100, show_default=True, help="How many lines from the end.")
@click.option("--follow", "-f", is_flag=True, help="Go on as the log grows, until the job ends.")
@json_option
@pass_context
def logs(context: Context, task: str, lines: int, *, follow: bool, as_json: bool) -> None:
    """Print what the last job of TASK has printed."""
    with context.workplace() as workplace:
        entry = finding.find_task(workplace, task)
        attempt = last_attempt(workplace, entry)
        path = JobDirectory(Path(attempt.directory)).output_log
        if as_json:
            text = read_end(path, most=MOST_BYTES).decode("utf-8", "replace") if is_plain(path) else ""
            context.answer({"label": entry.label, "path": str(path), "lines": text.splitlines()[-lines:]})
            return
        if not is_plain(path):
            waiting = " (waiting for it)" if follow and attempt.closed is None else ""
            print_line(context.errors, without_log(entry, attempt) + waiting)
        position = _print_tail(path, lines)
        while follow and control.open_attempts(workplace, entry):
            time.sleep(POLL_S)
            position = _print_from(path, position)
        _print_from(path, position)


def last_attempt(workplace: Workplace, entry: TaskEntry) -> Attempt:
    """Return the last attempt at a task.

    Raises
    ------
    UsageError
        If the task never had one.
    """
    attempts = workplace.ledger.attempts(entry.id)
    if not attempts:
        raise UsageError(
            f"{entry.label} has not run yet: {entry.reason or entry.status}",
            hint=f"`cci why '{entry.label}'` says what it waits for",
        )
    return attempts[-1]


def without_log(entry: TaskEntry, attempt: Attempt) -> str:
    """Say why an attempt has printed nothing."""
    number = f"attempt {attempt.number}"
    if attempt.closed is not None:
        return f"{number} never ran: {entry.reason or attempt.job_message or attempt.cause}"
    if attempt.state is not Stage.SUBMITTED:
        return f"{number} has no job yet; its log appears when the job runs"
    state = attempt.job_state or "submitted"
    return f"{number} is {state} as job {attempt.job_id} on {attempt.cluster}; its log appears when it runs"


def _print_tail(path: Path, lines: int) -> int:
    if not is_plain(path):
        return 0
    with open_plain(path) as stream:
        stream.seek(max(0, path.stat().st_size - MOST_BYTES))
        content = stream.read(MOST_BYTES)
        position = stream.tell()
    click.echo("\n".join(content.decode("utf-8", "replace").splitlines()[-lines:]))
    return position


def _print_from(path: Path, position: int) -> int:
    if not is_plain(path):
        return position
    with open_plain(path) as stream:
        stream.seek(position)
        content = stream.read()
    click.echo(content.decode("utf-8", "replace"), nl=False)
    return position + len(content)

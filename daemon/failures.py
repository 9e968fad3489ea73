"""Failed attempts as a page of Markdown: what ran, on what, and what it printed last. It changes nothing.

What jobs left and printed is data: it is quoted so that it can neither end its quotation nor draw a table.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cci.daemon import plain_files
from cci.daemon.efficiency import ABANDONED, amount
from cci.daemon.jobdir import JobDirectory, plain
from cci.daemon.ledger import Attempt, TaskEntry
from cci.daemon.order import Order, from_json

#: How much of a log is looked at, in bytes, and told, in lines.
LOG_BYTES, LOG_LINES = 32_768, 60


@dataclass(frozen=True, kw_only=True)
class Failed:
    """A failed attempt at a task, with what lies in its directory."""

    task: TaskEntry
    attempt: Attempt
    #: The task's reason, where it is about this attempt.
    reason: str
    log_name: str
    log: Sequence[str]
    inputs: Mapping[str, Sequence[Mapping[str, Any]]]

    @property
    def order(self) -> Order:
        """What the attempt was to do."""
        return from_json(self.attempt.inputs)


def has_failed(attempt: Attempt) -> bool:
    """Whether an attempt ended badly; one whose task was begun anew did not."""
    return attempt.closed is not None and attempt.cause not in {"", ABANDONED}


def failed_of(ended: Sequence[tuple[TaskEntry, Attempt]]) -> Iterator[Failed]:
    """Yield each failed one of these attempts, which are in their order in time, with what it left."""
    newest = {task.id: attempt.id for task, attempt in ended}
    for task, attempt in ended:
        if has_failed(attempt):
            last = newest[task.id] == attempt.id and not task.attempt_open
            yield look_at(task, attempt, task.reason if last else "")


def look_at(task: TaskEntry, attempt: Attempt, reason: str) -> Failed:
    """Read what a failed attempt left in its directory; what is gone or odd there is passed over."""
    directory = JobDirectory(Path(attempt.directory))
    log = directory.output_log
    lines = _last_lines(log)
    if not lines:
        log = directory.batch_log
        lines = _last_lines(log)
    return Failed(
        task=task,
        attempt=attempt,
        reason=reason,
        log_name=log.name,
        log=lines,
        inputs=_staged(directory),
    )


def _last_lines(path: Path) -> list[str]:
    try:
        text = plain_files.read_end(path, most=LOG_BYTES).decode("utf-8", "replace")
    except OSError:
        return []
    return [_indented(line) for line in text.splitlines()[-LOG_LINES:]]


def _indented(line: str) -> str:
    """Return a line without control characters; what comes before its first word tells of nesting."""
    line = line.expandtabs().rstrip()
    return " " * (len(line) - len(line.lstrip())) + plain(line)


def _staged(directory: JobDirectory) -> dict[str, list[Mapping[str, Any]]]:
    try:
        value = json.loads(plain_files.read_plain(directory.path / "staged.json"))
        return {
            str(name): [{**file, "size": int(file["size"])} for file in files]
            for name, files in value.items()
        }
    except (OSError, LookupError, ValueError, TypeError, AttributeError, RecursionError):
        return {}


# -- the page -------------------------------------------------------------------------------------------


def page(failed: Sequence[Failed], *, title: str, at: datetime) -> Iterator[str]:
    """Yield the lines of the page; a table of all attempts, then a part for each."""
    yield f"# {title}"
    yield ""
    yield f"{len(failed)} attempt{'s' * (len(failed) != 1)}, as of {_moment(at)}."
    if failed:
        yield ""
        yield "| task | attempt | cause | ended | node |"
        yield "|---|---|---|---|---|"
    for one in failed:
        cells = (one.task.label, str(one.attempt.number), one.attempt.cause, _moment(one.attempt.closed))
        yield f"| {' | '.join(map(_text, (*cells, str(one.attempt.use.get('node') or ''))))} |"
    for one in failed:
        yield from _part(one)


def _part(failed: Failed) -> Iterator[str]:
    yield ""
    yield f"## {_text(failed.task.label)}, attempt {failed.attempt.number}"
    yield ""
    for name, text in _facts(failed):
        if text:
            yield f"* {name}: {_text(text)}"
    yield from _quoted("Command", [shlex.join(failed.order.command)])
    for name, values in (("Environment", failed.order.environment), ("Parameters", failed.order.parameters)):
        if values:
            text = json.dumps(dict(values), indent=1, ensure_ascii=False, default=str)
            yield from _quoted(name, text.splitlines())
    yield from _inputs(failed)
    yield from _quoted(f"End of {failed.log_name}", failed.log or ["(nothing was printed)"])


def _facts(failed: Failed) -> Iterator[tuple[str, str]]:
    task, attempt, order, use = failed.task, failed.attempt, failed.order, failed.attempt.use
    yield "cause", attempt.cause
    yield "reason", failed.reason
    yield "on", " / ".join(filter(None, (task.project, task.subject, task.session, task.key.scan_id)))
    yield "processor", f"{task.processor} ({order.proctype} {order.version})"
    yield "job", f"{attempt.job_id} on {attempt.cluster}" if attempt.job_id else "none"
    yield "node", str(use.get("node") or "")
    yield "submitted", _moment(attempt.submitted)
    yield "ended", _moment(attempt.closed)
    yield "exit status", _known(use.get("exit_status"))
    yield "signal", _known(use.get("signal"))
    yield "asked for", f"{order.walltime_s} s, {order.memory_mb} MB, {amount('cores', order.cores)}"
    yield "used", ", ".join(_used(use))
    yield "directory", attempt.directory


def _used(use: Mapping[str, Any]) -> Iterator[str]:
    for key, form in (
        ("wall_s", "{:.0f} s"),
        ("peak_memory_mb", "{:.0f} MB"),
        ("cpu_s", "{:.0f} s of CPU time"),
    ):
        if use.get(key) is not None:
            yield form.format(use[key])


def _inputs(failed: Failed) -> Iterator[str]:
    """Yield what was staged; of an attempt that staged nothing, what it would have taken."""
    yield ""
    yield "Inputs:"
    yield ""
    for name, files in failed.inputs.items():
        size = sum(file["size"] for file in files)
        yield f"* {_text(name)}: {len(files)} file{'s' * (len(files) != 1)}, {size} bytes"
    if failed.inputs:
        return
    for source in failed.order.sources:
        yield f"* {_text(source.input)}: {_text(', '.join(source.resources))} of {_text(source.description)}"
    if not failed.order.sources:
        yield "* none"


def _known(value: object) -> str:
    return "" if value is None else str(value)


def _moment(at: datetime | None) -> str:
    return "" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _quoted(title: str, lines: Sequence[str]) -> Iterator[str]:
    """Yield a code block whose fence is longer than any in what it quotes."""
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    yield from ("", f"{title}:", "", fence, *lines, fence)


def _text(text: str) -> str:
    """Return text that Markdown shows as it is, in one line."""
    return re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", plain(text))


# -- for programs ---------------------------------------------------------------------------------------


def as_value(failed: Failed) -> dict[str, Any]:
    """Return a failed attempt for ``--json``."""
    task, attempt, order = failed.task, failed.attempt, failed.order
    return {
        "label": task.label,
        "project": task.project,
        "processor": task.processor,
        "attempt": attempt.number,
        "cause": attempt.cause,
        "reason": failed.reason,
        "cluster": attempt.cluster,
        "job_id": attempt.job_id,
        "submitted": attempt.submitted,
        "closed": attempt.closed,
        "use": dict(attempt.use),
        "command": list(order.command),
        "environment": dict(order.environment),
        "parameters": dict(order.parameters),
        "inputs": {name: list(files) for name, files in failed.inputs.items()},
        "directory": attempt.directory,
        "log": list(failed.log),
    }

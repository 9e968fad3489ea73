"""What a sweep tells, to a person or as JSON, and the exit code that goes with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from cci.daemon.context import Context
from cci.daemon.parts import NotInProject
from cci.daemon.plan import Action, Failure
from cci.daemon.sweep import SweepOptions, SweepReport, look
from cci.daemon.workplace import Workplace
from cci.errors import CciError
from cci.status import Status
from cci.task import Move

EXIT_INCOMPLETE = 1


def report(context: Context, workplace: Workplace, reports: Sequence[SweepReport], *, as_json: bool) -> int:
    """Tell what sweeps did and how the projects' tasks are now; return the exit code."""
    reports = _where_it_is(reports)
    statuses = {one.project: count_statuses(workplace, one.project) for one in reports}
    if as_json:
        context.answer([_value(one, statuses[one.project]) for one in reports])
    else:
        for one in reports:
            _print(context, one, statuses[one.project])
    failed = any(one.failures for one in reports)
    errors = [(one.project, one.error) for one in reports if one.error is not None]
    return _tell_errors(context, errors) or (EXIT_INCOMPLETE if failed else 0)


def count_statuses(workplace: Workplace, project: str) -> dict[str, int]:
    """Count a project's tasks by status, in the order of their way."""
    found = Counter(task.status for task in workplace.ledger.tasks(workplace.url, project))
    return {str(status): found[status] for status in Status if found[status]}


def _where_it_is(reports: Sequence[SweepReport]) -> Sequence[SweepReport]:
    """Leave out projects that lack the one session or subject asked for, if another project has it."""
    there = [one for one in reports if not isinstance(one.error, NotInProject)]
    return there or reports


def _tell_errors(context: Context, errors: Sequence[tuple[str, CciError]]) -> int:
    """Raise a single error, as any command would; of several, tell each. Return the exit code."""
    if len(errors) == 1:
        raise errors[0][1]
    for project, error in errors:
        context.complain(f"{project}: {error.message}", error.hint)
    codes = {error.exit_code for _, error in errors}
    return codes.pop() if len(codes) == 1 else EXIT_INCOMPLETE * bool(codes)


def _value(one: SweepReport, statuses: dict[str, int]) -> dict[str, Any]:
    return {
        "project": one.project,
        "tasks": one.tasks,
        "moved": one.moved,
        "started": one.started,
        "waiting": one.waiting,
        "without_place": one.without_place,
        "statuses": statuses,
        "failures": [f"{each.processor} on {each.target}: {each.error}" for each in one.failures],
        "error": one.error.message if one.error else "",
        "busy": one.busy,
    }


def _print(context: Context, one: SweepReport, statuses: dict[str, int]) -> None:
    if one.busy:
        context.say(f"{one.project}: another process sweeps it now")
        return
    if one.error is not None:
        return
    now = ", ".join(f"{count} {status}" for status, count in statuses.items())
    tasks = sum(statuses.values())
    places = f", {one.without_place} wait for a place (`cci limit`)" if one.without_place else ""
    context.say(
        f"{one.project}: {tasks} task{'s' * (tasks != 1)}, {one.started} started{places}"
        + (f"; {now}" if now else "")
    )
    _print_failures(context, one.failures)


def _print_failures(context: Context, failures: Sequence[Failure]) -> None:
    for failure in failures:
        what = f"{type(failure.error).__name__}: {failure.error}"
        context.say(f"  {failure.processor} failed on {failure.target}: {what}")


# -- dry runs -------------------------------------------------------------------------------------------


def dry_run(
    context: Context, workplace: Workplace, projects: Sequence[str], options: SweepOptions, *, as_json: bool
) -> int:
    """Tell what a sweep would do; a project that cannot be read does not hide the others."""
    rows: list[dict[str, Any]] = []
    errors: list[tuple[str, CciError]] = []
    failures: list[Failure] = []
    for project in projects:
        try:
            _, planned = look(workplace, project, options)
        except CciError as error:
            errors.append((project, error))
        else:
            failures += planned.failures
            rows += [
                _row(project, action) for action in planned.actions if action.decision.move is not Move.SKIP
            ]
    if as_json:
        context.answer(rows)
    else:
        _print_rows(context, rows)
        _print_failures(context, failures)
    if len(errors) < len(projects):
        errors = [(project, error) for project, error in errors if not isinstance(error, NotInProject)]
    return _tell_errors(context, errors) or EXIT_INCOMPLETE * bool(failures)


def _row(project: str, action: Action) -> dict[str, Any]:
    return {
        "label": action.label,
        "project": project,
        "processor": action.configured.name,
        "move": str(action.decision.move),
        "status": str(action.decision.status or (action.entry.status if action.entry else "")),
        "reason": action.decision.reason,
        "starts": action.decision.startable,
    }


def _print_rows(context: Context, rows: Sequence[dict[str, Any]]) -> None:
    for row in rows:
        then = " and start" if row["starts"] else ""
        because = f": {row['reason']}" if row["reason"] else ""
        context.say(f"{row['move']}{then} {row['label']} {row['status']}{because}")
    context.say(f"nothing was changed; {len(rows)} tasks")

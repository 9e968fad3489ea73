"""``cci sweep`` and ``cci takeover``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import click
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from cci.daemon import control, signals
from cci.daemon.cli import INTERRUPTED
from cci.daemon.commands.options import json_option
from cci.daemon.commands.reports import EXIT_INCOMPLETE, dry_run, report
from cci.daemon.context import Context, pass_context
from cci.daemon.parts import choose_projects, demand_processor
from cci.daemon.plan import Narrowing
from cci.daemon.steps import (
    Open,
    begin_step,
    collect_step,
    count_open,
    outbox_step,
    run_until_quiet,
    sweep_step,
    watch_step,
)
from cci.daemon.sweep import SweepOptions, SweepReport
from cci.daemon.workplace import Workplace
from cci.errors import CciError

#: A person waits: between two looks passes no more than this, in seconds.
LONGEST_PAUSE_S = 1.0


@click.command()
@click.option("--project", "-p", "projects", multiple=True, help="Only these projects; default: all.")
@click.option("--subject", default="", help="Only this subject, by label or accession id.")
@click.option("--session", default="", help="Only this session, by label or accession id.")
@click.option("--processor", default="", help="Only this processor.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--wait", is_flag=True, help="Stay until every job has ended and nothing moves any more.")
@click.option("--yes", is_flag=True, help="Agree to write to a project for the first time.")
@click.option("--accept-shrinking", is_flag=True, help="Go on although a project lost many sessions.")
@json_option
@pass_context
def sweep(context: Context, /, projects: tuple[str, ...], **options: Any) -> int:
    """Look at every session once and do the next step of each task."""
    with context.workplace() as workplace, signals.stop_on_signals(workplace.stopping):
        chosen = choose_projects(workplace, projects)
        demand_processor(workplace, options["processor"])
        wanted = SweepOptions(
            narrowing=Narrowing(
                subject=options["subject"], session=options["session"], processor=options["processor"]
            ),
            consent=options["yes"],
            accept_shrinking=options["accept_shrinking"],
            told=True,
        )
        try:
            code = _carry_out(context, workplace, chosen, wanted, options)
        except CciError:
            # what a signal cut off is no error of its own
            if not workplace.stopping.is_set():
                raise
        if workplace.stopping.is_set():
            return _interrupted(context, workplace)
        return code or (EXIT_INCOMPLETE if workplace.problems else 0)


def _carry_out(
    context: Context, workplace: Workplace, projects: list[str], wanted: SweepOptions, options: dict[str, Any]
) -> int:
    as_json = options["as_json"]
    if options["dry_run"]:
        return dry_run(context, workplace, projects, wanted, as_json=as_json)
    done = _sweep(context, workplace, projects, wanted, wait=options["wait"], quiet=as_json)
    return report(context, workplace, done, as_json=as_json) or _tell_refused(context, workplace)


def _tell_refused(context: Context, workplace: Workplace) -> int:
    """Say what is refused for good: a person has to do something, and no waiting helps."""
    still = count_open(workplace)
    if still.refused:
        context.complain(
            f"the archive refuses the results of {still.refused} task{'s' * (still.refused != 1)}",
            "`cci tasks --status JOB_COMPLETE` says why; then `cci rerun` or `cci kill`",
        )
    if still.not_taken:
        context.complain(
            f"a cluster refuses the job{'s' * (still.not_taken != 1)} of {still.not_taken} "
            f"task{'s' * (still.not_taken != 1)}",
            "`cci tasks --status PRE_COMPLETE` says why; mend the settings, and it is tried at once",
        )
    return EXIT_INCOMPLETE if still.refused or still.not_taken else 0


def _interrupted(context: Context, workplace: Workplace) -> int:
    """Say what goes on without us."""
    running = count_open(workplace).running
    jobs = f"{running} job{'s run' if running != 1 else ' runs'} on"
    context.complain(f"interrupted; {jobs}, `cci sweep --wait` takes them up again")
    return INTERRUPTED


def _sweep(
    context: Context,
    workplace: Workplace,
    projects: list[str],
    options: SweepOptions,
    *,
    wait: bool,
    quiet: bool,
) -> list[SweepReport]:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    hidden = quiet or not context.errors.is_terminal
    with Progress(*columns, console=context.errors, transient=True, disable=hidden) as progress:
        line = progress.add_task("sweeping")

        def show(what: str, done: int, total: int) -> None:
            progress.update(line, description=f"{what} {done}/{total}" if total else what)

        def show_open(still: Open) -> None:
            progress.update(line, description=describe_open(still))

        shown = replace(options, progress=show)
        if wait:
            pause_s = min(LONGEST_PAUSE_S, workplace.settings.timing.watch_s)
            return run_until_quiet(workplace, projects, shown, pause_s=pause_s, shown=show_open)
        return sweep_once(workplace, projects, shown)


def sweep_once(workplace: Workplace, projects: Sequence[str], options: SweepOptions) -> list[SweepReport]:
    """Do all that can be done now and come back: what a nightly cron sweep does."""
    begin_step(workplace)
    watch_step(workplace)
    collect_step(workplace)
    reports = sweep_step(workplace, projects, options)
    outbox_step(workplace)
    return reports


def describe_open(still: Open) -> str:
    """Return what is still open in words."""
    parts = [
        f"{count} {name}"
        for name, count in (
            ("staging", still.staging),
            ("running", still.running),
            ("storing results", still.collecting),
            ("waiting for the archive", still.writes),
        )
        if count
    ]
    return ", ".join(parts) or "looking for more"


@click.command()
@click.argument("project")
@json_option
@pass_context
def takeover(context: Context, project: str, *, as_json: bool) -> None:
    """Make this instance the owner of PROJECT; stop the other one first."""
    with context.workplace() as workplace:
        choose_projects(workplace, [project])
        record = control.takeover(workplace, project)
    if as_json:
        context.answer(record)
    else:
        context.say(f"{project} belongs to this instance now ({record['instance']} on {record['host']})")

"""``cci run``: the daemon in the foreground, as systemd wants it."""

from __future__ import annotations

import click

from cci.daemon import signals
from cci.daemon.context import Context, pass_context
from cci.daemon.parts import choose_projects
from cci.daemon.scheduler import run_daemon
from cci.daemon.sweep import SweepOptions


@click.command()
@click.option("--project", "-p", "projects", multiple=True, help="Only these projects; default: all.")
@click.option("--yes", is_flag=True, help="Agree to write to projects for the first time.")
@pass_context
def run(context: Context, projects: tuple[str, ...], *, yes: bool) -> int:
    """Sweep, watch, collect and write until stopped; SIGTERM ends it within 30 seconds, with nothing lost."""
    with context.workplace(who="cci run") as workplace, signals.stop_on_signals(workplace.stopping):
        options = SweepOptions(consent=yes, remember=True)
        return run_daemon(workplace, choose_projects(workplace, projects), options)

"""``cci demo``. What it shows needs the libraries of the spiders, which a login node need not have."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from cci import settings as configuration
from cci.daemon import signals
from cci.daemon.commands.show import print_tasks
from cci.daemon.commands.sweep import describe_open
from cci.daemon.context import Context, pass_context
from cci.daemon.places import place_of
from cci.daemon.steps import Open, run_until_quiet
from cci.daemon.sweep import SweepOptions
from cci.daemon.workplace import Workplace, open_workplace
from cci.errors import UsageError

if TYPE_CHECKING:
    from cci.daemon import demo as demonstration


@click.command()
@click.option("--port", default=0, help="Port of the archive; default: a free one.")
@click.option("--keep-serving", is_flag=True, help="Leave the archive running at the end, until Ctrl-C.")
@pass_context
def demo(context: Context, port: int, *, keep_serving: bool) -> int:
    """Fill an archive of its own with sample data, run every pipeline on it, and show the results."""
    _demand_libraries()
    from cci.daemon import demo as demonstration

    home = demonstration.DemoHome(path=context.home or Path("cci-demo").absolute())
    with demonstration.serving(home, port or demonstration.port_of(home)) as url:
        demonstration.write_settings(home, url)
        settings = configuration.load(home.settings, home=home.path)
        with (
            open_workplace(settings, who="cci demo") as workplace,
            signals.stop_on_signals(workplace.stopping),
        ):
            context.console.print(
                f"an archive runs at {url}; everything lies in {home.path}", highlight=False
            )
            _run(context, workplace)
            code = _tell(context, workplace, home)
            if keep_serving and not workplace.stopping.is_set():
                _say(
                    context, f"\nthe archive runs on; {demonstration.how_to_open(home, url)}\nCtrl-C ends it"
                )
                workplace.stopping.wait()
    _say(context, demonstration.how_to_look(home))
    return code


def _say(context: Context, words: str) -> None:
    context.console.print(words, soft_wrap=True, markup=False, highlight=False)


def _demand_libraries() -> None:
    for name in ("cci.phantom", "dcm2niix", "dipy"):
        try:
            import_module(name)
        except ModuleNotFoundError as error:
            hint = "install them with: pip install 'cci-spiders[qa]'"
            raise UsageError(
                f"the demo needs the spiders' libraries; {error.name} is missing", hint=hint
            ) from error


def _run(context: Context, workplace: Workplace) -> None:
    """Load and sweep, with a line that says what goes on."""
    from cci.daemon import demo as demonstration

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=context.errors) as progress:
        line = progress.add_task("loading", total=None)

        def show(what: str, done: int, total: int) -> None:
            progress.update(line, description=what, completed=done, total=total or None)

        def show_open(still: Open) -> None:
            progress.update(line, description=describe_open(still), completed=0, total=None)

        demonstration.fill(workplace.archive, show)
        options = SweepOptions(consent=True, progress=show)
        projects = list(workplace.settings.projects)
        run_until_quiet(workplace, projects, options, pause_s=0.5, shown=show_open)
        progress.update(line, description="done", completed=1, total=1)


def _tell(context: Context, workplace: Workplace, home: demonstration.DemoHome) -> int:
    """Print every task and where its report lies; return whether all ended as they should."""
    from cci.daemon import demo as demonstration

    tasks = workplace.ledger.tasks(workplace.url)
    where = demonstration.reports(workplace.archive, tasks, lambda task: place_of(task).results, home)
    print_tasks(context.console, tasks)
    context.console.print("\nreports:")
    for path in where.values():
        context.console.print(f"  {path}", soft_wrap=True, markup=False, highlight=False)
    wrong = [one for one in demonstration.judge(tasks) if not one.good]
    for one in wrong:
        context.console.print(f"{one.name}: wanted {one.wanted}, got {one.got}", markup=False, style="red")
    good = len(tasks) - sum(one.got != "no task" for one in wrong)
    context.console.print(f"\n{good} of {len(tasks)} tasks ended as their data deserve", highlight=False)
    return int(bool(wrong))

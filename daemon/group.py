"""The options that all commands share, and the one place where errors become sentences and exit codes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path

import click
import structlog

from cci.daemon import logs
from cci.daemon.cli import INTERRUPTED
from cci.daemon.context import Context, complain, make_console
from cci.errors import CciError

#: EX_SOFTWARE of sysexits.h
UNEXPECTED = 70
LEVELS = ["debug", "info", "warning", "error"]
#: The module of each command; there it has its own name, with an underscore for a hyphen.
HOMES = {
    "archive": "cci.archive.cli",
    "demo": "cci.daemon.commands.demo",
    "doctor": "cci.daemon.commands.doctor",
    "explain": "cci.daemon.commands.explain",
    "history": "cci.daemon.commands.tasks",
    "hold": "cci.daemon.commands.wishes",
    "kill": "cci.daemon.commands.wishes",
    "limit": "cci.daemon.commands.limit",
    "logs": "cci.daemon.commands.logs",
    "release": "cci.daemon.commands.wishes",
    "report": "cci.daemon.commands.report",
    "rerun": "cci.daemon.commands.wishes",
    "run": "cci.daemon.commands.run",
    "show": "cci.daemon.commands.tasks",
    "show-script": "cci.daemon.commands.show_script",
    "status": "cci.daemon.commands.tasks",
    "sweep": "cci.daemon.commands.sweep",
    "takeover": "cci.daemon.commands.sweep",
    "tasks": "cci.daemon.commands.tasks",
    "why": "cci.daemon.commands.tasks",
}


class _Commands(click.Group):
    """Loads a command when it is asked for: most commands need little of what all of them need."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        del ctx
        return sorted(HOMES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command; after a name that is none, click looks among all for one that is like it."""
        for name in [cmd_name] if cmd_name in HOMES else HOMES:
            if name not in self.commands:
                module = import_module(HOMES[name])
                self.add_command(_placed(getattr(module, name.replace("-", "_"))), name)
        return super().get_command(ctx, cmd_name)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--settings", type=click.Path(path_type=Path), help="Settings file.")
@click.option("--home", type=click.Path(path_type=Path), help="Keep everything below this folder.")
@click.option("--log-level", type=click.Choice(LEVELS), help="Default: warning; for `cci run` info.")
@click.option("--log-json", is_flag=True, help="Log lines as JSON.")
@click.version_option(package_name="cci-spiders", prog_name="cci")
@click.pass_context
def cci(
    context: click.Context, settings: Path | None, home: Path | None, log_level: str | None, log_json: bool
) -> None:
    """Run imaging pipelines over an XNAT archive on a cluster."""
    usual = "info" if context.invoked_subcommand == "run" else "warning"
    logs.set_up(level=log_level or usual, as_json=log_json)
    context.obj = Context(settings=settings, home=home)


def _placed(command: click.Command) -> click.Command:
    """Let a command, and each of a group, take ``--settings`` and ``--home`` behind its name too."""
    for inner in command.commands.values() if isinstance(command, click.Group) else ():
        _placed(inner)
    names = {parameter.name for parameter in command.params}
    for name, words in (("settings", "Settings file."), ("home", "Keep everything below this folder.")):
        if name not in names:
            path = click.Path(path_type=Path)
            command.params.append(
                click.Option([f"--{name}"], type=path, help=words, expose_value=False, callback=_place)
            )
    return command


def _place(context: click.Context, option: click.Parameter, value: Path | None) -> None:
    if value is not None:
        chosen = context.find_object(Context)
        assert chosen is not None
        chosen.place(**{str(option.name): value})


def run_command(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; the only place that prints errors."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # a label in letters that the terminal lacks must not end the command
            stream.reconfigure(errors="replace")
    errors = make_console(sys.stderr)
    try:
        code = cci.main(args=list(arguments) if arguments is not None else None, standalone_mode=False)
    except CciError as error:
        complain(errors, error.message, error.hint)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        complain(errors, "stopped")
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 (whatever else comes here is a mistake in cci)
        structlog.get_logger().debug("unexpected error", action="command", exc_info=error)
        what = f"this should not happen ({type(error).__name__}: {error})"
        hint = "that is a mistake in cci; with --log-level debug before the command it says more"
        complain(errors, what, hint)
        return UNEXPECTED
    return code if isinstance(code, int) else 0

"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from cci.status import Status

Command = TypeVar("Command", bound=Callable[..., Any])

json_option = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")


def chosen_by(command: Command) -> Command:
    """Add the options that choose tasks: projects, statuses, processor."""
    names = [str(one) for one in Status]
    options = (
        click.option("--project", "-p", "projects", multiple=True, help="Only tasks of this project."),
        click.option(
            "--status", "-s", "statuses", multiple=True, type=click.Choice(names, case_sensitive=False)
        ),
        click.option("--processor", default="", help="Only tasks of this processor."),
    )
    for option in reversed(options):
        command = option(command)
    return command

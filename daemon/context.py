"""What every command gets: where the settings are, and how to answer a person or a program."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from cci.daemon.workplace import Workplace
    from cci.settings import Settings

#: Wider than any line, for where there is no window: files and pipes get one line for each row.
ENDLESS = 100_000


class Context:
    """Where the settings are, and how to answer."""

    def __init__(self, *, settings: Path | None, home: Path | None) -> None:
        self._settings = settings
        self._home = home
        self.console = make_console(sys.stdout)
        self.errors = make_console(sys.stderr)

    @property
    def home(self) -> Path | None:
        """The folder that keeps everything below itself, if one was named."""
        return self._home.expanduser().absolute() if self._home else None

    def place(self, *, settings: Path | None = None, home: Path | None = None) -> None:
        """Take what was said behind the command's name; it wins over what was said before it."""
        self._settings = settings or self._settings
        self._home = home or self._home

    def settings(self) -> Settings:
        """Read the settings."""
        from cci import settings as configuration

        path = configuration.find_file(settings=self._settings, home=self.home)
        return configuration.load(path, home=self.home)

    def workplace(self, *, who: str = "") -> Workplace:
        """Open the workplace, and tell of sections that had to be left out."""
        from cci.daemon.workplace import open_workplace

        workplace = open_workplace(self.settings(), who=who or f"cci {click.get_current_context().info_name}")
        for problem in workplace.problems:
            print_line(self.errors, Text.assemble(("left out: ", "yellow"), str(problem)))
        return workplace

    def say(self, text: str | Text) -> None:
        """Print a line as it is: no markup, no colours, and no breaks at the edge of the window."""
        print_line(self.console, text)

    def complain(self, message: str, hint: str = "") -> None:
        """Tell a person what is wrong, and what can be done."""
        complain(self.errors, message, hint)

    def table(self, table: Table) -> None:
        """Print a table."""
        print_table(self.console, table)

    def answer(self, value: Any) -> None:
        """Print a value as JSON; where the encoding lacks letters, they are escaped rather than lost."""
        plain = not (sys.stdout.encoding or "").lower().startswith("utf")
        click.echo(json.dumps(value, indent=1, default=str, ensure_ascii=plain))


def make_console(stream: TextIO) -> Console:
    """Return a console that breaks lines only at the edge of a real window."""
    return Console(file=stream, width=None if stream.isatty() else ENDLESS)


def print_line(console: Console, text: str | Text) -> None:
    """Print text as it is."""
    console.print(text, soft_wrap=True, markup=False, highlight=False)


def print_table(console: Console, table: Table) -> None:
    """Print a table; where there is no window, without the blanks that fill its last column."""
    if console.is_terminal:
        console.print(table)
        return
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        print_line(console, line.rstrip())


def complain(console: Console, message: str, hint: str = "") -> None:
    """Print what is wrong, and below it what can be done."""
    print_line(console, Text.assemble(("cci: ", "bold red"), message))
    if hint:
        print_line(console, f"     {hint}")


pass_context = click.make_pass_decorator(Context)

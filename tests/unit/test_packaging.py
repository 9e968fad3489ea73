"""The hand-written package list in setup.cfg must name every package we have."""

from __future__ import annotations

import configparser
import pathlib
import subprocess
import sys
from importlib import import_module
from pkgutil import iter_modules

import click
import pytest

from cci.daemon import commands, group

ROOT = pathlib.Path(__file__).parents[2]


def test_every_package_is_listed() -> None:
    """A package missing from setup.cfg would be missing from the wheel, without a warning."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    names = config["options"]["packages"].replace("\n", ",").split(",")
    listed = {name.strip() for name in names} - {""}
    found = {
        ".".join(([] if top == "cci" else ["cci"]) + list(init.parent.relative_to(ROOT).parts))
        for top in ("cci", "daemon", "processors", "spiders")
        for init in (ROOT / top).rglob("__init__.py")
    }

    assert listed == found


def test_every_command_can_be_called() -> None:
    """A command that a module defines is known by its name, though it is loaded only when it is called."""
    modules = [
        import_module(f"{commands.__name__}.{found.name}") for found in iter_modules(commands.__path__)
    ]
    defined = [
        value for module in modules for value in vars(module).values() if isinstance(value, click.Command)
    ]
    below = {name for command in defined if isinstance(command, click.Group) for name in command.commands}

    assert {command.name for command in defined} - below | {"archive"} == {*group.HOMES}


LIBRARIES = {"nilearn", "dipy", "matplotlib", "scipy", "pydicom", "dcm2niix"}
LEDGER = {"sqlalchemy", "alembic", "pydantic", "requests"}


@pytest.mark.parametrize(
    ("names", "unneeded"),
    [
        (list(group.HOMES), LIBRARIES | {"pandas", "nibabel", "pyxnat", "alembic"}),
        (["status", "tasks", "why", "hold", "sweep"], {"apscheduler", "granian", "jinja2", "starlette"}),
        (["archive", "explain"], LEDGER),
    ],
    ids=["all", "most", "those without a ledger"],
)
def test_commands_load_only_what_they_need(names: list[str], unneeded: set[str]) -> None:
    """A login node runs commands without what the spiders compute with; none waits for what others need."""
    code = (
        "import sys; from cci.daemon.group import cci; "
        f"[cci.get_command(None, name) for name in {names}]; print({unneeded} & set(sys.modules))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert answer.stdout.strip() == "set()"

"""The hand-written package list in setup.cfg must name every package we have."""

from __future__ import annotations

import configparser
import pathlib
import subprocess
import sys

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


def test_command_needs_no_spider_libraries() -> None:
    """A login node runs the command without what the spiders compute with."""
    code = (
        "import sys, cci.daemon.group; "
        "print({'nilearn', 'dipy', 'matplotlib', 'scipy', 'pydicom', 'dcm2niix'} & set(sys.modules))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert answer.stdout.strip() == "set()"

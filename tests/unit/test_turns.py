"""How test processes share the work: what stays together, and a process that ends in the middle."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.turns import unit_of

CONFTEST = """
from support.turns import SlowFirst

def pytest_xdist_make_scheduler(config, log):
    return SlowFirst(config, log)
"""
ENDS_ITS_PROCESS = """
import os

def test_before(): pass
def test_of_the_end(): os._exit(1)
def test_afterwards(): pass
"""
SUPPORT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("file", "text", "together"),
    [
        ("tests/unit/test_a.py", "", True),
        ("tests/conformance/archive/test_a.py", "", True),
        ("tests/acceptance/test_a.py", "", False),
        ("tests/conformance/cluster/test_a.py", "", False),
        ("tests/soak/test_a.py", "", False),
        ("tests/acceptance/test_a.py", '@pytest.fixture(scope="module")', True),
    ],
)
def test_what_stays_together(tmp_path: Path, file: str, text: str, *, together: bool) -> None:
    """Slow tests are handed out singly, unless their file makes something once for all of them."""
    place = tmp_path / file
    place.parent.mkdir(parents=True)
    place.write_text(text, encoding="utf-8")
    expected = file if together else f"{file}::test_b[c::d]"

    assert expected == unit_of(f"{file}::test_b[c::d]", tmp_path)


def test_a_test_that_ends_its_process_is_run_once(tmp_path: Path) -> None:
    """It has failed, and the others of its file are run by another process."""
    (tmp_path / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    (tmp_path / "test_a.py").write_text(ENDS_ITS_PROCESS, encoding="utf-8")
    (tmp_path / "test_b.py").write_text("def test_of_another_file(): pass\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-n2", "--dist=loadfile", "-p", "no:cacheprovider"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [*command, f"--rootdir={tmp_path}", f"--basetemp={tmp_path / 'base'}", str(tmp_path)],
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": str(SUPPORT)},
        capture_output=True,
        text=True,
        check=False,
    )

    crashed = re.findall(r"^worker 'gw\d+' crashed while running '(.*)'$", done.stdout, re.MULTILINE)
    assert ["test_a.py::test_of_the_end"] == crashed, done.stdout
    assert "1 failed, 3 passed" in done.stdout

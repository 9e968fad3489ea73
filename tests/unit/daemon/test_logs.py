"""What a traceback in the log shows."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import structlog
from cci.daemon import logs

logs.set_up(as_json={as_json})
def fail(password):
    raise ValueError("a mistake")
try:
    fail("hun" + "ter2")
except ValueError:
    structlog.get_logger().exception("failed", action="test")
"""


@pytest.mark.parametrize("as_json", [False, True])
def test_no_values(*, as_json: bool) -> None:
    """A traceback names lines and the error, and shows no variable's value: it may be a password."""
    program = PROGRAM.format(as_json=as_json)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert "ValueError: a mistake" in done.stderr
    assert "hunter2" not in done.stderr

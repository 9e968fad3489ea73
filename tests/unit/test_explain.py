"""`cci explain` knows every code that an attempt can end with, and that of every error."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cci.causes import CAUSES
from cci.daemon.commands.explain import explanation
from cci.errors import CciError

ROOT = Path(__file__).parents[2]

#: Where it is decided what an end is called, from what a node, a cluster or its books say.
JUDGES = (
    *(f"cci/cluster/{name}.py" for name in ("drmaa_states", "local_spool", "local_waiter", "lsf_reading")),
    *(f"cci/cluster/{name}.py" for name in ("pbs_reading", "sge", "sge_reading", "slurm_read")),
    *(f"daemon/{name}.py" for name in ("refusals", "submission", "verdict")),
    "spiders/run.py",
)


@pytest.mark.parametrize("source", JUDGES)
def test_every_code_of_a_judge_is_explained(source: str) -> None:
    """Whoever gives an end a name gives it one that the table has."""
    tree = ast.parse((ROOT / source).read_text(encoding="utf-8"))
    words = {str(node.value) for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    named = {
        str(node.value.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword) and node.arg == "cause" and isinstance(node.value, ast.Constant)
    }
    codes = {word for word in words if re.fullmatch("[a-z]+(-[a-z]+)+", word)} | named - {""}

    assert codes
    assert set() == codes - set(CAUSES)


def _errors(base: type[CciError]) -> Iterator[type[CciError]]:
    yield base
    for one in base.__subclasses__():
        yield from _errors(one)


@pytest.mark.parametrize("code", [*CAUSES, "exit-1", "signal-9"])
def test_every_cause_can_be_asked_for(code: str) -> None:
    """It is told what a cause means, what can be done, and what another run by itself is good for."""
    told = explanation(code)

    assert (code, []) == (told["code"], [name for name in ("means", "remedy", "retry") if not told[name]])


ERRORS = {error.code: error for error in _errors(CciError)}


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
def test_every_error_can_be_asked_for(error: type[CciError]) -> None:
    """An error is told by its own code, with whether the same may go well later."""
    told = explanation(error.code)

    assert (error.code, "by itself" if error.transient else "no") == (told["code"], told["retry"])

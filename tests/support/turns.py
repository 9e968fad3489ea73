"""Which tests a test process of xdist gets at once, and in which order. It is no test.

xdist's own ``loadfile`` hands out whole files, those of many tests first: long files of few tests come last,
and the run ends with one process at work while the others wait.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler.loadscope import LoadScopeScheduling

#: Tests below these have all of their own, or share a whole session's: each may run anywhere.
_SINGLE = ("tests/acceptance/", "tests/conformance/cluster/", "tests/soak/")
#: What a file says whose tests share what is made once for that file.
_SHARED = 'scope="module"'


class SlowFirst(LoadScopeScheduling):  # type: ignore[misc]  # xdist carries no types for mypy here
    """Hands out files, and single tests where those are slow, in the order in which they were collected."""

    def __init__(self, config: pytest.Config, log: Any) -> None:
        # the order of conftest.py, not that of xdist
        config.option.loadscopereorder = False
        super().__init__(config, log)
        self._root = config.rootpath

    def remove_node(self, node: Any) -> str | None:
        """Forget a process that has ended, and return the test that it ended in.

        xdist's own would give that test to the next process, which ends in it too, eight times in a row.
        """
        units = self.assigned_work[node].values()
        ended_in = next((test for unit in units for test, done in unit.items() if not done), None)
        rest = {
            scope: {test: done or test == ended_in for test, done in unit.items()}
            for scope, unit in self.assigned_work[node].items()
        }
        # what is done as a whole is not handed out again: whoever gets nothing to do never asks for more
        self.assigned_work[node] = {scope: unit for scope, unit in rest.items() if not all(unit.values())}
        super().remove_node(node)
        return ended_in

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid, self._root)


def unit_of(nodeid: str, root: Path) -> str:
    """Return the unit of work that a test belongs to: its file, or itself."""
    file = nodeid.partition("::")[0]
    return nodeid if file.startswith(_SINGLE) and not _stays_together(root / file) else file


@cache
def _stays_together(file: Path) -> bool:
    return _SHARED in file.read_text(encoding="utf-8")

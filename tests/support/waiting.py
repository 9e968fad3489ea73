"""Wait for what another process does. It is no test."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Longer than anything here takes, however busy the machine is.
PATIENCE_S = 300.0
_SHORTEST_NAP_S, _LONGEST_NAP_S = 0.02, 0.25


def wait_until(condition: Callable[[], object], what: str, *, patience_s: float = PATIENCE_S) -> None:
    """Wait until something is so.

    The longer it lasts, the more rarely it asks: many conditions start programs, which take the processor
    from what is waited for.

    Raises
    ------
    AssertionError
        It does not become so.
    """
    begun = time.monotonic()
    while not condition():
        waited = time.monotonic() - begun
        assert waited < patience_s, f"in vain: {what}"
        time.sleep(min(max(waited / 10, _SHORTEST_NAP_S), _LONGEST_NAP_S))

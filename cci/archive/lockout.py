"""Which accounts take no passwords for a while, after too many wrong ones. In memory; it knows no HTTP.

XNAT's defaults: 20 failures lock an account for an hour (``maxFailedLogins``).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

MAX_FAILURES = 20
LOCKED_S = 3600.0


@dataclass
class Lockout:
    """Counts failures by login name; a success forgets them.

    Only names of accounts are to be counted, so that a stranger cannot fill the memory with made-up ones.
    """

    clock: Callable[[], float]
    _failures: dict[str, tuple[int, float]] = field(default_factory=dict)
    # none of several failures at once is lost
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def locked(self, login: str) -> bool:
        """Whether the account takes no password now, not even the right one."""
        count, last = self._failures.get(login, (0, 0.0))
        return count >= MAX_FAILURES and self.clock() - last < LOCKED_S

    def failed(self, login: str) -> None:
        """Count a wrong password; failures of more than an hour ago count no more."""
        with self._lock:
            count, last = self._failures.get(login, (0, 0.0))
            recent = self.clock() - last < LOCKED_S
            self._failures[login] = ((count if recent else 0) + 1, self.clock())

    def succeeded(self, login: str) -> None:
        """Forget the failures of an account."""
        self._failures.pop(login, None)

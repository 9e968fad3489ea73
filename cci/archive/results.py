"""Results of searches that a client asked to be kept, for stable paging (``cache=true``)."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field

from cci.archive.errors import Gone
from cci.archive.tables import Row

#: How many results are kept, of how many rows together (the latest one has as many as it has), and for how
#: long, in seconds.
_KEPT = 20
_KEPT_ROWS = 200_000
_KEPT_S = 3600.0


@dataclass(frozen=True, kw_only=True)
class Result:
    """The rows of a search, kept for paging; *made* is monotonic seconds."""

    owner: str
    headers: list[str]
    rows: list[Row]
    made: float


@dataclass
class ResultCache:
    """The latest results that were asked to be kept."""

    results: OrderedDict[str, Result] = field(default_factory=OrderedDict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def keep(self, result: Result) -> str:
        """Keep a result and return its name."""
        name = f"search_{secrets.token_hex(8)}"
        with self.lock:
            self.results[name] = result
            while len(self.results) > 1 and not self._fits():
                self.results.popitem(last=False)
        return name

    def _fits(self) -> bool:
        rows = sum(len(each.rows) for each in self.results.values())
        return len(self.results) <= _KEPT and rows <= _KEPT_ROWS

    def get(self, name: str) -> Result:
        """Return a kept result.

        Raises
        ------
        Gone
            It is not kept any more.
        """
        with self.lock:
            found = self.results.get(name)
        if found is None or time.monotonic() - found.made > _KEPT_S:
            raise Gone
        return found

"""Troubles that last: each is told to the operator once when it begins, and once when it is over."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Any

import structlog

log = structlog.get_logger()


class Alerts:
    """What the operator has been told; one for each process, safe to use from all its threads."""

    def __init__(self) -> None:
        self._told: set[Hashable] = set()
        self._lock = threading.Lock()

    def tell(self, key: Hashable, event: str, *, unless: Hashable = None, **facts: Any) -> bool:
        """Tell of a trouble unless that has been done, or *unless* has; return whether it was told now."""
        with self._lock:
            if key in self._told or unless in self._told:
                return False
            self._told.add(key)
        log.error(event, **facts)
        return True

    def over(self, key: Hashable, event: str, **facts: Any) -> bool:
        """Tell that a trouble is over, if it was told of; return whether that was so."""
        with self._lock:
            if key not in self._told:
                return False
            self._told.discard(key)
        log.warning(event, **facts)
        return True

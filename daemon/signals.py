"""Stopping: the first SIGTERM or SIGINT asks every step to end between two items; a second ends at once.

Ending at once is safe at any line, since the ledger is written before the world; it only leaves more to be
settled by the next process.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

EXIT_AT_ONCE = 130


@contextmanager
def stop_on_signals(stopping: threading.Event) -> Iterator[None]:
    """Set *stopping* on a signal while inside; only in the main thread, elsewhere nothing is changed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(_number: int, _frame: FrameType | None) -> None:
        if stopping.is_set():
            os._exit(EXIT_AT_ONCE)
        stopping.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

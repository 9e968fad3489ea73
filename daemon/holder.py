"""Who holds a lease: one process, told apart from every other on any host, and seen to be dead when it is.

A holder is text in the ledger. On its own host a holder that no longer lives is known at once, so work that
a ``kill -9`` left behind is taken up without waiting; a holder elsewhere is believed until its lease ends.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path


@dataclass(frozen=True)
class Holder:
    """A process, by host, boot, pid and start time, and which of its parts (*token*)."""

    host: str
    boot: str
    pid: int
    started: str
    token: str

    def __str__(self) -> str:
        """Return the form kept in the ledger."""
        return "|".join([self.host, self.boot, str(self.pid), self.started, self.token])


def parse(text: str) -> Holder | None:
    """Read a holder back; None if it is not one."""
    parts = text.split("|")
    if len(parts) != 5 or not parts[2].isdigit():
        return None
    return Holder(parts[0], parts[1], int(parts[2]), parts[3], parts[4])


#: The holders of this process that are at work. What another one of it holds was left behind by an error.
_AT_WORK: set[str] = set()


def new_holder() -> Holder:
    """Return a holder of this process that no other part of it has; it is at work until the process ends."""
    pid = os.getpid()
    holder = Holder(here(), boot_id(), pid, start_time(pid) or "", secrets.token_hex(4))
    _AT_WORK.add(str(holder))
    return holder


@contextmanager
def holding() -> Iterator[str]:
    """Give a new holder, at work only while inside; what it holds afterwards is free for this process."""
    holder = str(new_holder())
    try:
        yield holder
    finally:
        _AT_WORK.discard(holder)


def at_work() -> frozenset[str]:
    """Return the holders of this process that are at work."""
    return frozenset(_AT_WORK.copy())


@lru_cache(maxsize=1)
def here() -> str:
    """Return where a pid means the same: the host, and the namespace that a container may have.

    A process of another container is invisible and not dead, though host name and boot may be the same.
    """
    try:
        namespace = Path("/proc/self/ns/pid").readlink()
    except OSError:
        return socket.gethostname()
    return f"{socket.gethostname()}/{namespace}"


@lru_cache(maxsize=1)
def boot_id() -> str:
    """Return the kernel's id of this boot."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def start_time(pid: int) -> str | None:
    """Return when the process started, in clock ticks since boot (proc(5), field 22); None if it is gone.

    A process that ended and was not yet waited for (a zombie) counts as gone.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in {"Z", "X"} else fields[19]


def is_dead(text: str) -> bool:
    """Whether this holder is certainly at work no more; False also where nobody here can know."""
    holder = parse(text)
    if holder is None or holder.host != here():
        return False
    if holder.boot != boot_id() or start_time(holder.pid) != holder.started:
        return True
    return holder.pid == os.getpid() and text not in _AT_WORK

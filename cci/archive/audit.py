"""The log of writes: who wrote what, when, and how it ended. No HTTP, no database.

One JSON object for each item, in a line of ``write.log``. A full log gets the time in its name and a new one
begins; none is ever deleted.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from cci.errors import UsageError

#: A log of more bytes is put aside.
FULL = 64 << 20
_NAME = "write.log"
_SECRETS = re.compile(r"(?<=[?&])(password|secret)=[^&]*", re.IGNORECASE)
_TOKEN = re.compile(r"(?P<alias>/services/tokens/\w+/[^/?]+)/[^/?]+")
#: GETs that change something.
_WRITING_READS = re.compile(r"/services/tokens/(issue|invalidate)\b")
#: The item in a line, without what it is of it; quotes inside of other words are escaped.
_ITEM = re.compile(rb'"item": "([^"/]*)')
_READS = frozenset({"GET", "HEAD", "OPTIONS"})

Entry = dict[str, Any]
_spell = json.JSONEncoder(ensure_ascii=False).encode


@dataclass
class Noted:
    """What a request is about: the first item that it named, and those that it is known to have written."""

    first: str = ""
    written: list[str] = field(default_factory=list)

    @property
    def items(self) -> list[str]:
        """What the log has a line for."""
        return self.written or [self.first]


_noted: ContextVar[Noted | None] = ContextVar("noted", default=None)


def begin() -> Noted:
    """Begin a request, and return where the items that it writes will be noted."""
    noted = Noted()
    _noted.set(noted)
    return noted


def note(name: str) -> None:
    """Note what this request is about: an accession id, a scan with its session's. The first note counts."""
    noted = _noted.get()
    if noted is not None and not noted.first:
        noted.first = name


def wrote(name: str) -> None:
    """Note that this request writes an item; it may write several."""
    noted = _noted.get()
    if noted is not None and name not in noted.written:
        noted.written.append(name)


def is_write(method: str, path: str) -> bool:
    """Whether such a request stands in the log."""
    return method not in _READS or _WRITING_READS.search(path) is not None


def spelt(path: str, query: str) -> str:
    """Return an address as the log has it: whole, but without passwords and secrets."""
    whole = path + (f"?{query}" if query else "")
    return _SECRETS.sub(r"\1=***", _TOKEN.sub(r"\g<alias>/***", whole))


class Log:
    """The log of the archive in a folder, kept open from the first line on.

    A log that was removed meanwhile begins anew.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._handle: int | None = None

    def append(self, entry: Entry) -> None:
        """Add a line, whole or not at all."""
        os.write(self._open(), f"{_spell(entry)}\n".encode("utf-8", "replace"))

    def _open(self) -> int:
        if self._handle is not None:
            state = os.fstat(self._handle)
            if state.st_nlink and state.st_size <= FULL:
                return self._handle
            self.close()
            if state.st_nlink:
                self._put_aside()
        self._handle = os.open(self._root / _NAME, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        return self._handle

    def _put_aside(self) -> None:
        now = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
        # unless somebody else has put it away
        with suppress(FileNotFoundError):
            (self._root / _NAME).rename(self._root / f"write.{now}.log")

    def close(self) -> None:
        """Give the file back; another line opens it again."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def files(root: Path) -> list[Path]:
    """Return the logs of an archive, oldest first."""
    present = root / _NAME
    return sorted(root.glob("write.*.log")) + ([present] if present.exists() else [])


def entries(root: Path) -> Iterator[Entry]:
    """Yield the entries, oldest first. A line that a crash cut off is passed over."""
    for line in _lines(root):
        yield from _read(line)


def entries_of(root: Path, names: frozenset[str]) -> Iterator[Entry]:
    """Yield the entries of these items, and of their scans and reconstructions, oldest first."""
    wanted = {name.encode() for name in names}
    for line in _lines(root):
        # logs are long, and only few of their lines are worth being parsed
        found = _ITEM.search(line)
        if found is not None and found[1] in wanted:
            yield from _read(line)


def _lines(root: Path) -> Iterator[bytes]:
    for file in files(root):
        with file.open("rb") as lines:
            yield from lines


def _read(line: bytes) -> Iterator[Entry]:
    try:
        entry = json.loads(line)
    except ValueError:
        return
    if isinstance(entry, dict):
        yield entry


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which entries are asked for; empty words ask for all."""

    user: str = ""
    item: str = ""
    since: datetime | None = None
    failed: bool = False

    @classmethod
    def of(cls, *, user: str = "", item: str = "", since: str = "", failed: bool = False) -> Self:
        """Read what a person asks for.

        Raises
        ------
        UsageError
            The time is none.
        """
        return cls(user=user, item=item, since=_moment(since) if since else None, failed=failed)

    def takes(self, entry: Entry) -> bool:
        """Whether this entry is asked for."""
        if (self.user and entry.get("user") != self.user) or (self.failed and _succeeded(entry)):
            return False
        if self.item and self.item not in {entry.get("item"), str(entry.get("item")).partition("/")[0]}:
            return False
        return self.since is None or datetime.fromisoformat(entry["time"]) >= self.since


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is no time", hint="2026-01-31 or 2026-01-31T09:00, in UTC") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _succeeded(entry: Entry) -> bool:
    return 200 <= int(entry.get("status", 0)) < 400


def line(entry: Entry, *, as_json: bool = False) -> str:
    """Spell an entry for a person, or as it is in the log."""
    if as_json:
        return _spell(entry)
    names = ("time", "user", "status", "method", "item", "path")
    # what a client sent must not look like more than one line, nor move the cursor
    words = (
        "".join(char if char.isprintable() else "?" for char in str(entry.get(name, ""))) for name in names
    )
    return "\t".join(words)

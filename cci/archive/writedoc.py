"""Writing an item by a document, with the children and shares that are in it; without HTTP.

Children that a document leaves out stay, unless it may replace them (``allowDataDeletion``): then scans,
reconstructions and named values go. Assessors and a subject's experiments always stay: they have addresses of
their own, and clients send that word with every document.
"""

from __future__ import annotations

from dataclasses import replace

from cci.archive.access import check_add
from cci.archive.address import Address
from cci.archive.changes import Changes
from cci.archive.creation import Creator, Outcome, Wanted
from cci.archive.errors import Unprocessable
from cci.archive.protocols import KEY as PROTOCOLS
from cci.archive.protocols import completed
from cci.archive.store import writing
from cci.archive.store.database import Connection
from cci.archive.store.items import Item, find_project, parts_of, visible_in
from cci.archive.store.writing import Stamp
from cci.archive.tree import Found, find
from cci.archive.types import Family, named_entry
from cci.archive.xmlread import Parsed

_PARTS = {"scans": Family.SCAN, "reconstructions": Family.RECONSTRUCTION}


class DocumentWriter:
    """Writes documents in one transaction."""

    def __init__(
        self, connection: Connection, creator: Creator, stamp: Stamp, *, replace_children: bool = False
    ) -> None:
        self._connection = connection
        self._creator = creator
        self._stamp = stamp
        self._replace = replace_children

    def write(self, address: Address, found: Found, parsed: Parsed, *, accessibility: str = "") -> Outcome:
        """Create or update what the address names, and what the document holds below it."""
        changes = parsed.changes
        if self._replace and found.item is not None:
            changes = without_others(changes, found.item)
        if PROTOCOLS in changes.fields:
            text = completed(changes.fields[PROTOCOLS] or "", found.item.id if found.item else address.name)
            changes = replace(changes, fields={**changes.fields, PROTOCOLS: text})
        wanted = Wanted(
            address=address,
            name=address.name,
            data_type=parsed.data_type,
            changes=changes,
            accessibility=accessibility,
        )
        outcome = self._creator.put(found, wanted)
        if outcome.renamed:
            return outcome
        for level, children in parsed.children.items():
            for child in children:
                self._write_child(outcome.item, level, child)
        if self._replace and outcome.item.kind == "session":
            self._remove_others(outcome.item, parsed)
        self._share(outcome.item, parsed)
        return outcome

    def _write_child(self, parent: Item, level: str, parsed: Parsed) -> None:
        if not parsed.name:
            raise Unprocessable(f"one of the {level} has neither label nor ID")
        if parent.family is Family.SUBJECT:
            above = Address(project=parent.project, subject=parent.id, level="subjects")
        else:
            above = Address(experiment=parent.id, level="experiments")
        address = above.member(level, parsed.name)
        self.write(address, find(self._connection, self._creator.user, address), parsed)

    def _remove_others(self, session: Item, parsed: Parsed) -> None:
        for level, family in _PARTS.items():
            named = {child.name for child in parsed.children.get(level, ())}
            for part in parts_of(self._connection, family, session):
                if part.id not in named:
                    writing.remove(self._connection, part, self._stamp)

    def _share(self, item: Item, parsed: Parsed) -> None:
        if not parsed.shares:
            return
        there = {row[1] for row in visible_in(self._connection, item)}
        for name, label in parsed.shares:
            project = find_project(self._connection, name)
            if project is None or project.id in there:
                continue
            check_add(self._connection, self._creator.user, project)
            writing.share(self._connection, item, project, label or item.label, self._stamp)


def without_others(changes: Changes, item: Item) -> Changes:
    """Return changes that also clear the named values of an item which they do not set."""
    gone = {path: None for path in item.data if named_entry(path) is not None and path not in changes.fields}
    return replace(changes, fields={**gone, **changes.fields})

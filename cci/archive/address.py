"""What an address below ``/data`` names. Reading of text only; whether it exists is asked elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from cci.archive.errors import BadRequest

#: Which collections an item of each collection has. Below ``/projects/P/experiments/E`` there are no scans
#: and assessors: XNAT answers with the experiment there, and clients know it.
_CHILDREN = {
    "": ("projects", "subjects", "experiments"),
    "projects": ("subjects", "experiments"),
    "subjects": ("experiments",),
    "experiments": ("scans", "assessors", "reconstructions"),
}
_FIELD = {
    "projects": "project",
    "subjects": "subject",
    "experiments": "experiment",
    "scans": "scan",
    "assessors": "assessor",
    "reconstructions": "reconstruction",
}
_GROUPED = frozenset({"assessors", "reconstructions"})
_SHAREABLE = frozenset({"subjects", "experiments", "assessors"})


@dataclass(frozen=True, kw_only=True)
class Address:
    """An address, taken apart.

    Attributes
    ----------
    level
        Collection of the innermost item that is named: ``scans`` for ``…/scans/1/resources``.
    collection
        What of that item is meant, empty for the item itself: one of its collections, ``resources``,
        ``files``, ``shares``.
    grouping
        ``in`` or ``out`` for the files of assessors and reconstructions.
    file
        Path below ``files``, as it was given; ends in a slash for a folder.
    extra
        Segments after the item that mean nothing in particular, or an attribute of it.
    """

    project: str = ""
    subject: str = ""
    experiment: str = ""
    scan: str = ""
    assessor: str = ""
    reconstruction: str = ""
    level: str = ""
    grouping: str = ""
    collection: str = ""
    resource: str = ""
    file: str = ""
    share: str = ""
    extra: tuple[str, ...] = ()

    def member(self, collection: str, name: str) -> Address:
        """Return the address of a member of one of this item's collections."""
        return _step(replace(self, collection=""), collection, name)

    @property
    def name(self) -> str:
        """The name of the innermost item."""
        return str(getattr(self, _FIELD[self.level])) if self.level else ""


@lru_cache(maxsize=1024)
def parse_address(path: str) -> Address:
    """Take a path below ``/data`` apart: ``projects/P/subjects/S``.

    Raises
    ------
    BadRequest
        Something other than ``files`` follows a resource.
    """
    segments = [segment for segment in path.split("/") if segment]
    return _items(Address(), segments, folder=path.endswith("/"))


def _items(address: Address, rest: Sequence[str], *, folder: bool) -> Address:
    while rest:
        head = rest[0]
        if head not in _collections(address):
            return _tail(address, rest, folder=folder)
        if len(rest) == 1:
            return replace(address, collection=head)
        address = _step(address, head, rest[1])
        rest = rest[2:]
        if address.level in _GROUPED and rest and rest[0] in {"in", "out"}:
            address, rest = replace(address, grouping=rest[0]), rest[1:]
    return address


def _step(address: Address, collection: str, name: str) -> Address:
    grouping = "out" if collection in _GROUPED else ""
    named = {_FIELD[collection]: name}
    return replace(address, level=collection, grouping=grouping, **named)  # type: ignore[arg-type]  # str fields


def _collections(address: Address) -> Sequence[str]:
    through_project = address.level == "experiments" and address.project and not address.subject
    return () if through_project else _CHILDREN.get(address.level, ())


def _tail(address: Address, rest: Sequence[str], *, folder: bool) -> Address:
    head = rest[0]
    if head == "resources" and address.level:
        return _resource(address, rest[1:], folder=folder)
    if head == "files" and address.level:
        return replace(address, collection="files", file=_file(rest[1:], folder=folder))
    if head == "projects" and address.level in _SHAREABLE and len(rest) <= 2:
        return replace(address, collection="shares", share="".join(rest[1:]))
    return replace(address, extra=tuple(rest))


def _resource(address: Address, rest: Sequence[str], *, folder: bool) -> Address:
    if not rest:
        return replace(address, collection="resources")
    address = replace(address, collection="resources", resource=rest[0])
    if len(rest) == 1:
        return address
    if rest[1] != "files":
        raise BadRequest(f"a resource has files and nothing else, not {rest[1]}")
    return replace(address, collection="files", file=_file(rest[2:], folder=folder))


def _file(rest: Sequence[str], *, folder: bool) -> str:
    return "/".join(rest) + ("/" if folder and rest else "")

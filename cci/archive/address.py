"""What an address below ``/data`` names. Reading of text only; whether it exists is asked elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

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
#: Attributes of an address that is being read, by name.
Parts = dict[str, Any]


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
        return replace(self, collection="", **_step(collection, name))

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
    return Address(**_items(segments, folder=path.endswith("/")))


def _items(rest: Sequence[str], *, folder: bool) -> Parts:
    parts: Parts = {}
    while rest:
        head = rest[0]
        if head not in _collections(parts):
            return {**parts, **_tail(parts.get("level", ""), rest, folder=folder)}
        if len(rest) == 1:
            return {**parts, "collection": head}
        parts = {**parts, **_step(head, rest[1])}
        rest = rest[2:]
        if head in _GROUPED and rest and rest[0] in {"in", "out"}:
            parts["grouping"], rest = rest[0], rest[1:]
    return parts


def _step(collection: str, name: str) -> Parts:
    return {
        _FIELD[collection]: name,
        "level": collection,
        "grouping": "out" if collection in _GROUPED else "",
    }


def _collections(parts: Parts) -> Sequence[str]:
    level = parts.get("level", "")
    through_project = level == "experiments" and "project" in parts and "subject" not in parts
    return () if through_project else _CHILDREN.get(level, ())


def _tail(level: str, rest: Sequence[str], *, folder: bool) -> Parts:
    head = rest[0]
    if head == "resources" and level:
        return _resource(rest[1:], folder=folder)
    if head == "files" and level:
        return {"collection": "files", "file": _file(rest[1:], folder=folder)}
    if head == "projects" and level in _SHAREABLE and len(rest) <= 2:
        return {"collection": "shares", "share": "".join(rest[1:])}
    return {"extra": tuple(rest)}


def _resource(rest: Sequence[str], *, folder: bool) -> Parts:
    if not rest:
        return {"collection": "resources"}
    if len(rest) == 1:
        return {"collection": "resources", "resource": rest[0]}
    if rest[1] != "files":
        raise BadRequest(f"a resource has files and nothing else, not {rest[1]}")
    return {"collection": "files", "resource": rest[0], "file": _file(rest[2:], folder=folder)}


def _file(rest: Sequence[str], *, folder: bool) -> str:
    return "/".join(rest) + ("/" if folder and rest else "")

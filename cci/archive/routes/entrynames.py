"""How files are called inside a zip or tar, by the structure that a client asks for. Names only."""

from __future__ import annotations

import re
from dataclasses import dataclass

#: What cannot stand in the name of a folder everywhere.
_AWKWARD = re.compile(r'[/\\:*?"<>|]')


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the files of a resource lie.

    Attributes
    ----------
    top
        Label of the session; of the item itself where it is of no session.
    category, name, kind
        ``scans``, ``assessors``, ``reconstructions`` or ``resources``; the id (label for assessors) and the
        type of that part, empty for ``resources``.
    """

    top: str
    category: str = "resources"
    name: str = ""
    kind: str = ""
    grouping: str = ""
    label: str = ""


def folder_name(place: Place, structure: str = "", form: str = "zip") -> str:
    """Return the folder of a resource's files.

    Parameters
    ----------
    structure
        ``improved``: without the session, and the type in the folder's name; ``simplified``: without the
        words ``resources`` and ``files``, and an assessor's without its session. Any other gives XNAT's usual
        names; also ``legacy``, which on XNAT are paths on the server.
    form
        Names in a tar are short: no types.
    """
    if structure == "improved":
        kind = f"_{_AWKWARD.sub('_', place.kind)}" if place.kind and not form.startswith("tar") else ""
        return _joined(place.category, f"{place.name}{kind}" if place.name else "", place.label)
    if structure == "simplified" and place.category == "assessors":
        return _joined(place.name, place.grouping, place.label)
    if structure == "simplified":
        part = (place.category, place.name) if place.name else ()
        return _joined(place.top, *part, place.grouping, place.label)
    typed = place.category == "scans" and place.kind
    name = f"{place.name}-{_plain(place.kind)}" if typed else place.name
    part = (place.category, name) if place.name else ()
    return _joined(place.top, *part, place.grouping, "resources", place.label, "files")


def _joined(*parts: str) -> str:
    return "/".join(part for part in parts if part)


def _plain(text: str) -> str:
    return "".join(char if char.isalnum() or char in "-_." else "_" for char in text)

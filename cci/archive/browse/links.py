"""Addresses of pages. Text only; whether something is there is asked elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlencode

from cci.archive.address import Address
from cci.archive.store.catalog import ResourceRow

ROOT = "/browse/"
_DATA = "/data/"


@dataclass(frozen=True, kw_only=True)
class Crumb:
    """One step of the way from the list of projects to a page."""

    label: str
    link: str


def below(parent: str, *steps: str) -> str:
    """Return the address that follows from a page's by these steps, each one segment."""
    return "/".join([parent.rstrip("/"), *(quote(step, safe="") for step in steps)])


def with_query(link: str, **values: str | int) -> str:
    """Add parameters to an address; those that are empty or 0 are left out."""
    given = {name: value for name, value in values.items() if value}
    return f"{link}?{urlencode(given)}" if given else link


def data(link: str) -> str:
    """Return the address in the REST interface of what a page shows."""
    return _DATA + link.removeprefix(ROOT)


def resource(owner: str, row: ResourceRow) -> str:
    """Return the address of a resource of the item whose page is *owner*.

    By its label; by its number where its label would mean another one there, or a step up.
    """
    usual = "out" if "/assessors/" in owner or "/reconstructions/" in owner else ""
    if row.label in {".", ".."} or (row.grouping != usual and not row.grouping):
        return below(owner, "resources", str(row.pk))
    group = [row.grouping] if row.grouping != usual else []
    return below(owner, *group, "resources", row.label)


def file(resource_link: str, path: str) -> str:
    """Return the address of a file of the resource with this address."""
    return f"{resource_link}/files/{quote(path)}"


def zipped(resource_link: str) -> str:
    """Return the address of a zip with all files of a resource, or of an item."""
    return data(resource_link) + "/files?format=zip"


def item(address: Address) -> str:
    """Return the address of the item that an address names, without what follows it."""
    names = {
        "projects": address.project,
        "subjects": address.subject,
        "experiments": address.experiment,
        "scans": address.scan,
        "assessors": address.assessor,
        "reconstructions": address.reconstruction,
    }
    steps = [word for level, name in names.items() if name for word in (level, name)]
    return below(ROOT, *steps) if steps else ROOT


def is_local(address: str) -> bool:
    """Whether a browser that is sent there stays with these pages."""
    plain = all(32 < ord(char) < 127 for char in address)
    return (
        plain and address.startswith(ROOT) and "\\" not in address and "//" not in address.partition("?")[0]
    )

"""What pages show of scans, assessors and resources: values made from the store's rows. No HTML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cci.archive.browse import links
from cci.archive.browse.inline import Form, form_of
from cci.archive.browse.words import field_name, natural, plain, scan_of
from cci.archive.store.browsing import Picture
from cci.archive.store.catalog import FileRow, ResourceRow
from cci.archive.store.items import Item
from cci.archive.typedefs import REGISTRY

#: Fields that have a place of their own on the pages.
_SHOWN = frozenset(
    {"ID", "label", "project", "procstatus", "note", "validation/status", "name", "description"}
)


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A resource with the addresses of its page and of a zip of it. *size* is in bytes."""

    label: str
    files: int
    size: int
    link: str
    zip: str


@dataclass(frozen=True, kw_only=True)
class Part:
    """A scan, assessor or reconstruction in the list of its session.

    Attributes
    ----------
    title
        What it is called in the list: the scan's id, the assessor's proctype.
    thumbnail
        Address of a small picture; empty for none.
    scan
        The scan that an assessor is about; empty for the whole session.
    """

    item: Item
    link: str
    title: str
    thumbnail: str
    scan: str
    resources: tuple[Resource, ...]

    def get(self, path: str) -> str:
        """Return a field as its writer meant it."""
        return plain(self.item.data.get(path, ""))


@dataclass(frozen=True, kw_only=True)
class File:
    """A file of a resource. *link* shows it where a browser can, *download* always sends it."""

    path: str
    size: int
    md5: str
    created: str
    content: str
    form: Form | None
    link: str
    download: str


def resource(owner_link: str, row: ResourceRow) -> Resource:
    """Return what is shown of a resource."""
    link = links.resource(owner_link, row)
    return Resource(
        label=row.label, files=row.file_count, size=row.file_size, link=link, zip=links.zipped(link)
    )


def file(resource_link: str, row: FileRow) -> File:
    """Return what is shown of a file."""
    link = links.file(resource_link, row.path)
    form = form_of(row.path)
    download = links.data(link)
    return File(
        path=row.path,
        size=row.size,
        md5=row.md5,
        created=row.created_at,
        content=row.labels.content,
        form=form,
        link=link if form is not None else download,
        download=download,
    )


def parts(
    session_link: str,
    collection: str,
    items: Iterable[Item],
    resources: Iterable[ResourceRow],
    pictures: Iterable[Picture],
) -> list[Part]:
    """Return the parts of one collection of a session, in the order in which people count."""
    having: dict[int, list[ResourceRow]] = {}
    for row in resources:
        having.setdefault(row.owner.pk, []).append(row)
    seen: dict[int, list[Picture]] = {}
    for picture in pictures:
        seen.setdefault(picture.owner_pk, []).append(picture)
    made = [
        _part(session_link, collection, item, having.get(item.pk, []), seen.get(item.pk, []))
        for item in items
    ]
    return sorted(made, key=lambda each: (natural(each.title), natural(each.scan), natural(each.item.label)))


def _part(
    session_link: str, collection: str, item: Item, rows: list[ResourceRow], pictures: list[Picture]
) -> Part:
    link = links.below(session_link, collection, item.id)
    title = item.id if collection != "assessors" else plain(item.data.get("proctype", "") or item.label)
    return Part(
        item=item,
        link=link,
        title=title,
        thumbnail=thumbnail(link, rows, pictures),
        scan=scan_of(plain(item.data.get("inputs", ""))) if collection == "assessors" else "",
        resources=tuple(resource(link, row) for row in rows),
    )


def thumbnail(owner_link: str, rows: Iterable[ResourceRow], pictures: Iterable[Picture]) -> str:
    """Return the address of the small picture among the snapshots of an item; empty for none.

    XNAT and DAX mark it with the content THUMBNAIL; else it is called so, else any picture will do.
    """
    shown = [each for each in pictures if form_of(each.path) is Form.PICTURE]
    if not shown:
        return ""
    best = min(shown, key=lambda each: (_rank(each), each.path))
    row = next((row for row in rows if row.label == "SNAPSHOTS" and row.grouping == best.grouping), None)
    return links.file(links.resource(owner_link, row), best.path) if row is not None else ""


def _rank(picture: Picture) -> int:
    if picture.content.upper() == "THUMBNAIL":
        return 0
    return 1 if "thumbnail" in picture.path.lower() else 2


def fields(item: Item) -> list[tuple[str, str]]:
    """Return names and values of the fields that have no place of their own, in the type's order."""
    known = REGISTRY.find(item.xsi_type)
    order = {path: number for number, path in enumerate(REGISTRY.fields(known))} if known is not None else {}
    paths = sorted(item.data, key=lambda path: (order.get(path.lower(), len(order)), path))
    return [(field_name(path), plain(item.data[path])) for path in paths if _tells(path, item.data)]


def _tells(path: str, data: Mapping[str, str]) -> bool:
    return path not in _SHOWN and data[path] not in {"", None}

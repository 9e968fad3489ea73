"""An item with everything below it, as values; and its JSON form. The XML form is in `xmlwrite`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cci.archive.protocols import protocol_items
from cci.archive.store.catalog import ResourceRow
from cci.archive.store.items import Item
from cci.archive.typedefs import REGISTRY
from cci.archive.types import Family, Kind, named_entry, resolve_field
from cci.archive.values import java_date

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Document:
    """An item and what belongs to it.

    Attributes
    ----------
    subject_id, session_id
        Accession ids of what is above, empty where there is none.
    shares
        (project, label) for each project it is shared into.
    """

    item: Item
    subject_id: str = ""
    session_id: str = ""
    shares: Sequence[tuple[str, str]] = ()
    resources: Sequence[ResourceRow] = ()
    scans: Sequence[Document] = ()
    reconstructions: Sequence[Document] = ()
    assessors: Sequence[Document] = ()
    experiments: Sequence[Document] = ()


def identity(document: Document) -> dict[str, str]:
    """Return the fields of an item that are not in its data: ids and label, in the order of the schema."""
    item = document.item
    if item.family is Family.PROJECT:
        return {"ID": item.id}
    if item.family in {Family.SCAN, Family.RECONSTRUCTION}:
        return {"ID": item.id, "image_session_ID": document.session_id}
    found = {"ID": item.id, "project": item.project, "label": item.label}
    if item.family is Family.EXPERIMENT:
        if item.kind == "image":
            return {**found, "imageSession_ID": document.session_id}
        return {**found, "subject_ID": document.subject_id}
    return found


def items_json(document: Document) -> Json:
    """Return the document that ``format=json`` gives for an item."""
    return {"items": [_json(document)]}


def _json(document: Document) -> Json:
    item = document.item
    plain = {path: text for path, text in item.data.items() if not _apart(path)}
    fields = {**identity(document), **plain}
    return {
        "children": _children(document),
        "meta": {
            "create_event_id": 0,
            "xsi:type": item.xsi_type,
            "isHistory": False,
            "start_date": java_date(item.insert_date),
        },
        "data_fields": {path: _typed(item.xsi_type, path, text) for path, text in fields.items()},
    }


def _apart(path: str) -> bool:
    # what begins with an underscore is the archive's own
    return named_entry(path) is not None or path.startswith(("demographics/", "_"))


def _typed(xsi_type: str, path: str, text: str) -> str | int | float:
    each = REGISTRY.find(xsi_type)
    found = resolve_field(REGISTRY, each, path) if each is not None else None
    kind = found.kind if found is not None else Kind.STRING
    if kind in {Kind.INT, Kind.BOOL}:
        return int(text)
    return float(text) if kind is Kind.FLOAT else text


def _children(document: Document) -> list[Json]:
    groups = {
        "sharing/share": [_plain({"project": project, "label": label}) for project, label in document.shares],
        "studyProtocol": protocol_items(document.item.data),
        **_demographics(document.item),
        **_named(document.item),
        **_resources(document),
        "scans/scan": [_json(each) for each in document.scans],
        "reconstructions/reconstructedImage": [_json(each) for each in document.reconstructions],
        "assessors/assessor": [_json(each) for each in document.assessors],
        "experiments/experiment": [_json(each) for each in document.experiments],
    }
    return [{"field": field, "items": items} for field, items in groups.items() if items]


def _demographics(item: Item) -> dict[str, list[Json]]:
    prefix = "demographics/"
    found = {
        path.removeprefix(prefix): _typed(item.xsi_type, path, text)
        for path, text in item.data.items()
        if path.startswith(prefix) and named_entry(path) is None
    }
    return {"demographics": [_plain(found, "xnat:demographicData")]} if found else {}


def _named(item: Item) -> dict[str, list[Json]]:
    groups: dict[str, list[Json]] = {}
    for path, text in item.data.items():
        entry = named_entry(path)
        if entry is not None:
            leaf = path.rsplit("/", 1)[-1]
            groups.setdefault(entry[0], []).append(_plain({"name": entry[1], leaf: text}))
    return groups


def resource_path(item: Item, grouping: str) -> str:
    """Return the path of a resource element below its item: ``out/file``, ``resources/resource``."""
    if item.family is Family.SCAN:
        return "file"
    return f"{grouping}/file" if grouping else "resources/resource"


def resource_fields(row: ResourceRow) -> dict[str, str | int]:
    """Return the attributes of a resource element; empty ones are left out."""
    words: dict[str, str | int] = {
        "label": row.label,
        "URI": f"/data/resources/{row.pk}/{row.label}_catalog.xml",
        "file_count": row.file_count,
        "file_size": row.file_size,
        "format": row.labels.format,
        "content": row.labels.content,
        "description": row.labels.description,
    }
    return {name: value for name, value in words.items() if value != ""}


def _resources(document: Document) -> dict[str, list[Json]]:
    groups: dict[str, list[Json]] = {}
    for row in document.resources:
        fields = {"xnat_abstractresource_id": row.pk, **resource_fields(row)}
        path = resource_path(document.item, row.grouping)
        groups.setdefault(path, []).append(_plain(fields, "xnat:resourceCatalog"))
    return groups


def _plain(fields: Json, xsi_type: str = "") -> Json:
    meta = {"isHistory": False, **({"xsi:type": xsi_type} if xsi_type else {})}
    return {"children": [], "meta": meta, "data_fields": fields}

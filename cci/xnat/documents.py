"""One session's document as the rows that bulk listings would have for it; pure.

The document is what an XNAT gives for ``/data/experiments/ID?format=json``: the session with its scans,
resources and assessors. Turned into rows it is gathered by the same code as listings are, and cannot differ.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from cci.errors import Malformed
from cci.model import Assessor
from cci.xnat import assemble, listings
from cci.xnat.tables import Row, Table, plain

Item = Mapping[str, Any]
#: Attributes of a resource that its rows have.
_RESOURCE_FIELDS = ("label", "file_count", "file_size")


def read_session(
    document: Any,
    project_id: str,
    experiment: Row,
    *,
    assessor_types: Sequence[str],
    lacks: Collection[str] = (),
) -> assemble.Parts:
    """Read the document of one session.

    Parameters
    ----------
    document
        The archive's answer.
    project_id
        The project that is looked at; it may see the session without owning it.
    experiment
        The session's row in the listing of experiments.
    assessor_types
        Types of assessors that are wanted.
    lacks
        Listings that cannot tell the counts of files: then they are left out here too, for a count that
        appears would look like a change.

    Raises
    ------
    Malformed
        If the answer is not this session's document.
    """
    try:
        item = document["items"][0]
        fields = _fields(item)
        if fields["ID"] != experiment["id"]:
            raise Malformed(f"another document than that of {experiment['id']} came")
        return _parts(item, fields, project_id, experiment, assessor_types, lacks)
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise Malformed(f"the answer for {experiment['id']} is no document of a session") from error


def _parts(  # noqa: PLR0917 -- the parts of one document, taken apart once
    item: Item,
    fields: Row,
    project_id: str,
    experiment: Row,
    assessor_types: Sequence[str],
    lacks: Collection[str],
) -> assemble.Parts:
    key = experiment["id"]
    scans = _scan_rows(item, key, fields.get("project", ""), counted="scans" not in lacks)
    counted = "session resources" not in lacks
    own = _resource_rows(item, "resources/resource", listings.SESSION_RESOURCE, counted=counted)
    found: list[Assessor] = []
    for xsi_type in assessor_types:
        name = listings.assessors(project_id, xsi_type).name
        rows = _assessor_rows(item, key, project_id, xsi_type, counted=name not in lacks)
        found += assemble.gather_assessors(Table.of(rows), xsi_type, {key: experiment})
    return assemble.Parts(
        experiments={},
        subjects={},
        images=assemble.gather_scans(Table.of(scans)),
        resources=assemble.gather_session_resources(Table.of({"id": key, **row} for row in own)),
        assessors=assemble.grouped(found),
    )


def _scan_rows(item: Item, session_id: str, owner: str, *, counted: bool) -> Iterator[Row]:
    prefix = listings.SCAN
    blank = {"id": session_id, "project": owner, f"{prefix}/id": ""}
    yield blank
    for scan in _children(item, "scans/scan"):
        fields = _fields(scan)
        own = {f"{prefix}/{name}": fields.get(name, "") for name in listings.SCAN_FIELDS}
        row = {**blank, **own, f"{prefix}/id": fields["ID"]}
        for resource in _resource_rows(scan, "file", f"{prefix}/file", counted=counted):
            yield {**row, **resource}


def _assessor_rows(
    item: Item, session_id: str, project_id: str, xsi_type: str, *, counted: bool
) -> Iterator[Row]:
    prefix = xsi_type.lower()
    for assessor in _children(item, "assessors/assessor"):
        fields = _fields(assessor)
        if str(assessor["meta"]["xsi:type"]).lower() != prefix:
            continue
        label = _label_in(project_id, assessor, fields)
        if label is None:
            continue
        own = {f"{prefix}/{name}": fields.get(name, "") for name in listings.ASSESSOR_FIELDS}
        row = {
            "id": fields["ID"],
            "label": label,
            "xsitype": str(assessor["meta"]["xsi:type"]),
            "project": project_id,
            "session_id": session_id,
            "note": fields.get("note", ""),
            **own,
        }
        where = listings.assessor_resource(xsi_type, of_subject=False)
        for resource in _resource_rows(assessor, "out/file", where, counted=counted):
            yield {**row, **resource}


def _label_in(project_id: str, assessor: Item, fields: Row) -> str | None:
    """Return an assessor's label in a project; None if the project does not see it."""
    if fields.get("project", project_id) == project_id:
        return fields["label"]
    shares = [_fields(share) for share in _children(assessor, "sharing/share")]
    return next((share.get("label", "") for share in shares if share.get("project") == project_id), None)


def _resource_rows(item: Item, field: str, prefix: str, *, counted: bool) -> Iterator[Row]:
    """Yield one row for each resource, or one without any."""
    wanted = _RESOURCE_FIELDS if counted else _RESOURCE_FIELDS[:1]
    found = False
    for resource in _children(item, field):
        fields = _fields(resource)
        if fields.get("label"):
            found = True
            yield {f"{prefix}/{name}": fields.get(name, "") for name in wanted}
    if not found:
        yield {f"{prefix}/label": ""}


def _children(item: Item, field: str) -> list[Item]:
    return [
        inner for child in item.get("children", ()) if child["field"] == field for inner in child["items"]
    ]


def _fields(item: Item) -> Row:
    """Return an item's own fields; those of a single element below it by their path."""
    own = {str(name): _text(value) for name, value in item["data_fields"].items()}
    for child in item.get("children", ()):
        if "/" not in child["field"] and len(child["items"]) == 1 and child["field"] != "file":
            inner = child["items"][0]["data_fields"]
            own |= {f"{child['field']}/{name}": _text(value) for name, value in inner.items()}
    return own


def _text(value: object) -> str:
    """Return a value as a listing would spell it."""
    if value is None:
        return ""
    return plain(str(int(value)) if isinstance(value, bool) else str(value))

"""The bulk requests of a snapshot: which address, which columns, and what an archive may lack of them.

Requests only; what the rows mean is in `cci.xnat.assemble`. Column names are XNAT's: aliases keep their
spelling in the header, paths come back in lower case.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from cci.errors import ArchiveError, Malformed, Refused, Unreachable
from cci.xnat import uris
from cci.xnat.answers import Answer, Kind
from cci.xnat.connection import Connection
from cci.xnat.tables import Table, csv_reader

T = TypeVar("T")

IMAGE_SESSION = "xnat:imageSessionData"


@dataclass(frozen=True, kw_only=True)
class Listing:
    """One bulk request.

    Attributes
    ----------
    name
        For people and for `Connection.lacks`.
    uri
        Address, from ``/data`` on.
    xsi_type
        Root type of the listing; the archive's own if empty.
    columns
        What the rows must have.
    optional
        What some archives cannot list; asked for as long as it works.
    """

    name: str
    uri: str
    xsi_type: str = ""
    columns: tuple[str, ...]
    optional: tuple[str, ...] = ()


def _counts(resource: str) -> tuple[str, str]:
    return (f"{resource}/file_count", f"{resource}/file_size")


def _experiments(project_id: str) -> str:
    return f"{uris.project(project_id)}/experiments"


def experiments(project_id: str) -> Listing:
    """Every subject-level experiment, owned or shared in, by the project's own names."""
    columns = ("ID", "label", "project", "subject_ID", "subject_label", "date", "xsiType", "insert_date")
    return Listing(name="experiments", uri=_experiments(project_id), columns=columns)


SUBJECT_FIELDS = ("gender", "yob", "dob", "age", "handedness", "group")


def subjects(project_id: str) -> Listing:
    """Every subject with its demographics, and the time of the last change of it or below it."""
    return Listing(
        name="subjects",
        uri=f"{uris.project(project_id)}/subjects",
        columns=("ID", "label", "project", *SUBJECT_FIELDS),
        optional=("last_modified",),
    )


SCAN = "xnat:imagescandata"
SCAN_FIELDS = ("id", "type", "quality", "note", "frames", "series_description")


def scans(project_id: str) -> Listing:
    """Every image session × scan × resource."""
    return Listing(
        name="scans",
        uri=_experiments(project_id),
        xsi_type=IMAGE_SESSION,
        columns=("ID", "project", *(f"{SCAN}/{name}" for name in SCAN_FIELDS), f"{SCAN}/file/label"),
        optional=_counts(f"{SCAN}/file"),
    )


SESSION_RESOURCE = "xnat:imagesessiondata/resources/resource"


def session_resources(project_id: str) -> Listing:
    """Every image session × resource of its own."""
    return Listing(
        name="session resources",
        uri=_experiments(project_id),
        xsi_type=IMAGE_SESSION,
        columns=("ID", f"{SESSION_RESOURCE}/label"),
        optional=_counts(SESSION_RESOURCE),
    )


ASSESSOR_FIELDS = ("procstatus", "proctype", "procversion", "validation/status", "jobid", "inputs")


def assessor_resource(xsi_type: str, *, of_subject: bool) -> str:
    """Return the path of an assessor's result resources, in lower case."""
    return f"{xsi_type.lower()}/{'resources/resource' if of_subject else 'out/file'}"


def assessors(project_id: str, xsi_type: str, *, of_subject: bool = False) -> Listing:
    """Every assessor of one type × result resource."""
    prefix = xsi_type.lower()
    owner = "subject_ID" if of_subject else "session_ID"
    resource = assessor_resource(xsi_type, of_subject=of_subject)
    fields = tuple(f"{prefix}/{name}" for name in ASSESSOR_FIELDS)
    return Listing(
        name=f"{xsi_type} assessors",
        uri=_experiments(project_id),
        xsi_type=xsi_type,
        columns=("ID", "label", "xsiType", "project", owner, "note", *fields, f"{resource}/label"),
        optional=_counts(resource),
    )


SESSION_FIELDS = ("label", "project", "subject_ID", "subject_label", "date", "insert_date")


def last_modified(project_id: str, xsi_type: str) -> Listing:
    """Every session of one type with its names, and the time of the last change of it or below it.

    Only the concrete type's own ``meta/last_modified`` is moved by changes of children.
    """
    return Listing(
        name=f"last changes of {xsi_type}",
        uri=_experiments(project_id),
        xsi_type=xsi_type,
        columns=("ID", *SESSION_FIELDS, f"{xsi_type.lower()}/meta/last_modified"),
    )


def fetch_dated(
    connection: Connection, listing: Listing, make: Callable[[Table], T]
) -> tuple[T, datetime | None]:
    """Ask for a listing without optional columns, as `fetch` does; also return when it was given.

    The time is the archive's own, in UTC; None if the archive does not tell.
    """
    read = csv_reader([name.lower() for name in listing.columns], make)
    return _get(connection, listing, (), lambda answer: (read(answer), answer.date))


def fetch(connection: Connection, listing: Listing, make: Callable[[Table], T]) -> T:
    """Ask for a listing and make a value of its rows while they arrive.

    An archive that cannot list the optional columns answers 400, 500 or an empty 200. This is believed
    only if the listing works without them and, asked again, not with them; a cut or late answer never is.

    Raises
    ------
    Unreachable, Malformed, LoginRefused, Forbidden, NotFound, Refused
        As the archive answers.
    """
    if not listing.optional or listing.name in connection.lacks:
        return _ask(connection, listing, (), make)
    try:
        return _ask(connection, listing, listing.optional, make)
    except (Malformed, Unreachable, Refused) as error:
        if not _is_an_answer(error):
            raise
        without = _ask(connection, listing, (), make)
    try:
        return _ask(connection, listing, listing.optional, make)
    except (Malformed, Unreachable, Refused) as error:
        if not _is_an_answer(error):
            raise
        connection.lacks.add(listing.name)
        return without


def knows_type(connection: Connection, xsi_type: str) -> bool:
    """Whether the archive has a data type, by its own list of them.

    Raises
    ------
    Unreachable, Malformed, LoginRefused, Forbidden, NotFound, Refused
        As the archive answers.
    """
    read = csv_reader(("element_name",), list)
    params = {"format": "csv"}
    rows = connection.get("/data/search/elements", read, kind=Kind.CSV, params=params, patient=True)
    return xsi_type.lower() in {row["element_name"].lower() for row in rows}


def _is_an_answer(error: ArchiveError) -> bool:
    """Whether the archive itself said so: what breaks on the wire or in parsing has a cause."""
    return error.__cause__ is None


def _ask(
    connection: Connection,
    listing: Listing,
    optional: tuple[str, ...],
    make: Callable[[Table], T],
) -> T:
    return _get(connection, listing, optional, csv_reader([name.lower() for name in listing.columns], make))


def _get(
    connection: Connection, listing: Listing, optional: tuple[str, ...], reader: Callable[[Answer], T]
) -> T:
    params = {"columns": ",".join(listing.columns + optional), "format": "csv"}
    if listing.xsi_type:
        params["xsiType"] = listing.xsi_type
    try:
        return connection.get(listing.uri, reader, kind=Kind.CSV, params=params, patient=True)
    except ArchiveError as error:
        error.add_note(f"while listing {listing.name}")
        raise

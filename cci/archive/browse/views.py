"""Which page shows what: from a call and a place to the name of a template and its values. No HTML."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cci.archive.access import may_read_inside
from cci.archive.browse import links, pager, parts
from cci.archive.browse.inline import Form
from cci.archive.browse.links import Crumb
from cci.archive.browse.pager import Pager
from cci.archive.browse.place import Place, find_place_resource
from cci.archive.browse.sheet import READ, Sheet, read_sheet
from cci.archive.browse.words import plain, scan_of, type_name
from cci.archive.call import Call
from cci.archive.errors import Missing
from cci.archive.store import browsing
from cci.archive.store.accounts import readable_projects
from cci.archive.store.browsing import ExperimentRow, SubjectRow, Window
from cci.archive.store.catalog import ResourceRow, resources_of, resources_of_parts
from cci.archive.store.database import Connection
from cci.archive.store.items import experiments_of, parts_of, visible_in
from cci.archive.types import Family

PROJECTS, SUBJECTS, SESSIONS, FILES = 50, 25, 100, 200
#: So many experiments of each subject are in the list of a project.
EACH = 10
#: So many files of each resource are on the page of the item.
SOME = 20
_PICTURES, _SHEETS, _DOCUMENTS = 24, 5, 2
#: Where results lie that newer ones have replaced.
_PAST = frozenset({"OLD"})
#: Longest words that are looked for, in characters.
_WORDS = 255


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page before it is HTML."""

    template: str
    title: str
    crumbs: tuple[Crumb, ...]
    values: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Line:
    """A session, or another experiment of a subject, in a list."""

    row: ExperimentRow
    link: str


@dataclass(frozen=True, kw_only=True)
class Group:
    """A subject with the first of its experiments; *rest* is how many are left out."""

    row: SubjectRow
    link: str
    lines: tuple[Line, ...]
    rest: int


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """A resource with the first of its files."""

    resource: parts.Resource
    files: tuple[parts.File, ...]


@dataclass(frozen=True, kw_only=True)
class Table:
    """A CSV file that is shown as a table; *sheet* is None if it is not one."""

    file: parts.File
    sheet: Sheet


# -- lists ------------------------------------------------------------------------------------------


def projects_page(connection: Connection, call: Call) -> Page:
    """Show the projects that the user may read."""
    readable = readable_projects(connection, call.user)
    words = _asked(call, "q")
    shown = pager.page(
        browsing.count_projects(connection, readable, words), PROJECTS, call.get("page"), links.ROOT, q=words
    )
    window = Window(words=words, offset=shown.offset, limit=PROJECTS)
    rows = browsing.projects(connection, readable, window)
    lines = [(row, links.below(links.ROOT, "projects", row.id)) for row in rows]
    crumbs = (Crumb(label="Projects", link=links.ROOT),)
    values = {"lines": lines, "pager": shown, "words": words}
    return Page(template="projects.html", title="Projects", crumbs=crumbs, values=values)


def project_page(connection: Connection, call: Call, place: Place) -> Page:
    """Show a project: its subjects with their sessions, found by words or by the status of a task."""
    project, words, status = place.item, _asked(call, "q"), _asked(call, "status")
    values: dict[str, object] = {"item": project, "inside": may_read_inside(connection, call.user, project)}
    if values["inside"]:
        total = browsing.count_subjects(connection, project, words, status)
        shown = pager.page(total, SUBJECTS, call.get("page"), place.link, q=words, status=status)
        subjects, sessions = browsing.count_parts(connection, project)
        values |= {
            "groups": _groups(connection, place, shown, words, status),
            "pager": shown,
            "words": words,
            "status": status,
            "subjects": subjects,
            "sessions": sessions,
            "statuses": [
                (word, count, links.with_query(place.link, status=word))
                for word, count in browsing.task_statuses(connection, project)
                if word
            ],
            "shelves": _shelves(connection, place),
        }
    return _page(place, "project.html", project.id, values)


def _groups(connection: Connection, place: Place, shown: Pager, words: str, status: str) -> list[Group]:
    window = Window(words=words, offset=shown.offset, limit=SUBJECTS)
    rows = browsing.subjects(connection, place.item, window, status)
    having = browsing.experiments(connection, place.item, rows, Window(words=words, limit=EACH), status)
    return [_group(place.link, row, [each for each in having if each.subject_pk == row.pk]) for row in rows]


def _group(project_link: str, row: SubjectRow, having: list[ExperimentRow]) -> Group:
    link = links.below(project_link, "subjects", row.id) if row.here else ""
    start = link or links.ROOT
    lines = tuple(Line(row=each, link=links.below(start, "experiments", each.id)) for each in having)
    rest = having[0].more - len(having) if having else 0
    return Group(row=row, link=link, lines=lines, rest=rest)


def subject_page(connection: Connection, call: Call, place: Place) -> Page:
    """Show a subject with what a project sees of its sessions."""
    subject, project = place.item, place.found.project
    lines: list[Line] = []
    shown = pager.page(0, SESSIONS, "", place.link)
    if project is not None:
        row = SubjectRow(pk=subject.pk, id=subject.id, label=subject.label)
        window = Window(limit=SESSIONS)
        found = browsing.experiments(connection, project, [row], window)
        shown = pager.page(found[0].more if found else 0, SESSIONS, call.get("page"), place.link)
        if shown.offset:
            window = Window(limit=SESSIONS, offset=shown.offset)
            found = browsing.experiments(connection, project, [row], window)
        lines = [Line(row=each, link=links.below(place.link, "experiments", each.id)) for each in found]
    values = {
        **_about(connection, call, place),
        "lines": lines,
        "pager": shown,
        "shelves": _shelves(connection, place),
    }
    return _page(place, "subject.html", plain(subject.label), values)


# -- items ------------------------------------------------------------------------------------------


def experiment_page(connection: Connection, call: Call, place: Place) -> Page:
    """Show a session with its scans and tasks, or another experiment of a subject."""
    values = _about(connection, call, place) | {"shelves": _shelves(connection, place)}
    for family, collection in (
        (Family.SCAN, "scans"),
        (Family.EXPERIMENT, "assessors"),
        (Family.RECONSTRUCTION, "reconstructions"),
    ):
        values[collection] = having = _parts(connection, place, family, collection)
        if family is Family.SCAN:
            # a column that tells nothing is left out
            values["frames"] = any(each.get("frames") for each in having)
            values["series"] = any(
                each.get("series_description") not in {"", each.get("type")} for each in having
            )
    return _page(place, "session.html", plain(place.item.label), values)


def _parts(connection: Connection, place: Place, family: Family, collection: str) -> list[parts.Part]:
    session = place.item
    if family is Family.EXPERIMENT:
        items = experiments_of(connection, session, ("image",))
    else:
        items = parts_of(connection, family, session)
    resources = resources_of_parts(connection, session, family)
    return parts.parts(
        place.link, collection, items, resources, browsing.pictures(connection, session, family)
    )


def part_page(connection: Connection, call: Call, place: Place) -> Page:
    """Show a scan, an assessor or a reconstruction: its fields, pictures, reports, tables and files."""
    shelves = _shelves(connection, place)
    current = [shelf for shelf in shelves if shelf.resource.label not in _PAST]
    files = [each for shelf in current for each in shelf.files]
    documents = [each for each in files if each.form is Form.DOCUMENT][:_DOCUMENTS]
    values = _about(connection, call, place) | {
        "shelves": shelves,
        "documents": documents,
        "pictures": _pictures(current, reported=bool(documents)),
        "tables": _tables(connection, call, place),
        "scan": scan_of(plain(place.item.data.get("inputs", ""))),
    }
    title = place.crumbs[-1].label
    return _page(place, "part.html", title[:1].upper() + title[1:], values)


def _pictures(shelves: list[Shelf], *, reported: bool) -> list[parts.File]:
    # snapshots are pages of the report, which is shown itself; the small one is the large one again
    files = [
        each
        for shelf in shelves
        if not (reported and shelf.resource.label == "SNAPSHOTS")
        for each in shelf.files
    ]
    shown = [each for each in files if each.form is Form.PICTURE]
    large = [each for each in shown if each.content != "THUMBNAIL" and "thumbnail" not in each.path.lower()]
    return (large or shown)[:_PICTURES]


def _tables(connection: Connection, call: Call, place: Place) -> list[Table]:
    found = []
    for row in _resources(connection, place):
        if row.label != "STATS":
            continue
        link = links.resource(place.link, row)
        for each in browsing.files(connection, row, Window(words=".csv", limit=_SHEETS)):
            with call.store.blobs.stored(each.blob).open("rb") as stream:
                sheet = read_sheet(stream.read(READ), cut=each.size > READ)
            if sheet is not None:
                found.append(Table(file=parts.file(link, each), sheet=sheet))
    return found


def resource_page(connection: Connection, call: Call, place: Place) -> Page:
    """Show the files of a resource."""
    row = readable_resource(connection, call, place)
    shown_resource = parts.resource(place.link, row)
    words = _asked(call, "q")
    total = browsing.count_files(connection, row, words)
    shown = pager.page(total, FILES, call.get("page"), shown_resource.link, q=words)
    window = Window(words=words, offset=shown.offset, limit=FILES)
    files = [parts.file(shown_resource.link, each) for each in browsing.files(connection, row, window)]
    values = {
        "resource": shown_resource,
        "labels": row.labels,
        "files": files,
        "pager": shown,
        "words": words,
    }
    crumbs = (*place.crumbs, Crumb(label=row.label, link=shown_resource.link))
    return Page(template="resource.html", title=row.label, crumbs=crumbs, values=values)


def readable_resource(connection: Connection, call: Call, place: Place) -> ResourceRow:
    """Return the resource that a place names.

    Raises
    ------
    Missing
        There is none, or it is that of a project whose insides the user may not see.
    """
    if place.item.family is Family.PROJECT and not may_read_inside(connection, call.user, place.item):
        raise Missing
    return find_place_resource(connection, place)


def _asked(call: Call, name: str) -> str:
    # no label has a NUL or is longer, and databases refuse to look for what is
    return call.get(name).replace("\0", "")[:_WORDS]


# -- parts of pages ---------------------------------------------------------------------------------


def _about(connection: Connection, call: Call, place: Place) -> dict[str, object]:
    item = place.item
    return {
        "item": item,
        "kind": type_name(item.xsi_type),
        "note": plain(item.data.get("note", "")),
        "procstatus": plain(item.data.get("procstatus", "")),
        "qc": plain(item.data.get("validation/status", "")),
        "fields": parts.fields(item),
        "elsewhere": _elsewhere(connection, call, place),
        "zip": links.zipped(place.link),
        "xml": links.data(place.link) + "?format=xml",
    }


def _elsewhere(connection: Connection, call: Call, place: Place) -> list[Crumb]:
    """Return the other projects that have this subject or session and that the user may read."""
    item, here = place.item, place.found.project
    if item.family not in {Family.SUBJECT, Family.EXPERIMENT} or item.kind == "image" or here is None:
        return []
    readable = readable_projects(connection, call.user)
    names = [row[1] for row in visible_in(connection, item) if row[1] != here.id]
    rows = browsing.project_keys(connection, names)
    return [
        Crumb(label=name, link=links.below(links.ROOT, "projects", name))
        for name, pk in rows
        if readable is None or pk in readable
    ]


def _resources(connection: Connection, place: Place) -> list[ResourceRow]:
    return resources_of(connection, place.item)


def _shelves(connection: Connection, place: Place) -> list[Shelf]:
    shelves = []
    for row in _resources(connection, place):
        shown = parts.resource(place.link, row)
        some = browsing.files(connection, row, Window(limit=SOME))
        shelves.append(Shelf(resource=shown, files=tuple(parts.file(shown.link, each) for each in some)))
    return shelves


def _page(place: Place, template: str, title: str, values: Mapping[str, object]) -> Page:
    return Page(template=template, title=title, crumbs=place.crumbs, values={**values, "link": place.link})


View = Callable[[Connection, Call, Place], Page]
_VIEWS: dict[Family, View] = {
    Family.PROJECT: project_page,
    Family.SUBJECT: subject_page,
    Family.EXPERIMENT: experiment_page,
    Family.SCAN: part_page,
    Family.RECONSTRUCTION: part_page,
}


def page(connection: Connection, call: Call, place: Place) -> Page:
    """Show what a place names.

    Raises
    ------
    Missing
        There is no such resource.
    """
    if place.address.resource:
        return resource_page(connection, call, place)
    if place.item.kind == "image":
        return part_page(connection, call, place)
    return _VIEWS[place.item.family](connection, call, place)

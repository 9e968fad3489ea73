"""Creating and updating items: the rules of XNAT's PUT, on the store, without HTTP.

A PUT is creation or update by whether the item exists. An update touches only what it names. ``label=`` on an
existing subject or session is a rename and nothing else, also where the label is the present one. A session
can be given to another subject: by ``subject_ID=``, or by a PUT below that subject.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from cci.archive import audit
from cci.archive.access import check_add, check_edit
from cci.archive.address import Address
from cci.archive.changes import Changes
from cci.archive.errors import BadRequest, Collision, Missing, NeedContents, NoRight, Unprocessable
from cci.archive.listing import Node, node_of
from cci.archive.store import writing
from cci.archive.store.accounts import User, set_role
from cci.archive.store.belonging import give_to_subject
from cci.archive.store.database import Connection
from cci.archive.store.items import PLACES, Item, by_pk, find_part, find_project, find_subject
from cci.archive.store.writing import Stamp
from cci.archive.tree import Found, name_in_log
from cci.archive.typedefs import REGISTRY
from cci.archive.types import DataType, Family
from cci.archive.values import check_label

_ID = re.compile(r"[A-Za-z0-9_-]+")
_PARTS = {"scans": Family.SCAN, "reconstructions": Family.RECONSTRUCTION}
#: Kinds of experiments that belong to a subject itself.
_OF_SUBJECTS = frozenset({"session", "subject"})
#: Fields without which the schemas, ours as XNAT's, have no item of a type.
_REQUIRED = {"xnat:qcManualAssessorData": "pass"}
_EXPECTED = {
    "projects": (Node.PROJECT,),
    "subjects": (Node.SUBJECT,),
    "experiments": (Node.SESSION, Node.EXPERIMENT),
    "assessors": (Node.ASSESSOR,),
    "scans": (Node.SCAN,),
    "reconstructions": (Node.RECONSTRUCTION,),
}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a PUT or POST says of the item that its address names.

    Attributes
    ----------
    data_type
        None where the request names none.
    name
        Label or id of a new item: the last part of the address.
    """

    address: Address
    name: str
    data_type: DataType | None
    changes: Changes = field(default_factory=Changes)
    accessibility: str = ""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The item as it is after the write, whether it is new, and whether it was only renamed."""

    item: Item
    created: bool = False
    renamed: bool = False


class Creator:
    """Creates and updates items for one user in one transaction.

    Parameters
    ----------
    site
        Beginning of new accession ids.
    """

    def __init__(self, connection: Connection, user: User, stamp: Stamp, site: str) -> None:
        self._connection = connection
        self.user = user
        self._stamp = stamp
        self._site = site

    def put(self, found: Found, wanted: Wanted) -> Outcome:
        """Create or update what the address names."""
        outcome = self._put(found, wanted)
        name = name_in_log(outcome.item, found.session)
        # scans and reconstructions are part of the session that a document is of
        if wanted.address.level in _PARTS:
            audit.note(name)
        else:
            audit.wrote(name)
        return outcome

    def _put(self, found: Found, wanted: Wanted) -> Outcome:
        level = wanted.address.level
        if found.item is not None:
            check_edit(self._connection, self.user, found.item)
            return self._update(found, found.item, wanted)
        if wanted.data_type is None:
            raise NeedContents
        _check_type(wanted.data_type, level)
        if level == "projects":
            return self._create_project(wanted)
        return self._create(found, wanted, wanted.data_type)

    # -- new --------------------------------------------------------------------------------------

    def _create(self, found: Found, wanted: Wanted, each: DataType) -> Outcome:
        level = wanted.address.level
        if level == "subjects":
            return self._create_subject(found.project, wanted)
        if level == "experiments":
            return self._create_experiment(found, wanted, each)
        if found.session is None:
            raise Missing("Not Found: there is no such session")
        check_edit(self._connection, self.user, found.session)
        if level == "assessors":
            return self._create_assessor(found.session, wanted, each)
        return self._create_part(found.session, wanted, each)

    def _create_project(self, wanted: Wanted) -> Outcome:
        name = wanted.changes.identity.get("id", wanted.name)
        if not _ID.fullmatch(wanted.name) or name != wanted.name:
            raise NeedContents(f"{wanted.name[:80]!r} cannot be the id of a project")
        if not self.user.pk:
            raise NoRight("a guest cannot create projects")
        if writing.is_retired(self._connection, name):
            raise NoRight(f"a deleted project had the id {name}")
        # as XNAT: what nobody named is called as its id
        data = {"secondary_ID": name, "name": name, **wanted.changes.over({})}
        writing.create_project(self._connection, name, data, self._stamp)
        project = self._project(name)
        set_role(self._connection, self.user, project, "Owners")
        if wanted.accessibility:
            writing.save(self._connection, project, data, self._stamp, accessibility=wanted.accessibility)
        return Outcome(item=project, created=True)

    def _project(self, name: str) -> Item:
        project = find_project(self._connection, name)
        assert project is not None
        return project

    def _create_subject(self, project: Item | None, wanted: Wanted) -> Outcome:
        if project is None:
            raise Unprocessable("Submitted subject record must include the project attribute.")
        check_add(self._connection, self.user, project)
        _check_project(wanted, project)
        label = check_label(wanted.changes.identity.get("label", wanted.name))
        name = self._accession_id(wanted, "S")
        data = wanted.changes.over({})
        pk = writing.create_subject(self._connection, project, (name, label), data, self._stamp)
        return self._created(Family.SUBJECT, pk)

    def _create_experiment(self, found: Found, wanted: Wanted, each: DataType) -> Outcome:
        if found.project is None:
            raise Unprocessable("Submitted experiment record must include the project attribute.")
        check_add(self._connection, self.user, found.project)
        _check_project(wanted, found.project)
        subject = self._subject_of_new(found.project, found.subject, wanted)
        row = self._experiment_row(wanted, each)
        parents = {"project_pk": found.project.pk, "subject_pk": subject.pk, "session_pk": None}
        kind = "session" if node_of(each) is Node.SESSION else "subject"
        return self._insert_experiment({**row, **parents, "kind": kind})

    def _subject_of_new(self, project: Item, addressed: Item | None, wanted: Wanted) -> Item:
        if addressed is not None:
            return addressed
        name = wanted.address.subject or wanted.changes.fields.get("subject_ID")
        if not name:
            raise Unprocessable("Submitted experiment record must include the subject.")
        return self._subject_called(project, name)

    def _subject_called(self, project: Item, name: str) -> Item:
        """Return a project's subject of this id or label; a new one if there is none."""
        present = find_subject(self._connection, name, project)
        if present is not None:
            return present
        check_add(self._connection, self.user, project)
        identity = (writing.next_id(self._connection, "S", self._site), check_label(name))
        pk = writing.create_subject(self._connection, project, identity, {}, self._stamp)
        return self._created(Family.SUBJECT, pk).item

    def _create_assessor(self, session: Item, wanted: Wanted, each: DataType) -> Outcome:
        required = _REQUIRED.get(each.name, "")
        if required and not wanted.changes.fields.get(required):
            raise BadRequest(f"{each.name} has no {required}, which it must have")
        row = self._experiment_row(wanted, each)
        parents = {
            "project_pk": session.project_pk,
            "subject_pk": session.subject_pk,
            "session_pk": session.pk,
        }
        return self._insert_experiment({**row, **parents, "kind": "image"})

    def _experiment_row(self, wanted: Wanted, each: DataType) -> dict[str, object]:
        return {
            "id": self._accession_id(wanted, "E"),
            "label": check_label(wanted.changes.identity.get("label", wanted.name)),
            "xsi_type": each.name,
            "data": wanted.changes.over({}),
        }

    def _insert_experiment(self, row: Mapping[str, object]) -> Outcome:
        pk = writing.create_experiment(self._connection, row, self._stamp)
        return self._created(Family.EXPERIMENT, pk)

    def _create_part(self, session: Item, wanted: Wanted, each: DataType) -> Outcome:
        family = _PARTS[wanted.address.level]
        name = check_label(wanted.name)
        row = {"id": name, "xsi_type": each.name, "data": wanted.changes.over({})}
        writing.create_part(self._connection, family, session, row, self._stamp)
        part = find_part(self._connection, family, name, session)
        assert part is not None
        return Outcome(item=part, created=True)

    def _accession_id(self, wanted: Wanted, letter: str) -> str:
        given = wanted.changes.identity.get("id", "")
        if not given:
            return writing.next_id(self._connection, letter, self._site)
        if not _ID.fullmatch(given):
            raise NeedContents(f"{given[:80]!r} cannot be an accession id")
        return given

    def _created(self, family: Family, pk: int) -> Outcome:
        item = by_pk(self._connection, family, pk)
        assert item is not None
        return Outcome(item=item, created=True)

    # -- present ----------------------------------------------------------------------------------

    def _update(self, found: Found, item: Item, wanted: Wanted) -> Outcome:
        label = wanted.changes.asked.get("label")
        if label is not None and (item.family is Family.SUBJECT or item.kind in _OF_SUBJECTS):
            return self._rename(item, label)
        # documents call an item as its owner does, also through another project
        shared = item.shared and item.family in PLACES
        own = by_pk(self._connection, item.family, item.pk) if shared else None
        _check_unchanged(own or item, wanted)
        item = self._belonging(found, self._called(item, wanted), wanted)
        if item.family is Family.PROJECT:
            data = wanted.changes.over(item.data)
            writing.check_project_names(self._connection, item.id, data, item.pk)
        if wanted.changes.fields or wanted.accessibility:
            self._save(item, wanted)
        return Outcome(item=item)

    def _called(self, item: Item, wanted: Wanted) -> Item:
        """Rename a subject as its document says, which may say more than that."""
        label = wanted.changes.identity.get("label", item.label)
        if item.family is not Family.SUBJECT or item.shared or label == item.label:
            return item
        return self._rename(item, label).item

    def _belonging(self, found: Found, item: Item, wanted: Wanted) -> Item:
        """Give a session to the subject that the request names, if it names another one."""
        subject = self._subject_named(found, item, wanted) if item.kind in _OF_SUBJECTS else None
        if subject is None or subject.pk == item.subject_pk:
            return item
        give_to_subject(self._connection, item, subject, self._stamp)
        return replace(item, subject_pk=subject.pk)

    def _subject_named(self, found: Found, item: Item, wanted: Wanted) -> Item | None:
        asked = wanted.changes.asked.get("subject_ID")
        if asked:
            return self._subject_called(self._project(item.place), asked)
        if wanted.address.subject:
            return found.subject
        name = wanted.changes.fields.get("subject_ID")
        return find_subject(self._connection, name, self._project(item.place)) if name else None

    def _save(self, item: Item, wanted: Wanted) -> None:
        columns = {"accessibility": wanted.accessibility} if wanted.accessibility else {}
        data = wanted.changes.over(item.data)
        writing.save(self._connection, item, data, self._stamp, **columns)

    def _rename(self, item: Item, label: str) -> Outcome:
        project = self._project(item.place)
        if label != item.label:
            writing.rename(self._connection, item, check_label(label), project, self._stamp)
        return Outcome(item=replace(item, label=label), renamed=True)


def _check_type(each: DataType, level: str) -> None:
    if node_of(each) not in _EXPECTED[level]:
        refusal = BadRequest if level == "scans" else Unprocessable
        raise refusal(f"{each.name} is no type of {level}")
    if each.abstract:
        raise BadRequest(f"{each.name} is abstract; say which kind it is")


def _check_project(wanted: Wanted, project: Item) -> None:
    given = wanted.changes.identity.get("project", project.id)
    if given != project.id:
        raise Collision("Project must be modified through separate URI.")


def _check_unchanged(item: Item, wanted: Wanted) -> None:
    given = wanted.changes.identity
    each = wanted.data_type
    parts = {Family.SCAN, Family.RECONSTRUCTION}
    if each is not None and each.family is not item.family:
        raise Unprocessable(f"{each.name} is no type of what is there")
    if each is not None and item.family in parts and not each.abstract and each.name != item.xsi_type:
        raise Collision(f"this scan is of type {item.xsi_type}")
    if each is not None and node_of(each) is not node_of(REGISTRY.get(item.xsi_type)):
        raise Collision(f"there is an item of this name already, of type {item.xsi_type}")
    if given.get("id", item.id) != item.id:
        refusal = NeedContents if item.family is Family.PROJECT else BadRequest
        raise refusal("ID cannot be modified")
    if item.family is not Family.PROJECT and given.get("project", item.project) != item.project:
        raise Collision("Project must be modified through separate URI.")
    if item.family is Family.EXPERIMENT and given.get("label", item.label) != item.label:
        raise BadRequest("Label must be modified through separate URI.")

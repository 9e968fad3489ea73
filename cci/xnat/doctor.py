"""Is this archive fit to work with? Each question is one request, and each answer a `Check`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from cci.errors import ArchiveError, Forbidden
from cci.xnat import listings, uris
from cci.xnat.answers import Kind
from cci.xnat.connection import Connection
from cci.xnat.snapshot import SESSION_ASSESSORS, SUBJECT_ASSESSORS
from cci.xnat.tables import Row, csv_reader


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was looked at, whether it is as needed, and what was seen or can be done."""

    name: str
    ok: bool
    detail: str = ""


def ping(connection: Connection, project_ids: Iterable[str] = ()) -> list[Check]:
    """Look whether an archive is as needed: login, data types, and for each project rights and listings.

    Only looks; nothing is written. Nothing raises: what fails is a check that is not ok.
    """
    login = _check("login", connection.login, f"{connection.user} at {connection.url}")
    if not login.ok:
        return [login]
    checks = [login, *_data_types(connection)]
    for project_id in project_ids:
        checks.append(_rights(connection, project_id))
        checks += _bulk_forms(connection, project_id)
    return checks


def _check(name: str, look: Callable[[], Any], detail: str = "") -> Check:
    try:
        look()
    except ArchiveError as error:
        return Check(name=name, ok=False, detail="; ".join(filter(None, (error.message, error.hint))))
    return Check(name=name, ok=True, detail=detail)


def _table(connection: Connection, uri: str, column: str, **params: str) -> list[Row]:
    return connection.get(
        uri, csv_reader((column,), list), kind=Kind.CSV, params={"format": "csv", **params}, patient=True
    )


def _data_types(connection: Connection) -> list[Check]:
    try:
        rows = _table(connection, "/data/search/elements", "element_name")
    except ArchiveError as error:
        return [Check(name="data types", ok=False, detail=error.message)]
    installed = {row["element_name"].lower() for row in rows}
    return [_installed(xsi_type, installed) for xsi_type in SESSION_ASSESSORS + SUBJECT_ASSESSORS]


def _installed(xsi_type: str, installed: set[str]) -> Check:
    ok = xsi_type.lower() in installed
    hint = "" if ok else "not installed, or not set up as a data type: an administrator adds the proc plugin"
    return Check(name=f"data type {xsi_type}", ok=ok, detail=hint)


def _rights(connection: Connection, project_id: str) -> Check:
    name = f"rights in {project_id}"
    try:
        rows = _table(connection, "/data/projects", "id", columns="ID", data="writable")
    except ArchiveError as error:
        return Check(name=name, ok=False, detail=error.message)
    if project_id not in {row["id"] for row in rows}:
        hint = f"{connection.user} may not write here, or there is no such project"
        return Check(name=name, ok=False, detail=hint)
    return _ownership(connection, project_id, name)


def _ownership(connection: Connection, project_id: str, name: str) -> Check:
    """Look whether the account may write the project's own resources: to owners alone its users are told."""
    try:
        _table(connection, f"{uris.project(project_id)}/users", "login")
    except Forbidden:
        hint = f"{connection.user} is a member and no owner, and cannot write resources of the project itself"
        return Check(name=name, ok=False, detail=hint)
    except ArchiveError as error:
        return Check(name=name, ok=False, detail=error.message)
    return Check(name=name, ok=True, detail="may read and write")


def _bulk_forms(connection: Connection, project_id: str) -> list[Check]:
    forms = [
        listings.experiments(project_id),
        listings.subjects(project_id),
        listings.scans(project_id),
        listings.session_resources(project_id),
        *(listings.assessors(project_id, xsi_type) for xsi_type in SESSION_ASSESSORS),
        *(listings.assessors(project_id, xsi_type, of_subject=True) for xsi_type in SUBJECT_ASSESSORS),
    ]
    return [_bulk_form(connection, project_id, form) for form in forms]


def _bulk_form(connection: Connection, project_id: str, form: listings.Listing) -> Check:
    name = f"bulk listing of {form.name} in {project_id}"
    check = _check(name, lambda: listings.fetch(connection, form, list))
    if check.ok and form.name in connection.lacks:
        return Check(name=name, ok=True, detail="works, without file counts and sizes")
    return check

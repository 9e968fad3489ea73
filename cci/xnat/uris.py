"""Addresses in an archive, quoted; pure. Nothing here asks whether they exist.

Source: XNAT's REST routes. Scans and assessors hang below ``/data/experiments/ID`` or the long form with
project and subject; ``/projects/P/experiments/E/scans`` is no route.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

from cci.errors import Refused

#: An archive may read these in a file's name as a pattern or as a list of names.
_PATTERN = frozenset("*?[],")


def is_literal(path: str) -> bool:
    """Whether a file's path names that one file to every archive, also where it is to be deleted."""
    return path.isprintable() and not _PATTERN.intersection(path)


def segment(text: str) -> str:
    """Quote one path segment; a slash becomes XNAT's ``[SLASH]``.

    Raises
    ------
    Refused
        If it is empty, ``.`` or ``..``, which HTTP clients take for directions.
    """
    if text in {"", ".", ".."}:
        raise Refused(
            f"'{text}' cannot be the name of something in an archive", hint="rename it in the archive"
        )
    return quote(text.replace("/", "[SLASH]"), safe="")


def project(project_id: str) -> str:
    """Return the address of a project."""
    return f"/data/projects/{segment(project_id)}"


def subject(project_id: str, subject_name: str) -> str:
    """Return the address of a subject by label or accession id."""
    return f"{project(project_id)}/subjects/{segment(subject_name)}"


def session(session_id: str) -> str:
    """Return the address of a session by accession id."""
    return f"/data/experiments/{segment(session_id)}"


def session_in(project_id: str, subject_name: str, session_name: str) -> str:
    """Return the address of a session by labels (or accession ids)."""
    return f"{subject(project_id, subject_name)}/experiments/{segment(session_name)}"


def scan(session_uri: str, scan_id: str) -> str:
    """Return the address of a scan."""
    return f"{session_uri}/scans/{segment(scan_id)}"


def assessor(session_uri: str, name: str) -> str:
    """Return the address of a session's assessor by label or accession id."""
    return f"{session_uri}/assessors/{segment(name)}"


def results(assessor_uri: str) -> str:
    """Return the address below which a session assessor's result resources are."""
    return f"{assessor_uri}/out"


def subject_assessor(project_id: str, subject_name: str, name: str) -> str:
    """Return the address of a subject-level assessor; its resources hang right below it."""
    return f"{subject(project_id, subject_name)}/experiments/{segment(name)}"


def resource(parent_uri: str, label: str) -> str:
    """Return the address of a resource."""
    return f"{parent_uri}/resources/{segment(label)}"


def files(parent_uri: str, labels: Iterable[str] | None = None) -> str:
    """Return the address of the files of several resources, or of all of them."""
    if labels is None:
        return f"{parent_uri}/files"
    return f"{parent_uri}/resources/{','.join(segment(label) for label in labels)}/files"


def file(parent_uri: str, label: str, path: str) -> str:
    """Return the address of one file by its path inside the resource."""
    parts = "/".join(segment(part) for part in path.split("/"))
    return f"{resource(parent_uri, label)}/files/{parts}"

"""What `cci doctor` makes of what it saw."""

from __future__ import annotations

from cci.daemon.doctor import archive_findings
from cci.xnat import Check

NAMES = ("experiments", "subjects", "scans")


def _checks(project: str, *, ok: bool) -> list[Check]:
    listings = [Check(name=f"bulk listing of {name} in {project}", ok=ok) for name in NAMES]
    return [Check(name=f"rights in {project}", ok=ok, detail="may not write here"), *listings]


def test_a_missing_project_is_one_line() -> None:
    """A project without rights is told of once, with what to do; the others are told of in full."""
    checks = [Check(name="login", ok=True), *_checks("LAB", ok=True), *_checks("NOPE", ok=False)]
    found = list(archive_findings(checks, ["LAB", "NOPE"]))

    assert ["archive: project NOPE"] == [one.name for one in found if not one.good]
    assert "take it out of the settings" in found[-1].hint
    assert 1 + 4 + 1 == len(found)


def test_names_within_names() -> None:
    """A project whose name ends another's is not taken for it."""
    checks = [*_checks("B", ok=False), *_checks("A in B", ok=True)]
    found = list(archive_findings(checks, ["A in B", "B"]))

    assert ["archive: project B"] == [one.name for one in found if not one.good]

"""Fields written by parameters."""

from __future__ import annotations

import pytest

from cci.archive.changes import Changes, read_changes, type_named
from cci.archive.errors import BadRequest
from cci.archive.typedefs import REGISTRY


def changes(collection: str, name: str, **parameters: str) -> Changes:
    return read_changes(list(parameters.items()), collection, REGISTRY.get(name))


@pytest.mark.parametrize(
    ("collection", "type_", "parameter", "value", "expected"),
    [
        ("experiments", "xnat:mrSessionData", "date", "2020-01-02", {"date": "2020-01-02"}),
        ("experiments", "xnat:mrSessionData", "xnat:mrSessionData/coil", "8ch", {"coil": "8ch"}),
        ("experiments", "xnat:mrSessionData", "xnat:experimentData/note", "n", {"note": "n"}),
        ("subjects", "xnat:subjectData", "gender", "male", {"demographics/gender": "male"}),
        ("scans", "xnat:mrScanData", "quality", "usable", {"quality": "usable"}),
        ("scans", "xnat:mrScanData", "xnat:mrScanData/note", "NULL", {"note": None}),
        ("scans", "xnat:mrScanData", "xnat:ctScanData/note", "of another type", {}),
        ("scans", "xnat:mrScanData", "xnat:mrScanData/nonsense", "x", {}),
        ("scans", "xnat:mrScanData", "nonsense", "x", {}),
        ("scans", "xnat:mrScanData", "note", "", {}),
        (
            "assessors",
            "proc:genProcData",
            "proc:genprocdata/procstatus",
            "<&>",
            {"procstatus": "&lt;&amp;&gt;"},
        ),
    ],
)
def test_fields(
    collection: str, type_: str, parameter: str, value: str, expected: dict[str, str | None]
) -> None:
    """A parameter changes the field it names, on the type it fits; anything else is passed over."""
    assert expected == changes(collection, type_, **{parameter: value}).fields


def test_wrong_value() -> None:
    """A value that is not of its field's kind is refused."""
    with pytest.raises(BadRequest, match="jobstartdate"):
        changes("assessors", "proc:genProcData", **{"proc:genProcData/jobstartdate": "today"})


def test_identity_and_share() -> None:
    """Ids, labels and sharing are no fields."""
    found = changes(
        "subjects", "xnat:subjectData", ID="X", label="L", **{"xnat:subjectData/sharing/share/project": "Q"}
    )
    assert ({}, {"id": "X", "label": "L"}, {"project": "Q"}) == (found.fields, found.identity, found.share)


def test_laid_over() -> None:
    """Changes touch only what they name, and clear with None."""
    laid = Changes(fields={"note": "new", "date": None}).over({"note": "old", "date": "d", "coil": "c"})
    assert {"note": "new", "coil": "c"} == laid


@pytest.mark.parametrize(
    ("parameters", "collection", "expected"),
    [
        ([("xsiType", "proc:genprocdata")], "assessors", "proc:genProcData"),
        ([("xnat:mrScanData/type", "T1")], "scans", "xnat:mrScanData"),
        ([], "subjects", "xnat:subjectData"),
        ([], "experiments", None),
    ],
)
def test_type_named(parameters: list[tuple[str, str]], collection: str, expected: str | None) -> None:
    """An item's type is said by ``xsiType`` or by the elements that parameters name."""
    found = type_named(parameters, collection)
    assert expected == (found.name if found else None)

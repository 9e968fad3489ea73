"""The registry of data types."""

from __future__ import annotations

import pytest

from cci.archive.errors import BadRequest
from cci.archive.typedefs import REGISTRY
from cci.archive.types import Kind, canonical_path, resolve_field


@pytest.mark.parametrize(
    ("name", "path", "expected"),
    [
        ("xnat:mrSessionData", "FIELDSTRENGTH", "fieldStrength"),
        ("XNAT:MRSESSIONDATA", "validation/status", "validation/status"),
        ("proc:genprocdata", "inputs", "inputs"),
        ("proc:genProcData", "imageSession_ID", "imageSession_ID"),
        ("proc:subjGenProcData", "memusedmb", "memusedmb"),
        ("xnat:subjectData", "demographics[@xsi:type=xnat:demographicData]/gender", "demographics/gender"),
        (
            "xnat:mrScanData",
            "parameters/addParam[name=foo]/addField",
            "parameters/addParam[name=foo]/addField",
        ),
        ("xnat:experimentData", "fields/field[@name=x]/field", "fields/field[name=x]/field"),
        (
            "xnat:reconstructedImageData",
            "provenance/processStep/program_version",
            "provenance/processStep/program/version",
        ),
    ],
)
def test_fields_are_found(name: str, path: str, expected: str) -> None:
    """A field is found on its type and on every type below, without regard to case."""
    found = resolve_field(REGISTRY, REGISTRY.get(name), path)
    assert expected == (found.path if found else None)


@pytest.mark.parametrize(
    ("name", "path"), [("xnat:mrSessionData", "procstatus"), ("xnat:ctScanData", "coil")]
)
def test_foreign_fields_are_not(name: str, path: str) -> None:
    """A field of another type is no field."""
    assert None is resolve_field(REGISTRY, REGISTRY.get(name), path)


def test_unknown_type() -> None:
    """A type that is not installed is refused by name."""
    with pytest.raises(BadRequest, match="fs:fsData"):
        REGISTRY.get("fs:fsData")


@pytest.mark.parametrize(
    ("element", "expected"),
    [
        ("xnat:MRSession", "xnat:mrSessionData"),
        ("proc:Processing", "proc:genProcData"),
        ("xnat:Nothing", None),
    ],
)
def test_root_elements(element: str, expected: str | None) -> None:
    """A document's root element tells its type."""
    found = REGISTRY.by_element(element)
    assert expected == (found.name if found else None)


def test_task_fields() -> None:
    """A task's record has every field of the plugin, with its kind."""
    fields = REGISTRY.fields(REGISTRY.get("proc:genProcData"))
    assert (Kind.INT, Kind.DATE, 10000) == (
        fields["memusedmb"].kind,
        fields["jobstartdate"].kind,
        fields["inputs"].max_length,
    )


def test_concrete_types() -> None:
    """A family's members are all types below it."""
    names = REGISTRY.concrete(REGISTRY.get("xnat:imageSessionData"))
    assert {"xnat:mrSessionData", "xnat:petSessionData", "xnat:ctSessionData"} < set(names)
    assert "proc:genProcData" not in names


def test_paths_of_named_entries() -> None:
    """A named entry is spelt one way, whichever word stands for its value."""
    assert canonical_path("fields/field[name=a]/field") == canonical_path("FIELDS/FIELD[name=a]/value")

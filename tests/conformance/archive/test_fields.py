"""Writing fields by parameters (XNAT REST reference, section 2.8)."""

from __future__ import annotations

import pytest
from support.fill import Fill
from support.rest import Rest

MR = {"xsiType": "xnat:mrSessionData"}
MR_SCAN = {"xsiType": "xnat:mrScanData"}
PROC = {"xsiType": "proc:genProcData"}


@pytest.fixture
def session(project: str, fill: Fill) -> str:
    """URI of a session."""
    return fill.session(project, "S1", "MR1")


@pytest.mark.parametrize(
    ("name", "value", "stored"),
    [
        ("note", "plain", "plain"),
        ("xnat:mrSessionData/note", "by path", "by path"),
        ("XNAT:MRSESSIONDATA/note", "any case", "any case"),
        ("note", "<a & \"b\" 'c'>", "&lt;a &amp; &quot;b&quot; &apos;c&apos;&gt;"),
        ("note", "Zoë 你好", "Zoë 你好"),
        ("note", "100% + 1#2", "100% + 1#2"),
    ],
)
def test_text_field(rest: Rest, session: str, name: str, value: str, stored: str) -> None:
    """A text that comes as a parameter is XML-escaped once and read back so."""
    assert 200 == rest.put(session, {**MR, name: value}).status_code
    assert stored == rest.item(session)["note"]


@pytest.mark.parametrize(
    ("field", "value", "status"),
    [
        ("date", "2020-01-02", 200),
        ("date", "notadate", 400),
        ("xnat:mrSessionData/dcmPatientWeight", "heavy", 400),
        ("note", "x" * 2500, 200),
        ("note", "x" * 2501, 400),
    ],
)
def test_field_is_validated(rest: Rest, session: str, field: str, value: str, status: int) -> None:
    """A value that its type does not allow is refused with 400."""
    assert status == rest.put(session, {**MR, field: value}).status_code


@pytest.mark.parametrize(
    ("field", "value", "status"),
    [
        ("jobstartdate", "2026-01-02", 200),
        ("jobstartdate", "2026-01-02 03:04:05", 400),
        ("memusedmb", "12", 200),
        ("memusedmb", "12.5", 400),
        ("memusedmb", "much", 400),
        ("procstatus", "anything at all", 200),
    ],
)
def test_task_field_is_validated(rest: Rest, session: str, field: str, value: str, status: int) -> None:
    """The start of a job is a date, its memory an integer, its status free text."""
    uri = f"{session}/assessors/A1"
    rest.put(uri, PROC)
    assert status == rest.put(uri, {**PROC, f"proc:genProcData/{field}": value}).status_code


@pytest.mark.parametrize("length", [10_000, 10_001])
def test_longest_inputs(rest: Rest, session: str, length: int) -> None:
    """``inputs`` may have 10,000 characters and no more."""
    form = {**PROC, "proc:genProcData/inputs": "x" * length}
    answer = rest.send("PUT", f"{session}/assessors/A1", {"req_format": "form"}, data=form)
    assert (201 if length == 10_000 else 400) == answer.status_code


def test_escapes_count(rest: Rest, session: str) -> None:
    """A text is as long as it is once its quotes are escaped."""
    form = {**PROC, "proc:genProcData/inputs": '"' * 1_667}
    answer = rest.send("PUT", f"{session}/assessors/A1", {"req_format": "form"}, data=form)
    assert 400 == answer.status_code


def test_update_touches_only_what_it_names(rest: Rest, session: str) -> None:
    """An update leaves the other fields alone."""
    rest.put(session, {**MR, "note": "n", "date": "2020-01-02"})
    rest.put(session, {**MR, "date": "2020-01-03"})
    fields = rest.item(session)
    assert ("n", "2020-01-03") == (fields["note"], fields["date"])


@pytest.mark.parametrize("nothing", ["NULL", "null"])
def test_null_clears(rest: Rest, session: str, nothing: str) -> None:
    """The value NULL clears a field, which is then absent."""
    rest.put(session, {**MR, "note": "n"})
    rest.put(session, {**MR, "note": nothing})
    assert "note" not in rest.item(session)


def test_unknown_parameter_is_ignored(rest: Rest, session: str) -> None:
    """An unknown short name is ignored."""
    assert 200 == rest.put(session, {**MR, "nosuchalias": "1"}).status_code


def test_field_of_another_type_is_ignored(rest: Rest, session: str) -> None:
    """A field of another type than the scan's is ignored, with 200."""
    rest.put(f"{session}/scans/1", MR_SCAN)
    assert 200 == rest.put(f"{session}/scans/1", {"xnat:ctScanData/note": "lost"}).status_code
    assert None is rest.item(f"{session}/scans/1").get("note")


def test_unknown_type(rest: Rest, session: str) -> None:
    """A type that the archive does not have is refused with 400."""
    assert 400 == rest.put(f"{session}/assessors/A1", {"xsiType": "none:suchData"}).status_code


@pytest.mark.parametrize(
    "field",
    [
        "validation/status",
        "validation/method",
        "validation/notes",
        "validation/validated_by",
        "procstatus",
        "proctype",
        "procversion",
        "jobid",
        "walltimeused",
        "memused",
        "jobnode",
        "inputs",
        "dax_processor_name",
        "dax_docker_version",
        "dax_version_hash",
    ],
)
def test_task_fields(rest: Rest, session: str, field: str) -> None:
    """Every field of a task is stored and read back."""
    uri = f"{session}/assessors/A1"
    rest.put(uri, {**PROC, f"proc:genProcData/{field}": "some value"})
    assert "some value" == rest.item(uri)[field]


def test_named_parameter(rest: Rest, session: str) -> None:
    """A scan's free parameters are set by name and stand in its document."""
    uri = f"{session}/scans/1"
    rest.put(uri, {**MR_SCAN, "xnat:mrScanData/parameters/addParam[name=foo]/addField": "bar"})
    assert '<xnat:addParam name="foo">bar</xnat:addParam>' in rest.get(uri, {"format": "xml"}).text


@pytest.mark.parametrize(
    ("alias", "value"),
    [
        ("gender", "female"),
        ("yob", "1970"),
        ("handedness", "left"),
        ("group", "control"),
        ("dob", "1970-01-02"),
    ],
)
def test_demographics(rest: Rest, project: str, alias: str, value: str) -> None:
    """A subject's demographics are written and listed by their short names."""
    rest.put(f"/data/projects/{project}/subjects/S1", {alias: value})
    (row,) = rest.rows(f"/data/projects/{project}/subjects", {"columns": f"ID,{alias}"})
    assert value == row[alias]


def test_required_field(rest: Rest, session: str) -> None:
    """A manual QC without its result is refused, as the schema has none."""
    uri, kind = f"{session}/assessors/QC1", "xnat:qcManualAssessorData"
    refused = rest.put(uri, {"xsiType": kind, f"{kind}/comments": "c"}).status_code
    assert (400, 201) == (refused, rest.put(uri, {"xsiType": kind, f"{kind}/pass": "true"}).status_code)

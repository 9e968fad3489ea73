"""Custom fields of items: set, read, left alone, taken away (XNAT 1.8.5 and later)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.fill import Fill
from support.rest import Rest

BASE = "/xapi/custom-fields"
FORM = "5f2c8a31-6a52-4b6e-a43f-0d6c14f0c7a1"


@pytest.fixture
def ids(project: str, fill: Fill, rest: Rest) -> dict[str, str]:
    """A project with a session of one scan and one task: how each is called."""
    session = fill.session(project, "S1", "MR1")
    fill.scan(session, "1", type="T1")
    fill.assessor(session, "TASK1")
    (subject,) = rest.rows(f"/data/projects/{project}/subjects")
    (experiment,) = rest.rows(f"/data/projects/{project}/experiments")
    return {"project": project, "subject": subject["ID"], "session": experiment["ID"]}


def put(rest: Rest, uri: str, fields: Any) -> Any:
    headers = {"Content-Type": "application/json"}
    answer = rest.send("PUT", BASE + uri, data=json.dumps(fields), headers=headers)
    assert 200 == answer.status_code, answer.text
    return answer.json()


@pytest.mark.parametrize(
    "uri",
    [
        "/projects/{project}",
        "/projects/{project}/subjects/S1",
        "/subjects/{subject}",
        "/projects/{project}/subjects/S1/experiments/MR1",
        "/projects/{project}/experiments/MR1",
        "/experiments/{session}",
        "/projects/{project}/subjects/S1/experiments/MR1/scans/1",
        "/projects/{project}/experiments/MR1/scans/1",
        "/experiments/{session}/scans/1",
        "/projects/{project}/subjects/S1/experiments/MR1/assessors/TASK1",
        "/projects/{project}/experiments/MR1/assessors/TASK1",
        "/experiments/{session}/assessors/TASK1",
    ],
)
def test_set_and_get(rest: Rest, ids: dict[str, str], uri: str) -> None:
    """What is set at any level comes back, whatever kind of JSON it is."""
    fields = {FORM: {"finding": 'a <b> & "c"', "count": 3, "tags": ["x", None]}, "plain": "text"}
    uri = uri.format(**ids) + "/fields"
    assert {} == rest.get(BASE + uri).json()
    assert fields == put(rest, uri, fields)
    assert fields == rest.get(BASE + uri).json()


def test_others_stay(rest: Rest, ids: dict[str, str]) -> None:
    """Fields that a PUT does not name stay; one that it names is replaced whole."""
    uri = f"/experiments/{ids['session']}/fields"
    put(rest, uri, {"a": {"x": 1, "y": 2}, "b": "old"})
    assert {"a": {"x": 3}, "b": "old"} == put(rest, uri, {"a": {"x": 3}})


def test_item_stays(rest: Rest, ids: dict[str, str], fill: Fill) -> None:
    """The item's own fields stay, and later writes of these leave the custom ones alone."""
    session = f"/data/experiments/{ids['session']}"
    fill.put(session, {"xnat:mrSessionData/note": "a note"})
    put(rest, f"/experiments/{ids['session']}/fields", {"a": 1})
    fill.put(session, {"xnat:mrSessionData/date": "2020-01-02"})
    item = rest.item(session)
    assert ("a note", "2020-01-02") == (item["note"], item["date"])
    assert {"a": 1} == rest.get(f"{BASE}/experiments/{ids['session']}/fields").json()


@pytest.mark.parametrize(("value", "text"), [("t", "t"), (3, "3"), ({"x": 1}, '{"x":1}')])
def test_single_field(rest: Rest, ids: dict[str, str], value: Any, text: str) -> None:
    """A single field is read as text."""
    uri = f"/experiments/{ids['session']}/fields"
    put(rest, uri, {"a": value})
    answer = rest.get(f"{BASE}{uri}/a")
    assert ("text/plain", text) == (answer.headers["content-type"].partition(";")[0], answer.text)


def test_field_is_deleted(rest: Rest, ids: dict[str, str]) -> None:
    """A deleted field is gone, the others stay; deleting it again is no error."""
    uri = f"/experiments/{ids['session']}/fields"
    put(rest, uri, {"a": 1, "b": 2})
    assert {"b": 2} == rest.delete(f"{BASE}{uri}/a").json()
    assert (200, 404) == (
        rest.delete(f"{BASE}{uri}/a").status_code,
        rest.get(f"{BASE}{uri}/a").status_code,
    )


@pytest.mark.parametrize(
    "uri",
    [
        "/projects/{project}X/fields",
        "/projects/{project}/subjects/NO/fields",
        "/experiments/NO/fields",
        "/experiments/{session}/scans/9/fields",
        "/experiments/{session}/assessors/NO/fields",
    ],
)
def test_missing(rest: Rest, ids: dict[str, str], uri: str) -> None:
    """An item that is not there has no fields to read or set."""
    uri = BASE + uri.format(**ids)
    headers = {"Content-Type": "application/json"}
    statuses = (rest.get(uri).status_code, rest.send("PUT", uri, data="{}", headers=headers).status_code)
    assert (404, 404) == statuses

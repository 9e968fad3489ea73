"""Words behind an item: its state and its history; the log of writes that the history is read from.

Only on the embedded archive: a real XNAT tells more of a history, in events that depend on its settings.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from click.testing import CliRunner
from support.archive import RunningArchive
from support.fill import Fill
from support.rest import Rest
from support.site import new_project_id

from cci.archive.cli import archive as commands


@pytest.fixture
def rest(embedded: RunningArchive) -> Iterator[Rest]:
    with Rest(embedded.url, embedded.auth) as client:
        yield client


@pytest.fixture
def session(embedded: RunningArchive) -> str:
    """A session with a scan, a task and a file; its URI."""
    with Fill(embedded.url, embedded.auth) as fill:
        session = fill.session(new_project_id(), "S1", "MR1", date="2020-01-02")
        fill.scan(session, "1", type="T1")
        fill.assessor(session, "TASK1", procstatus="COMPLETE")
        fill.files(session, "R", {"a.txt": b"abc"})
    return session


def actions(rest: Rest, uri: str) -> list[str]:
    """Return what was done to an item, by its history."""
    return [event["event_action"] for event in rest.get(f"{uri}/history").json()["events"]]


@pytest.mark.parametrize("item", ["{subject}", "{session}", "{session}/assessors/TASK1"])
def test_status(rest: Rest, session: str, item: str) -> None:
    """An item is active, in quarantine after ``quarantine=true``, and active after ``activate=true``."""
    uri = item.format(session=session, subject=session.partition("/experiments/")[0])
    states = [rest.get(f"{uri}/status").text]
    for word in ("quarantine", "activate"):
        rest.put(uri, {word: "true"}).raise_for_status()
        states.append(rest.get(f"{uri}/status").text)
    assert ["active", "quarantine", "active"] == states


def test_state_is_no_field(rest: Rest, session: str) -> None:
    """The state stands in no document, and stays when the experiment is written."""
    before = rest.item(session)
    rest.put(session, {"quarantine": "true"}).raise_for_status()
    assert before == rest.item(session)
    rest.put(session, {"xnat:mrSessionData/note": "n"}).raise_for_status()
    assert "quarantine" == rest.get(f"{session}/status").text
    assert "_status" not in rest.get(session, {"format": "xml"}).text


def test_history(rest: Rest, session: str) -> None:
    """A session's history has what was done to it, its scans and its tasks, by whom and when."""
    assert ["Added", "Modified", "Added", "Uploaded File"] == actions(rest, session)
    events = rest.get(f"{session}/history").json()["events"]
    assert {"admin"} == {event["event_user"] for event in events}
    assert [event["event_date"] for event in events] == sorted(event["event_date"] for event in events)


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ("/assessors/TASK1", ["Added"]),
        ("/scans/1", ["Modified"]),
    ],
)
def test_history_of_a_part(rest: Rest, session: str, item: str, expected: list[str]) -> None:
    """A task's or scan's history is its own."""
    assert expected == actions(rest, session + item)


def test_history_of_a_subject(rest: Rest, session: str) -> None:
    """A subject's history has what was done to its sessions."""
    subject = session.partition("/experiments/")[0]
    assert ["Added", *actions(rest, session)] == actions(rest, subject)


def test_history_of_a_project(rest: Rest, session: str) -> None:
    """A project's history is that of its own fields."""
    project = session.partition("/subjects/")[0]
    rest.put(project, {"description": "d", "event_action": "Described"}).raise_for_status()
    assert "Described" == actions(rest, project)[-1]


def test_reason(rest: Rest, session: str) -> None:
    """The reason that a client gave for a write is in the history."""
    rest.put(session, {"xnat:mrSessionData/note": "n", "event_reason": "a mistake"}).raise_for_status()
    assert "a mistake" == rest.get(f"{session}/history").json()["events"][-1]["event_reason"]


@pytest.mark.parametrize("word", ["status", "history"])
def test_missing(rest: Rest, session: str, word: str) -> None:
    """What does not exist has neither state nor history."""
    assert 404 == rest.get(f"{session}X/{word}").status_code


def test_log_names_the_item(embedded: RunningArchive, rest: Rest, session: str) -> None:
    """A line of the log has the accession id of what was written, however it was addressed."""
    rest.put(session, {"xnat:mrSessionData/note": "n"}).raise_for_status()
    (row,) = rest.rows(f"{session.partition('/subjects/')[0]}/experiments")
    assert row["ID"] == embedded.write_log()[-1]["item"]


def test_log_names_all_items(embedded: RunningArchive, rest: Rest, session: str) -> None:
    """A document with a task in it is a write of both, in the log and in their histories."""
    document = (
        '<xnat:MRSession xmlns:xnat="http://nrg.wustl.edu/xnat" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><xnat:assessors>'
        '<xnat:assessor xsi:type="proc:genProcData" label="TASK2"/></xnat:assessors></xnat:MRSession>'
    )
    rest.put(session, data=document).raise_for_status()
    items = [rest.item(uri)["ID"] for uri in (session, f"{session}/assessors/TASK2")]
    assert items == [entry["item"] for entry in embedded.write_log()[-2:]]
    assert ["Modified"] == actions(rest, f"{session}/assessors/TASK2")


def test_log_command(embedded: RunningArchive, rest: Rest, session: str) -> None:
    """``archive log`` tells the writes of one item, one in a line."""
    (row,) = rest.rows(f"{session.partition('/subjects/')[0]}/experiments")
    result = CliRunner().invoke(commands, ["log", "--root", str(embedded.root), "--item", row["ID"]])
    lines = [line.split("\t") for line in result.output.splitlines()]
    expected = [
        ["admin", "201", "PUT", row["ID"]],
        ["admin", "200", "PUT", f"{row['ID']}/scans/1"],
        ["admin", "200", "PUT", row["ID"]],
    ]
    assert expected == [line[1:5] for line in lines]

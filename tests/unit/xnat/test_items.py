"""How fields are written."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs

import pytest
from support.scripted_server import ScriptedServer, reply

from cci.errors import Malformed, UsageError
from cci.xnat import Connection, items

TYPE = "proc:genProcData"
PARENT = "/data/experiments/E1/assessors"
URI = f"{PARENT}/A1"

Connect = Callable[..., Connection]


@pytest.mark.parametrize(
    ("xsi_type", "fields", "expected"),
    [
        (TYPE, {}, {"xsiType": TYPE}),
        (TYPE, {"procstatus": "COMPLETE"}, {"xsiType": TYPE, f"{TYPE}/procstatus": "COMPLETE"}),
        (TYPE, {"validation/status": "Good"}, {"xsiType": TYPE, f"{TYPE}/validation/status": "Good"}),
        (TYPE, {"jobid": ""}, {"xsiType": TYPE, f"{TYPE}/jobid": "NULL"}),
        (TYPE, {"note": "x", "date": "2020-01-02"}, {"xsiType": TYPE, "note": "x", "date": "2020-01-02"}),
        (TYPE, {"xnat:mrScanData/type": "T1"}, {"xsiType": TYPE, "xnat:mrScanData/type": "T1"}),
        ("", {"gender": "female"}, {"gender": "female"}),
    ],
)
def test_parameters(xsi_type: str, fields: dict[str, str], expected: dict[str, str]) -> None:
    """Fields get their type's path; an empty value clears."""
    assert expected == items.parameters(xsi_type, fields)


@pytest.mark.parametrize("name", ["label", "proc:genProcData/label", "LABEL"])
def test_label_is_never_written(name: str) -> None:
    """A label beside other fields would make the archive drop them, so it is refused."""
    with pytest.raises(UsageError):
        items.parameters(TYPE, {name: "x"})


def test_short_fields_go_into_the_query(server: ScriptedServer, connect: Connect) -> None:
    """One PUT carries all fields and returns the accession id."""
    server.say(URI, reply("XNAT_E00007", status=201))
    assert items.put_assessor(connect(), URI, TYPE, {"note": "a & b"}) == "XNAT_E00007"
    asked = server.asked[-1]
    assert parse_qs(asked.target.partition("?")[2]) == {"xsiType": [TYPE], "note": ["a & b"]}
    assert asked.body == b""


def test_long_fields_go_into_the_body(server: ScriptedServer, connect: Connect) -> None:
    """Fields that would not fit a request line are sent as a form."""
    inputs = "ä" * 3000
    server.say(URI, reply("XNAT_E00007"))
    assert items.put_assessor(connect(), URI, TYPE, {"inputs": inputs}) == "XNAT_E00007"
    asked = server.asked[-1]
    assert parse_qs(asked.target.partition("?")[2]) == {"xsiType": [TYPE], "req_format": ["form"]}
    assert parse_qs(asked.body.decode()) == {"xsiType": [TYPE], f"{TYPE}/inputs": [inputs]}


def test_empty_answer_to_a_creation(server: ScriptedServer, connect: Connect) -> None:
    """Where the archive answers a creation with nothing, its listing tells the accession id."""
    server.say(URI, reply("", status=200))
    server.say(PARENT, reply("ID,label,xsiType\nXNAT_E00008,A2,x\nXNAT_E00007,A1,x\n", kind="text/csv"))
    assert items.put_assessor(connect(), URI, TYPE, {}) == "XNAT_E00007"


@pytest.mark.parametrize(
    "answer",
    [reply("<html>Log in", kind="text/html"), reply("Something went wrong here"), reply("a\nb")],
    ids=["login page", "sentence", "lines"],
)
def test_what_is_no_id(answer: bytes, server: ScriptedServer, connect: Connect) -> None:
    """A login page or sentence with 200 is not an accession id."""
    server.say(URI, answer)
    with pytest.raises(Malformed):
        items.put_assessor(connect(), URI, TYPE, {})


def test_delete_what_is_gone(server: ScriptedServer, connect: Connect) -> None:
    """Deleting what is not there is a success: the answer to an earlier attempt may have been lost."""
    server.say(URI, reply("", status=404))
    items.delete(connect(), URI)
    assert server.paths()[1] == f"DELETE {URI}"

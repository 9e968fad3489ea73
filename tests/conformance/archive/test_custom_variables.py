"""Custom variables that a project defines: by documents, by pyxnat, and as xnatpy finds them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import pyxnat
import xnat
from support.fill import Fill
from support.rest import Rest
from support.site import Site

PROTOCOL = (
    '<xnat:Project xmlns:xnat="http://nrg.wustl.edu/xnat" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" ID="{0}">'
    '<xnat:studyProtocol data-type="xnat:subjectData" xsi:type="xnat:datatypeProtocol"/></xnat:Project>'
)
VARIABLES = {"Subjects": {"visit": {"site": "string", "doses": "integer"}}}


@pytest.fixture
def place(project: str, fill: Fill, rest: Rest) -> str:
    """A project with a protocol for subjects, and a subject; its id."""
    headers = {"Content-Type": "text/xml"}
    document = PROTOCOL.format(project)
    rest.send("PUT", f"/data/projects/{project}", data=document, headers=headers).raise_for_status()
    fill.subject(project, "S1")
    return project


@pytest.fixture
def pyxnat_project(site: Site, place: str) -> Iterator[Any]:
    with pyxnat.Interface(server=site.url, user=site.user, password=site.password) as connection:
        yield connection.select.project(place)


def test_protocol_is_completed(rest: Rest, place: str) -> None:
    """A protocol for a kind of data has an id, a name, and the default set of variables."""
    (item,) = rest.get(f"/data/projects/{place}", {"format": "json"}).json()["items"]
    protocols = [child["items"] for child in item["children"] if child["field"] == "studyProtocol"]
    fields = protocols[0][0]["data_fields"]
    assert (f"{place}_xnat_subjectData", "Subjects") == (fields["ID"], fields["name"])
    assert "definitions/definition" == protocols[0][0]["children"][0]["field"]


def test_pyxnat_defines_variables(pyxnat_project: Any) -> None:
    """``add_custom_variables`` defines them, ``get_custom_variables`` tells them."""
    pyxnat_project.add_custom_variables(VARIABLES)
    found = pyxnat_project.get_custom_variables()
    assert VARIABLES["Subjects"]["visit"] == found["Subjects"]["visit"]


def test_pyxnat_adds_variables(pyxnat_project: Any) -> None:
    """A second call adds to the first."""
    pyxnat_project.add_custom_variables(VARIABLES)
    pyxnat_project.add_custom_variables({"Subjects": {"visit": {"arm": "string"}}}, allow_data_deletion=True)
    assert {"site", "doses", "arm"} == set(pyxnat_project.get_custom_variables()["Subjects"]["visit"])


def test_xnatpy_finds_variables(site: Site, place: str, pyxnat_project: Any) -> None:
    """``custom_variables`` are read and set by their sets, with their types."""
    pyxnat_project.add_custom_variables(VARIABLES)
    with xnat.connect(site.url, user=site.user, password=site.password) as connection:
        variables = connection.projects[place].subjects["S1"].custom_variables
        assert {"default", "visit"} == set(variables)
        variables["visit"]["doses"] = 3
        connection.clearcache()
        again = connection.projects[place].subjects["S1"].custom_variables
        assert {"doses": 3, "site": None} == dict(again["visit"])


def test_other_writes_leave_it(rest: Rest, place: str) -> None:
    """Other fields of the project are written without touching its protocols."""
    rest.put(f"/data/projects/{place}", {"description": "d"}).raise_for_status()
    assert f"{place}_xnat_subjectData" in rest.get(f"/data/projects/{place}", {"format": "xml"}).text

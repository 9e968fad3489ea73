"""The XML of items is valid by the schemas of the embedded archive, and comes back in unchanged."""

from __future__ import annotations

import re
from importlib import resources

import pytest
from lxml import etree
from support.fill import Fill
from support.rest import Rest
from support.site import Site, new_project_id

_DRIVER = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <xs:import namespace="http://nrg.wustl.edu/xnat" schemaLocation="{0}/xnat/xnat.xsd"/>
  <xs:import namespace="http://nrg.wustl.edu/proc" schemaLocation="{0}/proc/proc.xsd"/>
  <xs:import namespace="http://nrg.wustl.edu/catalog" schemaLocation="{0}/catalog/catalog.xsd"/>
</xs:schema>"""


@pytest.fixture(scope="module")
def schema() -> etree.XMLSchema:
    """All types together."""
    with resources.as_file(resources.files("cci.archive") / "schemas") as folder:
        return etree.XMLSchema(etree.fromstring(_DRIVER.format(folder.as_uri())))


@pytest.fixture
def place(project: str, fill: Fill) -> str:
    """A project with something at every level, odd characters among it; its URI."""
    uri = fill.project(project, name=f"N {project}", description="<d> & é", keywords="a, b")
    fill.subject(project, "S1", gender="female", yob="1970", handedness="left", group="g")
    session = fill.session(
        project, "S1", "MR1", date="2020-01-02", time="10:11:12", note="a < b", scanner="X", fieldStrength="3"
    )
    named = {"xnat:mrScanData/parameters/addParam[name=foo]/addField": "bar"}
    fill.scan(session, "1", type="T1", quality="usable", frames="10", note="n", **named)
    fill.files(f"{session}/scans/1", "NIFTI", {"a b.nii": b"12"})
    task = fill.assessor(
        session,
        "T1",
        procstatus="COMPLETE",
        inputs='{"a": "b"}',
        jobstartdate="2020-01-03",
        memusedmb="12",
        **{"validation/status": "Good", "validation/notes": "n"},
    )
    fill.files(f"{task}/out", "PDF", {"r.pdf": b"1"})
    fill.put(f"{session}/reconstructions/R1", {"xnat:reconstructedImageData/type": "mean"})
    fields = {"xsiType": "proc:subjGenProcData", "proc:subjGenProcData/procstatus": "COMPLETE"}
    fill.put(f"{uri}/subjects/S1/experiments/SUBJ", fields)
    return uri


ITEMS = [
    "",
    "/subjects/S1",
    "/subjects/S1/experiments/MR1",
    "/subjects/S1/experiments/SUBJ",
    "/subjects/S1/experiments/MR1/scans/1",
    "/subjects/S1/experiments/MR1/assessors/T1",
    "/subjects/S1/experiments/MR1/reconstructions/R1",
]


@pytest.mark.parametrize("item", ITEMS)
def test_document_is_valid(rest: Rest, site: Site, schema: etree.XMLSchema, place: str, item: str) -> None:
    """Elements stand in the order of the schema, and values have its types."""
    if site.process is None:
        pytest.skip("a real XNAT has schemas of its own")
    document = etree.fromstring(rest.get(place + item, {"format": "xml"}).content)
    schema.validate(document)
    assert [] == [f"{error.line}: {error.message}" for error in schema.error_log]


def test_protocol_is_valid(rest: Rest, site: Site, schema: etree.XMLSchema, place: str) -> None:
    """So is a project with custom variables."""
    if site.process is None:
        pytest.skip("a real XNAT has schemas of its own")
    field = (
        '<xnat:field name="a" datatype="string" type="custom" required="0" xmlPath="xnat:subjectData/fields">'
        '<xnat:possibleValues><xnat:possibleValue display="B">b</xnat:possibleValue></xnat:possibleValues>'
        "</xnat:field>"
    )
    body = (
        '<xnat:Project xmlns:xnat="http://nrg.wustl.edu/xnat">'
        '<xnat:studyProtocol data-type="xnat:subjectData">'
        f'<xnat:definitions><xnat:definition ID="s"><xnat:fields>{field}</xnat:fields></xnat:definition>'
        "</xnat:definitions></xnat:studyProtocol></xnat:Project>"
    )
    rest.send("PUT", place, data=body, headers={"Content-Type": "text/xml"}).raise_for_status()
    document = etree.fromstring(rest.get(place, {"format": "xml"}).content)
    schema.validate(document)
    assert [] == [f"{error.line}: {error.message}" for error in schema.error_log]
    assert ["default", "s"] == [each.get("ID") for each in document.iter("{*}definition")]


def test_catalog_is_valid(rest: Rest, site: Site, schema: etree.XMLSchema, place: str) -> None:
    """So does the catalog of a resource."""
    if site.process is None:
        pytest.skip("a real XNAT has schemas of its own")
    text = rest.get(f"{place}/subjects/S1/experiments/MR1/scans/1/resources/NIFTI").content
    schema.validate(etree.fromstring(text))
    assert [] == [f"{error.line}: {error.message}" for error in schema.error_log]


@pytest.mark.parametrize("item", ITEMS[1:6])
def test_document_comes_back(rest: Rest, place: str, item: str) -> None:
    """A document that is put back changes nothing."""
    before = rest.item(place + item)
    document = rest.get(place + item, {"format": "xml"}).content
    answer = rest.send("PUT", place + item, data=document, headers={"Content-Type": "text/xml"})
    assert 200 == answer.status_code, answer.text
    after = rest.item(place + item)
    assert before == {name: value for name, value in after.items() if name in before}


@pytest.fixture
def session(place: str) -> str:
    return f"{place}/subjects/S1/experiments/MR1"


def send(rest: Rest, uri: str, body: str, **parameters: str) -> int:
    """PUT a document of an MR session with this content, and return the status."""
    document = (
        '<xnat:MRSession xmlns:xnat="http://nrg.wustl.edu/xnat" '
        f'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">{body}</xnat:MRSession>'
    )
    return rest.send("PUT", uri, parameters, data=document, headers={"Content-Type": "text/xml"}).status_code


FIELD = '<xnat:fields><xnat:field name="{0}">v</xnat:field></xnat:fields>'
SCAN = '<xnat:scans><xnat:scan ID="{0}" xsi:type="xnat:mrScanData"/></xnat:scans>'


@pytest.mark.parametrize(
    ("deletion", "scans", "names"), [("false", ["1", "2"], {"a", "b"}), ("true", ["2"], {"b"})]
)
def test_left_out_children(
    rest: Rest, session: str, *, deletion: str, scans: list[str], names: set[str]
) -> None:
    """Scans and named values that a document leaves out go with ``allowDataDeletion=true`` only."""
    send(rest, session, FIELD.format("a"))
    assert 200 == send(rest, session, FIELD.format("b") + SCAN.format("2"), allowDataDeletion=deletion)
    assert scans == sorted(row["ID"] for row in rest.rows(f"{session}/scans"))
    item = rest.get(session, {"format": "json"}).json()["items"][0]
    fields = [child["items"] for child in item["children"] if child["field"] == "fields/field"]
    assert names == {entry["data_fields"]["name"] for entry in fields[0]}


def test_tasks_are_never_left_out(rest: Rest, session: str) -> None:
    """Assessors stay, and what the document does not speak of, too."""
    assert 200 == send(rest, session, SCAN.format("1"), allowDataDeletion="true")
    assert ["T1"] == [row["label"] for row in rest.rows(f"{session}/assessors")]
    assert ["NIFTI"] == [row["label"] for row in rest.rows(f"{session}/scans/1/resources")]


def test_document_shares(rest: Rest, session: str, fill: Fill) -> None:
    """A document shares its item into the projects that it names; sending it again is no error."""
    other = new_project_id()
    fill.project(other)
    share = f'<xnat:sharing><xnat:share label="X" project="{other}"/></xnat:sharing>'
    statuses = [send(rest, session, share) for _ in range(2)]
    labels = [row["label"] for row in rest.rows(f"/data/projects/{other}/experiments")]
    rest.delete(f"/data/projects/{other}")
    assert ([200, 200], ["X"]) == (statuses, labels)


def test_beginning_of_a_document(rest: Rest, site: Site, session: str) -> None:
    """A document says where its schemas are, and that address answers."""
    text = rest.get(session, {"format": "xml"}).text
    assert text.startswith('<?xml version="1.0" encoding="UTF-8" standalone="yes"?>')
    root = etree.fromstring(text.encode())
    places = str(root.get("{http://www.w3.org/2001/XMLSchema-instance}schemaLocation")).split()
    located = dict(zip(places[::2], places[1::2], strict=True))
    if site.process is not None:
        assert f"{site.url}/schemas/xnat/xnat.xsd" == located["http://nrg.wustl.edu/xnat"]
    answer = rest.http.get(located["http://nrg.wustl.edu/xnat"], timeout=60)
    assert (200, True) == (answer.status_code, b"<xs:schema" in answer.content[:200])


def test_json_tells_when(rest: Rest, session: str) -> None:
    """The JSON of an item says when it was made, as Java spells a moment."""
    meta = rest.get(session, {"format": "json"}).json()["items"][0]["meta"]
    assert ("xnat:mrSessionData", False) == (meta["xsi:type"], meta["isHistory"])
    assert re.fullmatch(
        r"[A-Z][a-z]{2} [A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d [A-Z]{3,5} \d{4}", meta["start_date"]
    )


RESOURCE = (
    '<xnat:resources><xnat:resource xsi:type="xnat:resourceCatalog" label="R" URI="{0}"/></xnat:resources>'
)


@pytest.mark.parametrize("path", ["/etc/passwd", "../../x", "file:///etc/passwd"])
def test_files_do_not_come_by_documents(rest: Rest, site: Site, session: str, path: str) -> None:
    """What a document says of files makes none, and no resource either."""
    if site.process is None:
        pytest.skip("a real XNAT takes catalogs that lie in its own folders, and answers 400 for others")
    assert 200 == send(rest, session, RESOURCE.format(path))
    assert [] == rest.rows(f"{session}/resources")


def test_unknown_elements(rest: Rest, site: Site, session: str) -> None:
    """Elements that are no fields here are passed over, and what stands beside them is stored."""
    if site.process is None:
        pytest.skip("a real XNAT has other fields")
    assert 200 == send(rest, session, "<xnat:nothing>1</xnat:nothing><xnat:note>kept</xnat:note>")
    assert ("kept", False) == ((item := rest.item(session))["note"], "nothing" in item)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "iso-8859-1", "utf-16"])
def test_encodings(rest: Rest, session: str, encoding: str) -> None:
    """A document is read in the encoding that it declares, or that its first bytes tell."""
    declared = encoding.removesuffix("-sig")
    document = (
        f'<?xml version="1.0" encoding="{declared}"?>\n'
        '<xnat:MRSession xmlns:xnat="http://nrg.wustl.edu/xnat"><xnat:note>grüß</xnat:note></xnat:MRSession>'
    )
    rest.send("PUT", session, data=document.encode(encoding), headers={"Content-Type": "text/xml"})
    assert "grüß" == rest.item(session)["note"]

"""Requests made up at random never make the embedded archive fail or hang.

The short form asks the same questions each time; ``CCI_FUZZ_EXAMPLES=20000`` asks so many, others each time.
"""

from __future__ import annotations

import base64
import http.client
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.archive import RunningArchive, running_archive
from support.dicom import dicom
from support.fill import Fill, zip_bytes

_EXAMPLES = int(os.environ.get("CCI_FUZZ_EXAMPLES", "400"))
_TIMEOUT_S = 30
#: What a failure that nobody meant is answered with; one that XNAT has too has other words.
_FAILED = b"<h3>The server failed</h3>"


@dataclass(frozen=True, kw_only=True)
class Question:
    """A request."""

    method: str
    target: str
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def archive(
    tmp_path_factory: pytest.TempPathFactory, new_database: Callable[[], str]
) -> Iterator[RunningArchive]:
    """An archive of its own, with something of every kind in it."""
    with running_archive(tmp_path_factory.mktemp("fuzz") / "root", database=new_database()) as running:
        with Fill(running.url, running.auth) as fill:
            session = fill.session("P", "S", "E", date="2020-01-02")
            fill.project("Q")
            scan = fill.scan(session, "1", type="T1")
            fill.assessor(session, "A", procstatus="COMPLETE")
            fill.files(scan, "R", {"a.txt": b"a", "b/c.zip": zip_bytes({"x": b"x"})})
            fill.files(session, "R", {"a.txt": b"a"})
        yield running


_ODD = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["", "..", ".", "%", "null", "NULL", "0", "-1", "1e999", "9" * 400, "'", '"', "*", "a,b"]
    ),
    st.sampled_from(
        ["2020-13-45", "2020-01-01-2020-02-02", "1-5", "true", "<a>", "&", ";", "\x00", "\ufffe"]
    ),
)


def _words(text: str) -> st.SearchStrategy[str]:
    return st.sampled_from(text.replace("SESSION", _SESSION).split())


_SESSION = "/data/projects/P/subjects/S/experiments/E"
_WORDS = _words(
    """projects subjects experiments scans assessors reconstructions resources files P Q S E 1 A R
    a.txt b c.zip c.zip!x out in ALL T1 XNAT_E00001 XNAT_S00001 1,2 users Members admin
    accessibility public groups current_arc services tokens issue import search elements saved
    results xnat:mrSessionData prearchive JSESSION auth validate refresh catalog archive
    status history favorites Project dicomdump fields events"""
)
_KNOWN = _words(
    """/data/projects /data/projects/P /data/projects/P/subjects /data/subjects /data/experiments
    /data/projects/P/experiments SESSION SESSION/scans SESSION/scans/1 SESSION/files
    SESSION/assessors SESSION/assessors/A SESSION/resources/R/files/a.txt
    SESSION/scans/1/resources/R/files/b/c.zip SESSION/scans/1/resources/R/files SESSION/projects/Q
    /data/search /data/search/saved/x /data/services/import /data/services/refresh/catalog
    /xapi/users /xapi/users/admin2 /xapi/archive/catalogs/refresh /data/users /xapi/schemas/xnat
    /data/services/tokens/issue / /xapi/siteConfig/siteId /data/services/dicomdump
    /xapi/custom-fields/projects/P/fields /xapi/custom-fields/projects/P/experiments/E/scans/1/fields
    /xapi/events/delivered SESSION/status SESSION/history /data/users/favorites/Project/P"""
)
_PARAMETERS = _words(
    """format columns xsiType sortBy sortOrder limit offset ID label project date recent data owner
    activeSince primary extract overwrite inbody all recursive xnat:mrSessionData/date
    xnat:imageScanData/ID xnat:subjectData/fields/field[name=x]/field
    proc:genProcData/out/file/label gender yob age fields xnat:mrSessionData/scans/scan/type
    xnat:mrScanData/parameters/addParam[name=f]/addField listContents resource dest session
    import-handler cache file_format reference accessibility UID CSRF structure src field favorite
    prearc_code allowDataDeletion quarantine activate fieldNames dateFormat"""
)
_NAMES = _words(
    """ID label project xsiType subject_label last_modified DEFAULT URI quality xnat:imageScanData/ID
    xnat:imageScanData/file/label proc:genProcData/procstatus xnat:subjectData/label
    xnat:projectData/name xnat:mrSessionData/nothing xnat:mrSessionData/sharing/share/project
    xnat:mrSessionData/meta/last_modified"""
)
_COLUMNS = st.lists(st.one_of(_ODD, _NAMES), max_size=5).map(",".join)
_VALUES = st.one_of(
    _ODD,
    _COLUMNS,
    _words(
        """json csv xml html zip tar tar.gz true 1 DESC 10 improved simplified PatientID 00100010
        /archive/experiments/XNAT_E00001/scans/1 xnat:mrSessionData xnat:subjectData
        xnat:mrScanData proc:genProcData xnat:projectData xnat:imageScanData xnat:experimentData
        xnat:resourceCatalog xnat:reconstructedImageData xnat:qcManualAssessorData"""
    ),
)


def _bundle(inner: str) -> bytes:
    name = "<xdat:root_element_name>xnat:subjectData</xdat:root_element_name>"
    text = f'<xdat:bundle xmlns:xdat="http://nrg.wustl.edu/security">{name}{inner}</xdat:bundle>'
    return text.encode("utf-8", "replace")


_XML = st.one_of(
    st.tuples(_VALUES, _ODD, st.sampled_from(["=", "LIKE", "IN", "BETWEEN", "IS NULL", ">", "~"])).map(
        lambda each: _bundle(
            '<xdat:search_where method="OR"><xdat:criteria>'
            f"<xdat:schema_field>xnat:subjectData/{quote(each[0])}</xdat:schema_field>"
            f"<xdat:comparison_type>{each[2].replace('>', '&gt;')}</xdat:comparison_type>"
            f"<xdat:value>{quote(each[1])}</xdat:value></xdat:criteria></xdat:search_where>"
        )
    ),
    _ODD.map(
        lambda text: _bundle(
            "<xdat:search_field><xdat:element_name>xnat:subjectData</xdat:element_name><xdat:field_ID>LABEL"
            f"</xdat:field_ID><xdat:sequence>{quote(text)}</xdat:sequence></xdat:search_field>"
        )
    ),
    _ODD.map(
        lambda text: (
            '<xnat:MRSession xmlns:xnat="http://nrg.wustl.edu/xnat" '
            'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
            f'label="E"><xnat:date>{quote(text)}</xnat:date>'
            "<xnat:provenance><a/><b/></xnat:provenance><xnat:scans>"
            f'<xnat:scan ID="{quote(text)}" xsi:type="xnat:mrScanData"/></xnat:scans></xnat:MRSession>'
        ).encode()
    ),
    _ODD.map(
        lambda text: (
            '<xnat:Project xmlns:xnat="http://nrg.wustl.edu/xnat" ID="P"><xnat:studyProtocol '
            f'data-type="xnat:subjectData" ID="{quote(text)}"><x/>{quote(text)}<xnat:definitions>'
            "<y/></xnat:definitions></xnat:studyProtocol></xnat:Project>"
        ).encode()
    ),
    st.sampled_from([b"<a>" * 5000, b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", b"<", b"\xff\xfe<a/>"]),
)
_BODIES = st.one_of(
    st.just(b""),
    st.binary(max_size=60),
    _XML,
    st.sampled_from(
        [
            b'{"username": "eve", "password": "\\ud800"}',
            b'{"username": "eve", "email": "\\u0000"}',
            b"{}",
            b"[1]",
            b"[" * 100_000,
            b'{"username": 3}',
            b'["/archive/projects/P"]',
            b"a=b&c",
        ]
    ),
    st.sampled_from([zip_bytes({"a": b"b"}), zip_bytes({"a": b"b"})[:-4], dicom(), dicom()[:300]]),
)
_TYPES = st.sampled_from(
    [
        "", "text/xml", "application/json", "application/x-www-form-urlencoded", "application/octet-stream",
        "multipart/form-data; boundary=x", "multipart/form-data", "\u00e9",
    ]
)  # fmt: skip
_METHODS = st.sampled_from(["GET", "GET", "GET", "HEAD", "PUT", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"])
_PATHS = st.one_of(
    _KNOWN,
    st.tuples(_KNOWN, st.lists(st.one_of(_WORDS, _ODD), max_size=3)).map(
        lambda each: _joined(each[0], each[1])
    ),
    st.lists(st.one_of(_WORDS, _ODD), max_size=8).map(lambda words: _joined("/data", words)),
)
_QUERIES = st.lists(st.tuples(_PARAMETERS, _VALUES), max_size=4)


def _joined(start: str, words: list[str]) -> str:
    return "/".join([start, *(quote(word.encode("utf-8", "surrogatepass"), safe="!,:@") for word in words)])


def _at(*targets: str) -> st.SearchStrategy[str]:
    return st.sampled_from(
        [f"/data/{target}" if not target.startswith("/") else target for target in targets]
    )


#: Kinds of requests: methods, targets and bodies that get beyond the first look.
_KINDS: dict[str, tuple[st.SearchStrategy[str], st.SearchStrategy[str], st.SearchStrategy[bytes]]] = {
    "anything": (_METHODS, _PATHS, _BODIES),
    "list": (
        st.just("GET"),
        _at(
            *("projects", "subjects", "experiments", "projects/P/subjects", "projects/P/experiments"),
            *(
                f"{_SESSION}/{each}"
                for each in ("scans", "assessors", "reconstructions", "resources", "files")
            ),
            *(
                f"{_SESSION}/scans/ALL/files",
                "search/elements/xnat:mrSessionData",
                "search/elements",
                "users",
            ),
        ),
        st.just(b""),
    ),
    "search": (st.sampled_from(["POST", "PUT"]), _at("search", "search/saved/x"), _XML),
    "saved": (
        st.just("GET"),
        _at("search/saved/x/results", "search/saved/@xnat:mrSessionData/results"),
        st.just(b""),
    ),
    "write": (
        st.sampled_from(["PUT", "POST"]),
        _at(
            _SESSION, f"{_SESSION}/scans/1", f"{_SESSION}/assessors/A", "projects/P/subjects/S", "projects/P"
        ),
        st.just(b""),
    ),
    "document": (
        st.sampled_from(["PUT", "POST"]),
        _at(
            _SESSION, "projects/P/subjects/S/experiments", "projects/P/subjects/new", "projects", "projects/P"
        ),
        _XML,
    ),
    "upload": (
        st.sampled_from(["PUT", "POST"]),
        _at(
            f"{_SESSION}/resources/U/files/a.zip",
            f"{_SESSION}/resources/U/files/a.tar.gz",
            f"{_SESSION}/resources/U/files",
        ),
        _BODIES,
    ),
    "import": (st.just("POST"), _at("services/import"), _BODIES),
    "json": (
        st.sampled_from(["PUT", "POST"]),
        _at("/xapi/users", "/xapi/users/bob", "/xapi/archive/catalogs/refresh"),
        _BODIES,
    ),
}
#: What a DELETE must not take away, or the other questions would find nothing.
_KEPT = frozenset({"/data/projects/P", "/data/projects/P/subjects/S", _SESSION, f"{_SESSION}/scans/1"})


@st.composite
def questions(draw: st.DrawFn) -> Question:
    """Make up a request."""
    methods, targets, bodies = _KINDS[draw(st.sampled_from(sorted(_KINDS)))]
    method, target = draw(methods), draw(targets)
    query = urlencode(draw(_QUERIES), errors="surrogatepass")
    headers = {
        "Content-Type": draw(_TYPES).encode().decode("latin-1"),
        "Range": draw(st.sampled_from(["", "", "bytes=0-", "bytes=9-3,x"])),
    }
    return Question(
        method="GET" if method == "DELETE" and target.rstrip("/") in _KEPT else method,
        target=target + (f"?{query}" if query else ""),
        body=draw(bodies),
        headers={name: value for name, value in headers.items() if value},
    )


def ask(archive: RunningArchive, question: Question) -> tuple[int, bytes]:
    """Send a request and read all of its answer."""
    connection = http.client.HTTPConnection("127.0.0.1", archive.port, timeout=_TIMEOUT_S)
    login = base64.b64encode(":".join(archive.auth).encode()).decode()
    headers = {"Authorization": f"Basic {login}", "Connection": "close", **question.headers}
    try:
        connection.request(question.method, question.target, question.body or None, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@settings(
    max_examples=_EXAMPLES,
    deadline=None,
    derandomize="CCI_FUZZ_EXAMPLES" not in os.environ,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(question=questions())
def test_no_failure(archive: RunningArchive, question: Question) -> None:
    """Every request is answered in time, whole, and not with a failure that nobody meant."""
    status, body = ask(archive, question)
    assert 100 < status < 600
    assert _FAILED not in body


def test_still_whole(archive: RunningArchive) -> None:
    """After all of that the archive still answers."""
    status, _ = ask(archive, Question(method="GET", target="/data/projects"))
    assert 200 == status
    assert "Traceback" not in archive.output

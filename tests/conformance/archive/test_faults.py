"""The fault switches of the embedded archive do to a client what their names say."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator

import pytest
import requests
from support.archive import RunningArchive, running_archive
from support.fill import Fill
from support.rest import Rest

CONTENT = b"some content\n" * 20


@pytest.fixture(scope="module")
def harmed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningArchive]:
    """An embedded archive with fault switches, and a session with one resource of two files."""
    with running_archive(tmp_path_factory.mktemp("faults") / "root", faults=True) as archive:
        with Fill(archive.url, archive.auth) as fill:
            fill.files(fill.session("P", "S", "E"), "R", {"a.txt": CONTENT, "b.txt": b"b"})
        yield archive


@pytest.fixture
def archive(harmed: RunningArchive) -> Iterator[RunningArchive]:
    """The same, with no rules before and after."""
    harmed.clear_faults()
    yield harmed
    harmed.clear_faults()


@pytest.fixture
def rest(archive: RunningArchive) -> Iterator[Rest]:
    with Rest(archive.url, archive.auth) as client:
        yield client


SESSION = "/data/projects/P/subjects/S/experiments/E"
FILES = f"{SESSION}/resources/R/files"


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [
        ("500", 500, "text/html"),
        ("503", 503, "text/html"),
        ("html-502", 502, "text/html"),
        ("401", 401, "text/html"),
        ("403", 403, "text/html"),
        ("login-page", 200, "text/html"),
    ],
)
def test_answers_instead(archive: RunningArchive, rest: Rest, fault: str, status: int, kind: str) -> None:
    """The archive answers something else and does nothing."""
    archive.fault(fault=fault, match="PUT")
    answer = rest.put("/data/projects/NEVER")
    assert (status, True) == (answer.status_code, answer.headers["Content-Type"].startswith(kind))
    assert 404 == rest.get("/data/projects/NEVER").status_code


@pytest.mark.parametrize("fault", ["truncate", "half-listing"])
@pytest.mark.parametrize("uri", [FILES, f"{FILES}/a.txt"])
def test_cut_in_the_middle(archive: RunningArchive, rest: Rest, fault: str, uri: str) -> None:
    """The connection is cut before the body is whole; with ``truncate`` its length was announced."""
    archive.fault(fault=fault, match="GET .*files")
    answer = rest.http.get(f"{archive.url}{uri}", stream=True, timeout=60)
    assert (fault == "truncate") == ("Content-Length" in answer.headers)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        assert answer.content


def test_reset(archive: RunningArchive, rest: Rest) -> None:
    """The connection is cut before anything is done."""
    archive.fault(fault="reset", match="PUT")
    with pytest.raises(requests.ConnectionError):
        rest.put("/data/projects/RESET")
    assert 404 == rest.get("/data/projects/RESET").status_code


def test_lost(archive: RunningArchive, rest: Rest) -> None:
    """It is done, and the connection is cut instead of an answer."""
    archive.fault(fault="lost", match="PUT")
    with pytest.raises(requests.ConnectionError):
        rest.put("/data/projects/LOST")
    assert 200 == rest.get("/data/projects/LOST", {"format": "json"}).status_code


def test_empty(archive: RunningArchive, rest: Rest) -> None:
    """The answer is 200 with nothing in it."""
    archive.fault(fault="empty")
    answer = rest.get(FILES)
    assert (200, b"") == (answer.status_code, answer.content)


@pytest.mark.parametrize("fault", ["hang", "drip", "late"])
def test_too_slow(archive: RunningArchive, rest: Rest, fault: str) -> None:
    """A client with a deadline gives up on a whole answer; the archive serves others meanwhile."""
    archive.fault(fault=fault, match="files", times=1, delay_s=3600)
    with pytest.raises(requests.RequestException):
        rest.http.get(f"{archive.url}{FILES}", timeout=1)
    assert 200 == rest.get(FILES).status_code


@pytest.mark.parametrize("fault", ["drip", "late"])
def test_slow(archive: RunningArchive, rest: Rest, fault: str) -> None:
    """A client with patience gets the whole answer."""
    archive.fault(fault=fault, delay_s=0.001)
    assert 2 == len(rest.rows(FILES))


def test_wrong_digest(archive: RunningArchive, rest: Rest) -> None:
    """A downloaded file differs from what is listed, alone and in a zip that is well-formed."""
    archive.fault(fault="wrong-digest", match=r"GET .*files(/|\?format=zip)")
    packed = rest.get(FILES, {"format": "zip"}).content
    with zipfile.ZipFile(io.BytesIO(packed)) as archive_file:
        assert archive_file.testzip() is None
        contents = {archive_file.read(name) for name in archive_file.namelist()}
    assert CONTENT not in contents
    assert CONTENT != rest.get(f"{FILES}/a.txt").content
    assert {str(len(CONTENT)), "1"} == {row["Size"] for row in rest.rows(FILES)}


@pytest.mark.parametrize("format_", ["json", "csv"])
def test_no_digest(archive: RunningArchive, rest: Rest, format_: str) -> None:
    """A listing of files has no digests."""
    archive.fault(fault="no-digest")
    rows = rest.rows(FILES) if format_ == "json" else rest.csv(FILES)[1]
    assert ["", ""] == [row["digest"] for row in rows]


def test_duplicate(archive: RunningArchive, rest: Rest) -> None:
    """An upload is refused as a duplicate and not stored."""
    archive.fault(fault="duplicate", match="PUT")
    answer = rest.upload(f"{SESSION}/resources/R", "new.txt", b"new")
    assert (200, {"duplicates": ["new.txt"]}) == (answer.status_code, answer.json())
    assert "new.txt" not in rest.files(f"{SESSION}/resources/R")


def test_times_and_after(archive: RunningArchive, rest: Rest) -> None:
    """A rule lets requests pass first, strikes so often, counts its hits, and then is harmless."""
    archive.fault(fault="500", match=r"GET /data/projects\b", after=1, times=2)
    statuses = [rest.get("/data/projects").status_code for _ in range(5)]
    assert [200, 500, 500, 200, 200] == statuses
    (rule,) = archive.fault_rules()
    assert (5, 2) == (rule["seen"], rule["hits"])


def test_match_sees_the_query(archive: RunningArchive, rest: Rest) -> None:
    """The expression is searched in method, path and query, without percent signs."""
    archive.fault(fault="500", match=r"^GET /data/projects\?columns=ID,xnat:projectData/name$")
    found = rest.get("/data/projects", {"columns": "ID,xnat:projectData/name"})
    assert (500, 200) == (found.status_code, rest.get("/data/projects").status_code)


@pytest.mark.parametrize(
    "rule", [{}, {"fault": "none"}, {"fault": "500", "match": "("}, {"fault": "500", "more": 1}]
)
def test_bad_rule(archive: RunningArchive, rule: dict[str, object]) -> None:
    """A rule with a mistake is refused with 400."""
    with pytest.raises(requests.HTTPError, match="400"):
        archive.fault(**rule)


def test_no_switches_without_the_option(embedded: RunningArchive) -> None:
    """A server without the option has no fault switches."""
    with pytest.raises(requests.HTTPError, match="404"):
        embedded.fault(fault="500")


# -- awkward mode --------------------------------------------------------------------------------


def test_awkward_creation(archive: RunningArchive, rest: Rest) -> None:
    """In awkward mode a creation is answered with 200 and no body."""
    archive.fault(awkward=True)
    answer = rest.put("/data/projects/P/subjects/AWKWARD")
    assert (200, "") == (answer.status_code, answer.text)
    assert "AWKWARD" in {row["label"] for row in rest.rows("/data/projects/P/subjects")}


def test_awkward_empty_body(archive: RunningArchive, rest: Rest) -> None:
    """In awkward mode an empty raw upload is 500."""
    archive.fault(awkward=True)
    assert 500 == rest.upload(f"{SESSION}/resources/R", "empty", b"").status_code


def test_awkward_digests(archive: RunningArchive, rest: Rest) -> None:
    """In awkward mode listings have no digests; files come as they are."""
    archive.fault(awkward=True)
    assert {""} == {row["digest"] for row in rest.rows(FILES)}
    assert CONTENT == rest.get(f"{FILES}/a.txt").content


def test_awkward_catalog(archive: RunningArchive, rest: Rest) -> None:
    """In awkward mode a write to a resource that is being written to is 500."""
    archive.fault(awkward=True)
    resource = f"{archive.url}{SESSION}/resources/CROWD"

    def slow_body() -> Iterator[bytes]:
        yield b"first part"
        # the first upload is under way now
        answers.append(rest.upload(f"{SESSION}/resources/CROWD", "second.txt", b"2").status_code)
        yield b"last part"

    answers: list[int] = []
    first = requests.put(
        f"{resource}/files/first.txt?inbody=true", data=slow_body(), auth=archive.auth, timeout=60
    )
    assert (200, [500]) == (first.status_code, answers)
    assert ["first.txt"] == list(rest.files(f"{SESSION}/resources/CROWD"))

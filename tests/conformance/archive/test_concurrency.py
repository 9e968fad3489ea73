"""Several clients at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from support.fill import Fill, zip_bytes
from support.rest import Rest
from support.site import Site

Call = Callable[[Rest], requests.Response]


def together(site: Site, calls: Sequence[Call]) -> list[int]:
    """Make these calls at the same time, each with a connection of its own, and return their statuses."""

    def one(call: Call) -> int:
        with Rest(site.url, site.auth) as client:
            return call(client).status_code

    with ThreadPoolExecutor(max_workers=len(calls)) as pool:
        return list(pool.map(one, calls))


@pytest.fixture
def session(project: str, fill: Fill) -> str:
    return fill.session(project, "S1", "MR1")


def upload(resource: str, path: str, content: bytes, **parameters: str) -> Call:
    return lambda client: client.upload(resource, path, content, **parameters)


def create(uri: str, xsi_type: str) -> Call:
    return lambda client: client.put(uri, {"xsiType": xsi_type})


def test_uploads_into_one_resource(site: Site, rest: Rest, session: str) -> None:
    """Twenty uploads into one resource are each whole and listed, or refused with 500 as a real XNAT may."""
    resource = f"{session}/resources/R"
    rest.put(resource)
    statuses = together(site, [upload(resource, f"{n}.txt", str(n).encode() * 1000) for n in range(20)])
    expected = {f"{number}.txt" for number, status in enumerate(statuses) if status == 200}
    assert expected == set(rest.files(resource))
    for path, row in rest.files(resource).items():
        assert path.removesuffix(".txt").encode() * 1000 == rest.get(row["URI"]).content
    if site.process is not None:
        assert {200} == set(statuses)
        assert "20" == rest.rows(f"{session}/resources")[0]["file_count"]


def test_uploads_of_one_file(site: Site, rest: Rest, session: str) -> None:
    """Of uploads of one path without ``overwrite`` one is stored, whole, and one file is listed."""
    resource = f"{session}/resources/R"
    rest.put(resource)
    contents = [bytes([65 + number]) * 100_000 for number in range(8)]
    together(site, [upload(resource, "a.txt", content) for content in contents])
    assert ["a.txt"] == list(rest.files(resource))
    assert rest.get(f"{resource}/files/a.txt").content in contents


def test_zips_into_one_resource(site: Site, rest: Rest, session: str) -> None:
    """Zips that are unpacked at the same time do not lose each other's files."""
    resource = f"{session}/resources/R"
    rest.put(resource)
    bodies = [zip_bytes({f"{number}/{name}": b"x" for name in "abc"}) for number in range(6)]
    statuses = together(site, [upload(resource, "u.zip", body, extract="true") for body in bodies])
    stored = [number for number, status in enumerate(statuses) if status == 200]
    assert {f"{number}/{name}" for number in stored for name in "abc"} == set(rest.files(resource))


def test_creation_of_one_session(site: Site, rest: Rest, project: str, fill: Fill) -> None:
    """One session that is created by many at once exists once."""
    uri = fill.subject(project, "S1") + "/experiments/MR1"
    statuses = together(site, [create(uri, "xnat:mrSessionData")] * 8)
    assert 1 == statuses.count(201)
    assert {200, 201, 409, 500} >= set(statuses)
    assert ["MR1"] == [row["label"] for row in rest.rows(f"/data/projects/{project}/experiments")]


def test_creation_of_many_tasks(site: Site, rest: Rest, session: str) -> None:
    """Tasks that are created at once have ids of their own."""
    calls = [create(f"{session}/assessors/T{n}", "proc:genProcData") for n in range(12)]
    assert [201] * 12 == together(site, calls)
    assert 12 == len({row["ID"] for row in rest.rows(f"{session}/assessors")})

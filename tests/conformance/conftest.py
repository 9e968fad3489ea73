"""What the conformance suites of archives share: the archives themselves, and a fresh project in one.

The suites run on the embedded archive, with its tables in SQLite and in a real PostgreSQL (one of them with
``--archive-store``), and on a real XNAT when ``CCI_TEST_XNAT`` names one:
``https://user:password@host``; the user must be allowed to create projects. On a real XNAT everything that
a test makes is in projects of its own, which are deleted at the end.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from support.archive import RunningArchive, running_archive
from support.fill import Fill
from support.postgres import Postgres, find_programs, running_postgres
from support.rest import Rest
from support.site import Site, new_project_id, site_named

_VARIABLE = "CCI_TEST_XNAT"
_STORES = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for all tests; each takes databases of its own."""
    if find_programs() is None and os.environ.get("CI") != "true":
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    with running_postgres() as server:
        yield server


NewDatabase = Callable[[], str]


@pytest.fixture(scope="session", params=_STORES)
def new_database(request: pytest.FixtureRequest) -> NewDatabase:
    """What gives the address of a new, empty database of each kind in turn: an empty one for SQLite."""
    return _databases(request, request.param)


def _databases(request: pytest.FixtureRequest, store: str) -> NewDatabase:
    chosen = request.config.getoption("--archive-store")
    if chosen not in {"all", store}:
        pytest.skip(f"--archive-store={chosen}")
    if store == "sqlite":
        return str
    server: Postgres = request.getfixturevalue("postgres")
    return server.new_database


@pytest.fixture(scope="session")
def in_sqlite(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningArchive]:
    """One archive for all tests that do not break it, with its tables in SQLite."""
    yield from _embedded(tmp_path_factory, _databases(request, "sqlite"))


@pytest.fixture(scope="session")
def in_postgresql(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningArchive]:
    """Likewise, with its tables in PostgreSQL."""
    yield from _embedded(tmp_path_factory, _databases(request, "postgresql"))


def _embedded(folders: pytest.TempPathFactory, new_database: NewDatabase) -> Iterator[RunningArchive]:
    # as it is: what it does better than XNAT is tested too
    with running_archive(
        folders.mktemp("archive") / "root", strict=False, database=new_database()
    ) as archive:
        yield archive


@pytest.fixture(scope="session", params=_STORES)
def embedded(request: pytest.FixtureRequest) -> RunningArchive:
    """The embedded archive, with its tables in each database in turn."""
    archive: RunningArchive = request.getfixturevalue(f"in_{request.param}")
    return archive


@pytest.fixture(scope="session", params=[*_STORES, "xnat"])
def site(request: pytest.FixtureRequest) -> Site:
    """Every archive in turn."""
    if request.param in _STORES:
        process: RunningArchive = request.getfixturevalue(f"in_{request.param}")
        return Site(url=process.url, user=process.user, password=process.password, process=process)
    if not os.environ.get(_VARIABLE):
        pytest.skip(f"no real XNAT: set {_VARIABLE}=https://user:password@host")
    return site_named(os.environ[_VARIABLE])


@pytest.fixture
def rest(site: Site) -> Iterator[Rest]:
    """A plain REST client, logged in."""
    with Rest(site.url, site.auth) as client:
        yield client


@pytest.fixture
def fill(site: Site) -> Iterator[Fill]:
    """A helper that puts things into the archive."""
    with Fill(site.url, site.auth) as helper:
        yield helper


@pytest.fixture
def project(rest: Rest) -> Iterator[str]:
    """The id of a fresh, empty project; it is deleted afterwards."""
    project_id = new_project_id()
    rest.put(f"/data/projects/{project_id}").raise_for_status()
    yield project_id
    rest.delete(f"/data/projects/{project_id}", {"removeFiles": "true"})

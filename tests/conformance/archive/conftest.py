"""What several files here share: connections by pyxnat and xnatpy as they are published, and usual items."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pyxnat
import xnat
from support.everyday import everyday_session
from support.fill import Fill
from support.postgres import Postgres
from support.site import Site

from cci.archive.store.store import Store


@pytest.fixture
def interface(site: Site) -> Iterator[Any]:
    """A connection by pyxnat, logged out at the end."""
    with pyxnat.Interface(server=site.url, user=site.user, password=site.password) as connection:
        yield connection


@pytest.fixture
def connection(site: Site) -> Iterator[Any]:
    """A connection by xnatpy, logged out at the end; it caches so much that tests do not share one."""
    with xnat.connect(site.url, user=site.user, password=site.password) as session:
        yield session


@pytest.fixture
def place(project: str, fill: Fill) -> str:
    """A project with an everyday session; its id."""
    everyday_session(fill, project)
    return project


@pytest.fixture
def session(project: str, fill: Fill) -> str:
    """URI of a session with scan 1 of type T1 and assessor A1."""
    uri = fill.session(project, "S1", "MR1")
    fill.scan(uri, "1", type="T1")
    fill.assessor(uri, "A1")
    return uri


@pytest.fixture
def resource(session: str) -> str:
    """URI of a resource that does not exist yet."""
    return f"{session}/resources/R"


@pytest.fixture
def url(postgres: Postgres) -> str:
    """The address of a new PostgreSQL database."""
    return postgres.new_database()


@pytest.fixture
def store(tmp_path: Path, url: str) -> Iterator[Store]:
    """The store of a new archive whose tables are there."""
    opened = Store(tmp_path / "archive", database=url)
    yield opened
    opened.close()

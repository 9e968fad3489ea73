"""Connections by pyxnat and xnatpy, as they are published."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import pyxnat
import xnat
from support.site import Site


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

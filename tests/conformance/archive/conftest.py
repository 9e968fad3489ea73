"""A connection by pyxnat, as it is published."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import pyxnat
from support.site import Site


@pytest.fixture
def interface(site: Site) -> Iterator[Any]:
    """A connection, logged out at the end."""
    with pyxnat.Interface(server=site.url, user=site.user, password=site.password) as connection:
        yield connection

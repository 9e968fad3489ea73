"""One coarse head for all tests of the phantom: eight times fewer voxels than the 3 mm head."""

from __future__ import annotations

import pytest

from cci.phantom import Head, head


@pytest.fixture(scope="session")
def coarse() -> Head:
    return head(6.0)

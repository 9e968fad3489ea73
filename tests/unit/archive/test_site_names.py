"""The address of a real XNAT for the conformance suites."""

from __future__ import annotations

import pytest
from support.site import Site, site_named


@pytest.mark.parametrize(
    ("address", "site"),
    [
        ("https://ann:s3@x.org", Site(url="https://x.org", user="ann", password="s3")),
        ("http://a%40b:p%3A@x.org:81/xnat/", Site(url="http://x.org:81/xnat", user="a@b", password="p:")),
    ],
)
def test_named(address: str, site: Site) -> None:
    """User and password are taken out of the address, and unquoted."""
    assert site == site_named(address)


@pytest.mark.parametrize("address", ["x.org", "https://x.org", "https://ann@x.org", "ftp://a:b@x.org"])
def test_incomplete(address: str) -> None:
    """An address without one of its parts is refused, without showing it."""
    with pytest.raises(ValueError, match="https://user:password@host"):
        site_named(address)

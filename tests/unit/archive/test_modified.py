"""Whether a client has the latest state, to the second."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cci.archive.routes.modified import is_unchanged, last_modified

CHANGED = datetime(2026, 1, 2, 3, 4, 5, 600_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        ("Fri, 02 Jan 2026 03:04:05 GMT", False),
        ("Fri, 02 Jan 2026 03:04:06 GMT", True),
        ("Fri, 02 Jan 2026 04:04:06 +0100", True),
        ("Fri, 01 Jan 2100 00:00:00 GMT", True),
        ("Thu, 01 Jan 1970 00:00:00 GMT", False),
        ("", False),
        ("yesterday", False),
        ("Fri, 02 Jan 99999 03:04:05 GMT", False),
    ],
)
def test_is_unchanged(since: str, expected: bool) -> None:
    """A change counts as of the end of its second; what is no date says nothing."""
    assert expected == is_unchanged(CHANGED, since)


@pytest.mark.parametrize(
    ("later", "expected"),
    [(0.0, ""), (0.3, ""), (0.4, "Fri, 02 Jan 2026 03:04:06 GMT"), (60.0, "Fri, 02 Jan 2026 03:04:06 GMT")],
)
def test_last_modified(later: float, expected: str) -> None:
    """The time of a change is told when its second is over: another change in it would not show."""
    assert expected == last_modified(CHANGED, CHANGED + timedelta(seconds=later))


def test_second_change_is_seen() -> None:
    """Whatever was told of one change, the next one shows, also in the same second."""
    told = last_modified(CHANGED, CHANGED + timedelta(seconds=1))
    assert False is is_unchanged(CHANGED + timedelta(seconds=1), told)

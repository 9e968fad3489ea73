"""Whether a client has the latest state of something (``If-Modified-Since``, RFC 9110 section 13.1.3). Pure.

The header counts in seconds, and something may change twice in one: so a change counts as of the end of its
second, and nobody is told of an end that has not come yet. Then no change is ever missed.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime


def last_modified(changed: datetime, now: datetime) -> str:
    """Return the header ``Last-Modified`` for a moment of change, empty while its second has not passed."""
    end = _end(changed)
    return format_datetime(end, usegmt=True) if end <= now else ""


def is_unchanged(changed: datetime, since: str) -> bool:
    """Whether nothing changed since a header ``If-Modified-Since``; a header that is no date says nothing."""
    try:
        moment = parsedate_to_datetime(since)
    except (ValueError, TypeError, OverflowError):
        return False
    return _end(changed) <= (moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _end(moment: datetime) -> datetime:
    whole = moment.astimezone(UTC).replace(microsecond=0)
    return whole if whole == moment else whole + timedelta(seconds=1)


def moment_of(text: str) -> datetime:
    """Read a moment as tables spell it: ``2026-01-02 03:04:05.678``, in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)

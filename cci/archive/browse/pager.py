"""Which screen of a long list is shown, and the way to the ones beside it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cci.archive.browse.links import with_query

_NUMBER = re.compile("[0-9]{1,9}")


@dataclass(frozen=True, kw_only=True)
class Pager:
    """A screen of a list of *total* things; *before* and *after* are addresses, empty at the ends."""

    number: int
    last: int
    total: int
    offset: int
    before: str
    after: str


def page(total: int, size: int, wanted: str, link: str, **values: str) -> Pager:
    """Return the wanted screen of a list, or the nearest one that there is.

    Parameters
    ----------
    total, size
        Things in the list, and on a screen.
    wanted
        Number of the screen, from 1, as it came in the request.
    link, values
        Address of the list, and its other parameters.
    """
    last = max(1, -(-total // size))
    number = min(max(int(wanted), 1), last) if _NUMBER.fullmatch(wanted) else 1
    return Pager(
        number=number,
        last=last,
        total=total,
        offset=(number - 1) * size,
        before=with_query(link, **values, page=number - 1) if number > 1 else "",
        after=with_query(link, **values, page=number + 1) if number < last else "",
    )

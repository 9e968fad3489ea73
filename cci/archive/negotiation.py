"""Which form of an answer a client can take, by its ``Accept`` header. Reading of text only.

Source: XNAT's resources say which forms they have; Restlet chooses among these before ``format=`` is read. A
client that takes none of them gets 406, whatever its ``format=`` says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cci.archive.errors import NotAcceptable

#: What documents of items are offered as.
ITEM_FORMS = ("text/xml", "text/html")


def negotiate(accept: str, offered: Sequence[str]) -> str:
    """Return what a client takes best of the media types that are offered, the first one of equals.

    Raises
    ------
    NotAcceptable
        It takes none of them.
    """
    ranges = dict(_ranges(accept)) or {"*/*": 1.0}
    best = max(offered, key=lambda media: _quality(media, ranges))
    if _quality(best, ranges) <= 0:
        raise NotAcceptable(f"this is there as {', '.join(offered)}; none of these is accepted")
    return best


def _ranges(accept: str) -> Iterator[tuple[str, float]]:
    for part in accept.split(","):
        media, *parameters = (word.strip().lower() for word in part.split(";"))
        if media:
            weights = [word[2:] for word in parameters if word.startswith("q=")]
            yield media, _number(weights[0]) if weights else 1.0


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 1.0


def _quality(media: str, ranges: dict[str, float]) -> float:
    narrower = (media, f"{media.partition('/')[0]}/*", "*/*", "*")
    return next((ranges[each] for each in narrower if each in ranges), 0.0)

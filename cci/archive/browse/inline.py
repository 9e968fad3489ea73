"""Which files a browser may show by itself, and with which headers. Everything else is a download.

What people upload must not run in the name of the archive. So the type comes from a short list by the end of
the name, never from the content (``nosniff``), HTML and SVG are not on it, and all but PDF is in a sandbox,
which PDF viewers of browsers do not start in.
"""

from __future__ import annotations

from enum import StrEnum


class Form(StrEnum):
    """How a file is shown."""

    PICTURE = "picture"
    DOCUMENT = "document"
    TEXT = "text"


_PICTURES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
}
_TEXTS = frozenset(
    {
        *(".txt", ".log", ".csv", ".tsv", ".json", ".yaml", ".yml", ".md", ".stats", ".bval", ".bvec"),
        *(".sh", ".py", ".out", ".err", ".par", ".mat"),
    }
)
_SANDBOX = "sandbox; default-src 'none'; frame-ancestors 'self'"
_VIEWER = "default-src 'none'; object-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'self'"


def form_of(path: str) -> Form | None:
    """Return how a browser shows a file of this name; None if it does not."""
    end = _end(path)
    if end in _PICTURES:
        return Form.PICTURE
    if end == ".pdf":
        return Form.DOCUMENT
    return Form.TEXT if end in _TEXTS else None


def _end(path: str) -> str:
    name = path.rpartition("/")[2]
    return f".{name.rpartition('.')[2].lower()}" if "." in name else ""


def media_type(path: str) -> str:
    """Return the type that a file is shown as; only for names that `form_of` knows."""
    end = _end(path)
    if end == ".pdf":
        return "application/pdf"
    return _PICTURES.get(end, "text/plain; charset=utf-8")


def headers(path: str) -> dict[str, str]:
    """Return the headers that keep a shown file from doing anything."""
    return {
        "Content-Security-Policy": _VIEWER if _end(path) == ".pdf" else _SANDBOX,
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "private, must-revalidate",
    }

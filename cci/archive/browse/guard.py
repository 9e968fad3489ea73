"""What keeps the pages from being used against who looks at them: headers, and who may send a form.

The session cookie is HttpOnly and SameSite=Lax, so another site's form comes without it. Forms that change
something, and all writes that come with a cookie alone, are refused as well if the browser says that another
site sent them.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

#: No script at all, nothing from elsewhere; ``object-src`` and ``frame-src`` are for reports in PDF.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "img-src 'self'",
        "style-src 'self'",
        "object-src 'self'",
        "frame-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
#: Of every page: what it shows is about people, so no cache keeps it.
PAGE_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def is_own_form(headers: Mapping[str, str]) -> bool:
    """Whether a form was sent by a page of this archive, as far as the browser tells.

    Parameters
    ----------
    headers
        Of the request, names in lower case.
    """
    site = headers.get("sec-fetch-site", "")
    if site:
        return site in {"same-origin", "none"}
    origin = headers.get("origin", "")
    return not origin or urlsplit(origin).netloc == headers.get("host", "")

"""The few HTML pages that belong to the interface for clients. Pages for people are in `browse`.

Error pages have the shape of XNAT's, which are not well-formed: pyxnat 1.6.4 fails on a well-formed one.
"""

from __future__ import annotations

from html import escape
from http import HTTPStatus


def status_page(status: int, message: str) -> str:
    """Return the page that goes with an error status."""
    words = escape(message or HTTPStatus(status).phrase)
    return (
        "<html>\n<head>\n   <title>Status page</title>\n</head>\n"
        '<body style="font-family: sans-serif;">\n'
        f'<h3>{words}</h3>\n<p>You can get technical details <a href="http://www.w3.org/Protocols/rfc2616/'
        f'rfc2616-sec10.html">here</a>.<br>\nPlease continue your visit at our <a href="/">home page</a>.\n'
        "</p>\n</body>\n</html>\n"
    )


def front_page(login: str) -> str:
    """Return the page at ``/``; clients look for who is logged in by its exact text."""
    if login == "guest":
        who = 'Logged in as: <span style="color:red;">Guest</span>'
    else:
        who = f'Logged in as: &nbsp;<a href="/data/auth">{escape(login)}</a>'
    return (
        "<!DOCTYPE html>\n<html>\n<head><title>XNAT</title></head>\n<body>\n"
        f'<span id="user_info">{who}</span>\n'
        "<p>An archive of imaging sessions with the programming interface of XNAT.</p>\n</body>\n</html>\n"
    )


def login_page() -> str:
    """Return what a browser gets instead of a 401."""
    return (
        "<!DOCTYPE html>\n<html>\n<head><title>Log in</title></head>\n<body>\n"
        '<form method="post" action="/browse/login">\n'
        '<input name="username"> <input name="password" type="password"> <button>Log in</button>\n'
        "</form>\n</body>\n</html>\n"
    )

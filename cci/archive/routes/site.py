"""What belongs to the site and not to its data: logins, tokens, schemas, an empty prearchive."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from anyio import CapacityLimiter
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from cci.archive import xsd
from cci.archive.address import parse_address
from cci.archive.auth import IDLE_S, MAX_SESSIONS, Authenticator
from cci.archive.call import Call, table_response, text_response
from cci.archive.errors import BadRequest, Missing, NoRight
from cci.archive.lockout import LOCKED_S, MAX_FAILURES
from cci.archive.pages import front_page
from cci.archive.results import ResultCache
from cci.archive.routes.resources import find_resources
from cci.archive.store import accounts, searches
from cci.archive.store.store import Store
from cci.archive.store.tokens import LIFE_S, Token
from cci.archive.tree import find

#: Clients look at the beginning only; XNAT's dialect that the archive speaks is that of 1.8.
VERSION = "1.8.10-compat"
_PREARCHIVE = (
    "project timestamp lastmod uploaded scan_date scan_time subject folderName name tag status url "
    "autoarchive prevent_anon prevent_auto_commit SOURCE VISIT PROTOCOL TIMEZONE"
)


#: So many passwords are tried at once.
_PLACES = 4


@dataclass(frozen=True, kw_only=True)
class Site:
    """What handlers outside the tree work on.

    Attributes
    ----------
    started
        In seconds of the epoch.
    trying
        In whose places passwords are tried: each takes 16 MB and a while, on purpose.
    """

    store: Store
    auth: Authenticator
    results: ResultCache = field(default_factory=ResultCache)
    started: float = field(default_factory=time.time)
    trying: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(_PLACES))


SiteHandler = Callable[[Site, Call], Response]


def front(_site: Site, call: Call) -> Response:
    """Answer the front page, which says who is logged in."""
    return HTMLResponse(front_page(call.user.login))


# -- logins -----------------------------------------------------------------------------------------


def get_session(_site: Site, call: Call) -> Response:
    """Answer the id of the client's session."""
    csrf = f"; XNAT_CSRF={call.login.session_id.lower()}" if call.flag("CSRF") else ""
    return text_response(call.login.session_id + csrf)


def end_session(site: Site, call: Call) -> Response:
    """Log out."""
    site.auth.end(call.login.session_id)
    return text_response()


def log_out(site: Site, call: Call) -> Response:
    """Log out as XNAT's own pages do, and lead to the front page."""
    site.auth.end(call.login.session_id)
    return RedirectResponse("/", 302)


def who(_site: Site, call: Call) -> Response:
    """Answer who is logged in, as a sentence."""
    return text_response(f"User '{call.user.login}' is logged in")


def form_login(site: Site, call: Call) -> Response:
    """Log in with a form, and answer the id of the new session."""
    form = dict(call.parameters)
    user = site.auth.verify(form.get("username", ""), form.get("password", ""))
    name = site.auth.begin(user.login)
    response = text_response(name)
    response.set_cookie("JSESSIONID", name, httponly=True, samesite="lax", secure=call.secure)
    return response


def count_sessions(site: Site, call: Call) -> Response:
    """Answer how many open sessions a user has, to everybody but guests."""
    if not call.user.pk:
        raise NoRight
    login = call.names["login"]
    return JSONResponse({login: site.auth.open_sessions(login)})


def end_sessions(site: Site, call: Call) -> Response:
    """End all sessions of a user."""
    login = call.names["login"]
    if not call.user.admin and call.user.login != login:
        raise NoRight
    return JSONResponse(site.auth.end_all(login))


# -- alias tokens -----------------------------------------------------------------------------------


def issue_token(site: Site, call: Call) -> Response:
    """Make an alias token, for oneself or, for an administrator, for another user."""
    login = call.names.get("login", call.user.login)
    if not call.user.pk:
        raise NoRight
    if login != call.user.login and not call.user.admin:
        raise NoRight
    return JSONResponse(_token_json(*site.auth.issue_token(login)))


def _token_json(token: Token, secret: str = "") -> dict[str, Any]:
    return {
        "alias": token.alias,
        "secret": secret,
        "xdatUserId": token.login,
        "created": int(token.created * 1000),
        "timestamp": int(token.created * 1000),
        "estimatedExpirationTime": int(token.expires * 1000),
        "enabled": True,
        "singleUse": False,
        "id": 0,
    }


def validate_token(site: Site, call: Call) -> Response:
    """Answer whose token this is."""
    token = site.auth.token(call.names["alias"])
    valid = token is not None and token.has_secret(call.names["secret"])
    return JSONResponse({"valid": token.login} if token is not None and valid else {})


def invalidate_token(site: Site, call: Call) -> Response:
    """Take a token out of use."""
    token = site.auth.token(call.names["alias"])
    if token is not None and (call.user.admin or token.login == call.user.login):
        site.auth.invalidate_token(token.alias)
    return JSONResponse({"result": "OK"})


def show_tokens(site: Site, call: Call) -> Response:
    """Answer one's own tokens, without their secrets, which nobody knows any more."""
    return JSONResponse([_token_json(token) for token in site.auth.tokens(call.user.login)])


# -- identity ---------------------------------------------------------------------------------------


def no_version(_site: Site, _call: Call) -> Response:
    """Answer 404: an answer here would say "XNAT 1.6"."""
    raise Missing


def build_info(_site: Site, _call: Call) -> Response:
    """Answer which XNAT this is like."""
    return JSONResponse({"version": VERSION, "Application-Name": "XNAT", "buildNumber": "0"})


def uptime(site: Site, _call: Call) -> Response:
    """Answer how long the server has been up."""
    seconds = int(time.time() - site.started)
    days, rest = divmod(seconds, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, seconds = divmod(rest, 60)
    return JSONResponse({"Days": days, "Hours": hours, "Minutes": minutes, "Seconds": seconds})


def site_settings(site: Site, _call: Call) -> Response:
    """Answer those of XNAT's settings of a site that mean something here."""
    return JSONResponse(_settings(site))


def site_setting(site: Site, call: Call) -> Response:
    """Answer one setting of the site."""
    settings = _settings(site)
    name = call.names["name"]
    if name not in settings:
        raise Missing(f"Not Found: the site has no setting {name[:80]}")
    return JSONResponse(settings[name])


def _settings(site: Site) -> dict[str, Any]:
    return {
        "siteId": site.store.site,
        "requireLogin": not site.auth.open_site,
        "sessionTimeout": f"{IDLE_S // 60} minutes",
        "checksums": True,
        "enableCsrfToken": False,
        "aliasTokenTimeout": f"{int(LIFE_S // 86400)} days",
        "maxFailedLogins": MAX_FAILURES,
        "maxFailedLoginsLockoutDuration": f"{int(LOCKED_S // 3600)} hour",
        "concurrentMaxSessions": MAX_SESSIONS,
    }


def plugins(_site: Site, _call: Call) -> Response:
    """Answer that no plugins are installed: the types that they would bring are the archive's own."""
    return JSONResponse({})


def schema_list(_site: Site, _call: Call) -> Response:
    """Answer the names of the XML schemas."""
    return JSONResponse(xsd.schema_names())


def schema(_site: Site, call: Call) -> Response:
    """Answer one XML schema."""
    name = call.names["name"].removesuffix(".xsd")
    folder, _, file = name.partition("/")
    text = xsd.read_schema(folder if file in {"", folder} else name)
    if text is None:
        raise Missing
    # clients fetch all of them at every connection
    return Response(text, media_type="application/xml", headers={"Cache-Control": "private, max-age=3600"})


# -- the rest ---------------------------------------------------------------------------------------


def prearchive(_site: Site, call: Call) -> Response:
    """Answer the sessions that wait to be archived: none, everything here is archived at once."""
    return table_response(call, _PREARCHIVE.split(), [])


def refresh_catalog(_site: Site, call: Call) -> Response:
    """Accept a wish to refresh a catalog: catalogs here are never stale."""
    paths = [value for name, value in call.parameters if name == "resource"]
    if not paths:
        raise BadRequest("say which resource")
    for path in paths:
        _check_exists(call, path)
    return text_response()


def refresh_catalogs(_site: Site, call: Call) -> Response:
    """Accept a wish to refresh catalogs, given as a JSON list of paths."""
    try:
        paths = json.loads(call.body)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the list of paths is not JSON: {error}") from error
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths) or not paths:
        raise BadRequest("the body is a JSON list of paths")
    for path in paths:
        _check_exists(call, path)
    return text_response()


def scan_types(_site: Site, call: Call) -> Response:
    """Answer the types of the scans that the user may see."""
    with call.store.database.read() as connection:
        readable = accounts.readable_projects(connection, call.user)
        types = searches.scan_types(connection, readable)
    return table_response(call, ["type"], [[each] for each in types])


def scanners(_site: Site, call: Call) -> Response:
    """Answer the scanners of the sessions that the user may see."""
    with call.store.database.read() as connection:
        readable = accounts.readable_projects(connection, call.user)
        found = searches.scanners(connection, readable)
    return table_response(call, ["scanner"], [[each] for each in found])


def _check_exists(call: Call, path: str) -> None:
    below = path.strip("/").removeprefix("data/").removeprefix("archive/")
    address = parse_address(below)
    with call.store.database.read() as connection:
        if find(connection, call.user, replace(address, collection="", resource="", file="")).item is None:
            raise Missing(f"Not Found: there is no {below[:200]}")
        if address.resource:
            find_resources(connection, call, address)

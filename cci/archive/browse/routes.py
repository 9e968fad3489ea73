"""The pages as endpoints: who asks, what is answered, login and logout. What a page shows is in `views`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.resources import files as package_files
from urllib.parse import quote

from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from cci.archive import journal
from cci.archive.auth import Login
from cci.archive.browse import guard, inline, links
from cci.archive.browse.links import ROOT, Crumb
from cci.archive.browse.place import Place, find_place
from cci.archive.browse.render import render
from cci.archive.browse.views import Page, page, projects_page, readable_resource
from cci.archive.call import Call, checked_path
from cci.archive.errors import Missing, RequestError, Unauthorized
from cci.archive.requestbody import read_body
from cci.archive.routes.site import Site
from cci.archive.store.catalog import find_file
from cci.archive.store.database import Connection
from cci.archive.values import safe_path

#: Says who sends a request.
Identify = Callable[[Site, Request], Awaitable[Login]]
_LOGIN, _LOGOUT = f"{ROOT}login", f"{ROOT}logout"
_STATIC = {"browse.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml"}
_REFUSED = "Another site sent this form. Open the page from here and try again."


def routes(site: Site, identify: Identify) -> list[Route]:
    """Return the routes of all pages."""

    async def show(request: Request) -> Response:
        return await _show(site, identify, request)

    async def log_in(request: Request) -> Response:
        return await _log_in(site, request)

    async def log_out(request: Request) -> Response:
        return await _log_out(site, request)

    return [
        Route(ROOT.rstrip("/"), _to_root, methods=["GET"]),
        Route(_LOGIN, log_in, methods=["GET", "POST"]),
        Route(_LOGOUT, log_out, methods=["POST"]),
        Route(f"{ROOT}static/{{name}}", _static, methods=["GET"]),
        Route(f"{ROOT}{{path:path}}", show, methods=["GET"]),
    ]


def wants_pages(request: Request) -> bool:
    """Whether who asks for the front page is a person: XNAT's clients take anything, browsers take HTML."""
    return "text/html" in request.headers.get("accept", "")


async def _to_root(_request: Request) -> Response:
    return RedirectResponse(ROOT, 308)


async def _static(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _STATIC:
        return Response(status_code=404)
    content = package_files("cci.archive.browse").joinpath("static", name).read_bytes()
    headers = {"Cache-Control": "max-age=3600", "X-Content-Type-Options": "nosniff"}
    return Response(content, media_type=_STATIC[name], headers=headers)


# -- pages ------------------------------------------------------------------------------------------


async def _show(site: Site, identify: Identify, request: Request) -> Response:
    try:
        login = await identify(site, request)
    except Unauthorized:
        if request.headers.get("authorization"):
            raise
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(f"{_LOGIN}?next={quote(quote(request.url.path) + query, safe='/')}", 303)
    call = Call(
        store=site.store,
        login=login,
        method="GET",
        path="",
        parameters=tuple(request.query_params.multi_items()),
    )
    try:
        path = checked_path(request)
        return await run_sync(_answer, call, path)
    except RequestError as error:
        return _error(call, error)


def _answer(call: Call, path: str) -> Response:
    with call.store.database.read() as connection:
        if not path:
            return _html(call, projects_page(connection, call))
        place = find_place(connection, call.user, path)
        if isinstance(place, str):
            return RedirectResponse(place, 302)
        if place.address.collection == "files":
            return _file(connection, call, place)
        return _html(call, page(connection, call, place))


def _file(connection: Connection, call: Call, place: Place) -> Response:
    path = place.address.file
    resource = readable_resource(connection, call, place)
    link = links.resource(place.link, resource)
    if not path or path.endswith("/"):
        return RedirectResponse(link, 302)
    row = find_file(connection, resource, safe_path(path))
    if row is None:
        raise Missing(f"there is no file {path[:200]}")
    if inline.form_of(path) is None:
        # REST sends it, as an attachment
        return RedirectResponse(links.data(links.file(link, path)), 302)
    return FileResponse(
        call.store.blobs.stored(row.blob),
        media_type=inline.media_type(path),
        headers=inline.headers(path),
        filename=path.rpartition("/")[2],
        content_disposition_type="inline",
    )


def _html(call: Call, shown: Page, status: int = 200) -> Response:
    values = {"title": shown.title, "crumbs": shown.crumbs, **_around(call), **shown.values}
    return HTMLResponse(render(shown.template, values), status, guard.PAGE_HEADERS)


def _around(call: Call) -> dict[str, object]:
    user = call.user
    person = " ".join(filter(None, (user.firstname, user.lastname)))
    return {"site": call.store.site, "user": user.login if user.pk else "", "person": person}


def _error(call: Call, error: RequestError) -> Response:
    missing = error.status == 404
    title = "Not found" if missing else "This does not work"
    values = {"missing": missing, "message": error.message}
    crumbs = (Crumb(label="Projects", link=ROOT),)
    return _html(call, Page(template="error.html", title=title, crumbs=crumbs, values=values), error.status)


# -- login and logout -------------------------------------------------------------------------------


async def _log_in(site: Site, request: Request) -> Response:
    if request.method != "POST":
        return _form(site, request.query_params.get("next", ""), "", "")
    form = dict((await read_body(request, site.store, files=False)).form)
    login, following = form.get("username", ""), form.get("next", "")
    if not guard.is_own_form(request.headers):
        return _form(site, following, login, _REFUSED, 403)

    def begin() -> str:
        return site.auth.begin(site.auth.verify(login, form.get("password", "")).login)

    try:
        name = await run_sync(begin, limiter=site.trying)
    except Unauthorized as error:
        return _form(site, following, login, _why(error), 403)
    request.scope[journal.USER] = login
    response = RedirectResponse(following if links.is_local(following) else ROOT, 303)
    secure = request.url.scheme == "https"
    response.set_cookie("JSESSIONID", name, httponly=True, samesite="lax", secure=secure)
    return response


def _why(error: Unauthorized) -> str:
    usual = Unauthorized().message
    if error.message == usual:
        return "This is not a name and password that the archive knows."
    return error.message[:1].upper() + error.message[1:] + "."


def _form(site: Site, following: str, login: str, problem: str, status: int = 200) -> Response:
    values = {
        "title": "Log in",
        "crumbs": (),
        "site": site.store.site,
        "user": "",
        "person": "",
        "next": following if links.is_local(following) else "",
        "login": login[:200],
        "problem": problem,
    }
    return HTMLResponse(render("login.html", values), status, guard.PAGE_HEADERS)


async def _log_out(site: Site, request: Request) -> Response:
    if not guard.is_own_form(request.headers):
        return _form(site, "", "", _REFUSED, 403)
    site.auth.end(request.cookies.get("JSESSIONID", ""))
    response = RedirectResponse(_LOGIN, 303)
    response.delete_cookie("JSESSIONID", httponly=True, samesite="lax")
    return response

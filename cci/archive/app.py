"""The archive as an ASGI application. No socket and no process: these are in `serve`."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path

from anyio.to_thread import run_sync
from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from cci.archive import browse, journal
from cci.archive.auth import GUEST, Authenticator, Login
from cci.archive.call import Call, checked_path
from cci.archive.errors import NoRight, NotAllowed, RequestError, Unauthorized
from cci.archive.journal import Journal, Journaled
from cci.archive.limits import Limits
from cci.archive.pages import login_page, status_page
from cci.archive.requestbody import Body, is_small, read_body, read_whole, small_body
from cci.archive.routes import site
from cci.archive.routes.dispatch import dispatch, takes_files
from cci.archive.routes.site import Site, SiteHandler
from cci.archive.routes.table import DATA_ROUTES, OTHER_ROUTES
from cci.archive.setup import ensure_administrator
from cci.archive.store.store import Store

_METHODS = ["GET", "HEAD", "PUT", "POST", "DELETE"]
_READS = frozenset({"GET", "HEAD"})
_BROWSERS = ("MSIE", "Mozilla", "AppleWebKit", "Opera")
Endpoint = Callable[[Request], Awaitable[Response]]
Handler = Callable[[Call], Response]


def create_app(
    root: Path,
    *,
    middleware: Sequence[Middleware] = (),
    site_id: str = "XNAT",
    user: str = "admin",
    password: str = "",
    open_site: bool = False,
    limits: Limits | None = None,
    database: str = "",
) -> Starlette:
    """Make the application over a folder, which is made if it does not exist.

    Parameters
    ----------
    middleware
        Further ASGI layers, inside the counting and logging one.
    password
        Of the administrator. Empty: the present one stays, and a new archive makes one up and leaves it in
        ``admin.password`` in the folder, readable by its owner alone.
    open_site
        Whether clients without credentials see public projects.
    limits
        How large what comes in may be.
    database
        Address of a PostgreSQL database. Empty: the one that the folder remembers, or its own SQLite file.

    Raises
    ------
    UsageError
        The folder is open elsewhere, or was made by another version; the database is not this folder's, or
        cannot be opened.
    """
    store = Store(root, site_id, limits, database=database)
    ensure_administrator(store, user, password)
    world = Site(store=store, auth=Authenticator(store.database, open_site=open_site))
    book = Journal(root=root)
    return Starlette(
        routes=_routes(world, book),
        middleware=[Middleware(Journaled, journal=book), *middleware],
        exception_handlers={RequestError: _refuse, ClientDisconnect: _gone, Exception: _broken},
        lifespan=_lifespan(store, book),
    )


class _Items(Convertor[str]):
    """Paths that begin with a collection of items; none of the other addresses does."""

    regex = "(?:projects|subjects|experiments)/.*"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("items", _Items())


class _Lenient(Route):
    """A route that takes a slash behind its address, too, as XNAT does; the tree of items does so anyway."""

    def __init__(self, path: str, endpoint: Endpoint) -> None:
        super().__init__(path, endpoint, methods=_METHODS)
        self.path_regex = re.compile(self.path_regex.pattern.removesuffix("$") + "/?$")


def _lifespan(store: Store, book: Journal) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        store.close()
        book.close()

    return lifespan


def _routes(world: Site, book: Journal) -> list[Route]:
    routes = [
        Route("/", _front(world), methods=_METHODS),
        Route(journal.COUNTERS, _counters(world, book), methods=["GET"]),
        *browse.routes(world, _identify),
    ]
    # routes are tried one by one: what is asked for most comes first
    often = [f"{prefix}/{{path:items}}" for prefix in ("/data", "/data/archive", "/REST", "/REST/archive")]
    routes += [Route(path, _tree(world), methods=_METHODS) for path in often]
    for prefix in ("/data", "/REST"):
        routes += [
            _Lenient(f"{prefix}/services/auth", _login(world)),
            *(_site_route(world, f"{prefix}/{path}", handlers) for path, handlers in DATA_ROUTES.items()),
            Route(f"{prefix}/archive/{{path:path}}", _tree(world), methods=_METHODS),
            Route(f"{prefix}/{{path:path}}", _tree(world), methods=_METHODS),
        ]
    return routes + [_site_route(world, path, handlers) for path, handlers in OTHER_ROUTES.items()]


# -- endpoints --------------------------------------------------------------------------------------


def _tree(world: Site) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        path = checked_path(request)
        writes = request.method in {"PUT", "POST"}
        files = writes and takes_files(path)
        # an archive that is to be unpacked takes longer than others should wait for their turn
        if writes and not (files and "extract" in request.query_params):
            return await _write(world, request, files=files)
        return await _answer(world, request, dispatch, files=files)

    return endpoint


def _site_route(world: Site, path: str, handlers: dict[str, SiteHandler]) -> Route:
    fresh, files = path.endswith("/JSESSION"), path.endswith("/services/import")

    def handle(call: Call) -> Response:
        handler = handlers.get("GET" if call.method == "HEAD" else call.method)
        if handler is None:
            raise NotAllowed(f"{call.method} is not allowed here")
        return handler(world, call)

    async def endpoint(request: Request) -> Response:
        checked_path(request)
        return await _answer(world, request, handle, files=files, fresh=fresh)

    return _Lenient(path, endpoint)


def _login(world: Site) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        if request.method not in {"PUT", "POST"}:
            raise NotAllowed(f"{request.method} is not allowed here")
        _check_sender(request)
        call = await _call(world, request, Login(user=GUEST))
        return await run_sync(site.form_login, world, call, limiter=world.trying)

    return endpoint


def _front(world: Site) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        if browse.wants_pages(request):
            return RedirectResponse(browse.ROOT, 302)
        try:
            login = await _identify(world, request)
        except Unauthorized:
            if request.headers.get("authorization"):
                raise
            login = Login(user=GUEST)
        return site.front(world, await _call(world, request, login))

    return endpoint


def _counters(world: Site, book: Journal) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        login = await _identify(world, request)
        if not login.user.admin:
            raise NoRight
        return JSONResponse(book.counts())

    return endpoint


async def _answer(
    world: Site, request: Request, handler: Handler, *, files: bool, fresh: bool = False
) -> Response:
    """Say who asks, read what is sent, and let the handler answer; in one hop between threads if possible."""
    if is_small(request, world.store.limits, files=files):
        content = await read_whole(request)
        login = await _tried(world, request, fresh=fresh)

        def whole() -> Response:
            certain = login or _login_of(world, request, fresh=fresh)
            return _handled(handler, _small_call(world, request, certain, content, files=files))

        return await run_sync(whole)
    login = await _identify(world, request, fresh=fresh)
    return await run_sync(_handled, handler, await _call(world, request, login, files=files))


def _handled(handler: Handler, call: Call) -> Response:
    """Let the handler answer; files that came with a request that fails are removed."""
    try:
        return handler(call)
    except BaseException:
        call.store.blobs.release([each.blob.name for each in call.uploads])
        raise


async def _write(world: Site, request: Request, *, files: bool) -> Response:
    """Answer a write that is done as soon as it has its turn; it shares its commit with others."""
    if not is_small(request, world.store.limits, files=files):
        return await _answer(world, request, dispatch, files=files)
    content = await read_whole(request)
    # a password is tried, and a file is brought to disk, while others write
    login = await _tried(world, request)
    body = partial(small_body, request, content, world.store.blobs, files=files)
    if files:
        return await world.store.turns.take_after(body, partial(_write_file, world, request, login))
    return await world.store.turns.take(
        lambda: dispatch(_call_of(world, request, login or _login_of(world, request), body()))
    )


def _write_file(world: Site, request: Request, login: Login | None, body: Body) -> Response:
    try:
        certain = login or _login_of(world, request)
    except RequestError:
        world.store.blobs.release([upload.blob.name for upload in body.uploads])
        raise
    return dispatch(_call_of(world, request, certain, body))


async def _tried(world: Site, request: Request, *, fresh: bool = False) -> Login | None:
    """Say who asks if a password has to be tried for that, which is slow; None if not."""
    return await _identify(world, request, fresh=fresh) if _is_new(world, request) else None


async def _identify(world: Site, request: Request, *, fresh: bool = False) -> Login:
    # those who guess passwords wait for one another, and nobody else does
    limiter = world.trying if _is_new(world, request) else None
    return await run_sync(partial(_login_of, world, request, fresh=fresh), limiter=limiter)


def _is_new(world: Site, request: Request) -> bool:
    authorization = request.headers.get("authorization", "")
    return bool(authorization) and not world.auth.is_known(authorization)


def _login_of(world: Site, request: Request, *, fresh: bool = False) -> Login:
    authorization = request.headers.get("authorization", "")
    if not authorization:
        _check_sender(request)
    login = world.auth.identify(authorization, request.cookies.get("JSESSIONID", ""), fresh=fresh)
    request.scope[journal.USER] = login.user.login
    request.scope[journal.COOKIE] = login.session_id if login.new else ""
    return login


def _check_sender(request: Request) -> None:
    """Refuse a write that another site sends with a cookie, where the browser says so."""
    if request.method not in _READS and not browse.is_own_form(request.headers):
        raise NoRight("another site sent this")


def _small_call(world: Site, request: Request, login: Login, content: bytes, *, files: bool) -> Call:
    return _call_of(world, request, login, small_body(request, content, world.store.blobs, files=files))


async def _call(world: Site, request: Request, login: Login, *, files: bool = False) -> Call:
    return _call_of(world, request, login, await read_body(request, world.store, files=files))


def _call_of(world: Site, request: Request, login: Login, body: Body) -> Call:
    return Call(
        store=world.store,
        login=login,
        method=request.method,
        path=str(request.path_params.get("path", "")),
        parameters=(*request.query_params.multi_items(), *body.form),
        headers=dict(request.headers),
        body=body.document,
        uploads=body.uploads,
        secure=request.scope["scheme"] == "https",
        names={name: str(value) for name, value in request.path_params.items()},
    )


# -- errors -----------------------------------------------------------------------------------------


def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    if isinstance(error, Unauthorized) and _is_browser(request):
        return HTMLResponse(login_page())
    headers = {"WWW-Authenticate": 'Basic realm="XNAT Protected Area"'} if error.status == 401 else {}
    path = request.url.path
    if path.startswith("/xapi") or (error.status == 401 and not path.endswith("/services/auth")):
        return Response(error.message, error.status, headers, "text/plain")
    return HTMLResponse(status_page(error.status, error.message), error.status, headers)


def _is_browser(request: Request) -> bool:
    agent = request.headers.get("user-agent", "")
    return any(word in agent for word in _BROWSERS)


def _gone(_request: Request, _error: Exception) -> Response:
    return Response(status_code=400)


def _broken(_request: Request, _error: Exception) -> Response:
    # the traceback goes to the server's log: the error is raised on after this answer
    return HTMLResponse(status_page(500, "The server failed"), 500)

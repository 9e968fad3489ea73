"""Reads the body of a request: documents into memory, files onto the disk while they arrive."""

from __future__ import annotations

from asyncio import Future, ensure_future, get_running_loop, timeout, wait
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from time import monotonic
from urllib.parse import parse_qsl

from anyio.to_thread import run_sync
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.types import Message, Receive

from cci.archive.call import Upload
from cci.archive.errors import TooLarge, TooSlow
from cci.archive.limits import Limits
from cci.archive.store.blobs import Blobs, Writer
from cci.archive.store.store import Store

_FORM = "application/x-www-form-urlencoded"
_MULTIPART = "multipart/form-data"
_COPY = 1 << 20
#: A body of at most so many bytes is kept in memory until it is known who sends it.
_SMALL = 1 << 18
#: A client may keep the archive waiting for so long, in seconds, and for a second more with so many bytes.
_PATIENCE_S, _SLOWEST = 60.0, 1000


@dataclass(frozen=True, kw_only=True)
class Body:
    """A request's body; at most one of the three is filled."""

    document: bytes = b""
    form: tuple[tuple[str, str], ...] = ()
    uploads: tuple[Upload, ...] = ()


async def read_body(request: Request, store: Store, *, files: bool) -> Body:
    """Read the body.

    Parameters
    ----------
    files
        Whether the address takes files; elsewhere a body is a document or a form.

    Raises
    ------
    TooLarge
        It is larger than the limits of the store.
    TooSlow
        It does not come.
    """
    limit = store.limits.upload if files else store.limits.document
    request = Request(request.scope, _bounded(request, limit))
    kind = _kind(request)
    if files:
        return Body(uploads=await _uploads(request, store.blobs, kind))
    if kind == _MULTIPART:
        return Body(document=await _document_part(request))
    return _document_body(kind, await read_whole(request))


def is_small(request: Request, limits: Limits, *, files: bool) -> bool:
    """Whether the body is announced as one that can be kept in memory and needs no reading in parts."""
    if _kind(request) == _MULTIPART:
        return False
    if "transfer-encoding" in request.headers:
        return False
    announced = request.headers.get("content-length", "0")
    most = min(_SMALL, limits.upload if files else limits.document)
    return announced.isdecimal() and len(announced) < 20 and int(announced) <= most


async def read_whole(request: Request) -> bytes:
    """Return the body as it came.

    Raises
    ------
    TooSlow
        It does not come.
    """
    if request.headers.get("content-length", "0") == "0" and "transfer-encoding" not in request.headers:
        return b""
    hurried = Request(request.scope, _hurried(request.receive))
    return b"".join([part async for part in hurried.stream()])


def small_body(request: Request, content: bytes, blobs: Blobs, *, files: bool) -> Body:
    """Make the body of a request that `is_small`; blocks while a file is written."""
    kind = _kind(request)
    if not files:
        return _document_body(kind, content)
    if kind == _FORM and not _inbody(request):
        return Body()
    return Body(uploads=(Upload(name="", blob=blobs.keep(content)),))


def _document_body(kind: str, document: bytes) -> Body:
    if kind == _FORM and not document.lstrip().startswith(b"<"):
        return Body(form=tuple(parse_qsl(document.decode("utf-8", "replace"), keep_blank_values=True)))
    return Body(document=document)


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _inbody(request: Request) -> bool:
    return request.query_params.get("inbody", "").lower() == "true"


def _bounded(request: Request, limit: int) -> Receive:
    """Return the request's own channel, which ends in an error behind so many bytes."""
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced[:20]) > limit:
        raise TooLarge(f"the request is larger than {limit} bytes")
    left, hurried = limit, _hurried(request.receive)

    async def receive() -> Message:
        nonlocal left
        message = await hurried()
        left -= len(message.get("body", b""))
        if left < 0:
            raise TooLarge(f"the request is larger than {limit} bytes")
        return message

    return receive


def _hurried(receive: Receive) -> Receive:
    """Return a channel that is not waited for any longer than a slow line takes: each takes up a place."""
    left = _PATIENCE_S

    async def hurried() -> Message:
        nonlocal left
        begun = monotonic()
        try:
            async with timeout(left):
                message = await receive()
        except TimeoutError as error:
            raise TooSlow from error
        earned = len(message.get("body", b"")) / _SLOWEST
        left = min(_PATIENCE_S, left - (monotonic() - begun) + earned)
        return message

    return hurried


async def _document_part(request: Request) -> bytes:
    async with request.form() as form:
        for _, part in form.multi_items():
            if isinstance(part, UploadFile):
                return await part.read()
    return b""


async def _uploads(request: Request, blobs: Blobs, kind: str) -> tuple[Upload, ...]:
    inbody = _inbody(request)
    if kind == _MULTIPART and not inbody:
        async with request.form() as form:
            parts = [part for _, part in form.multi_items() if isinstance(part, UploadFile)]
            return tuple(await _parts(blobs, parts))
    if kind == _FORM and not inbody:
        return ()
    return (await _store(blobs, "", request.stream()),)


async def _parts(blobs: Blobs, parts: Sequence[UploadFile]) -> list[Upload]:
    stored: list[Upload] = []
    try:
        for part in parts:
            upload = await _store(blobs, part.filename or "", _part_stream(part))
            stored.append(upload)
    except BaseException:
        await run_sync(blobs.release, [each.blob.name for each in stored])
        raise
    return stored


async def _part_stream(part: UploadFile) -> AsyncIterator[bytes]:
    while data := await part.read(_COPY):
        yield data


async def _store(blobs: Blobs, name: str, stream: AsyncIterator[bytes]) -> Upload:
    writer = await run_sync(blobs.create)
    with writer:
        await _write_behind(writer, stream)
        return Upload(name=name, blob=await run_sync(writer.finish))


async def _write_behind(writer: Writer, stream: AsyncIterator[bytes]) -> None:
    """Hash and write a megabyte outside the event loop, while the next one comes in."""
    busy: Future[object] = get_running_loop().create_future()
    busy.set_result(None)
    try:
        async for piece in _pieces(stream):
            await busy
            busy = ensure_future(_write(writer, piece))
    finally:
        # also after an error: nothing may write to a file that is closed
        await wait([busy])
    await busy


async def _write(writer: Writer, piece: bytes) -> None:
    """Hash and write at the same time: neither waits for the other, and each takes a core."""
    counted = ensure_future(run_sync(writer.count, piece))
    try:
        await run_sync(writer.append, piece)
    finally:
        await counted


async def _pieces(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    pending: list[bytes] = []
    size = 0
    async for part in stream:
        pending.append(part)
        size += len(part)
        if size >= _COPY:
            yield b"".join(pending)
            pending, size = [], 0
    yield b"".join(pending)

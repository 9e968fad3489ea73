"""A store in a temporary folder and a way to ask it, without HTTP."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import FileResponse, Response, StreamingResponse

from cci.archive.auth import Login
from cci.archive.call import Call, Upload
from cci.archive.errors import RequestError
from cci.archive.routes.dispatch import dispatch
from cci.archive.setup import ensure_administrator
from cci.archive.store import accounts
from cci.archive.store.accounts import User
from cci.archive.store.blobs import Blob
from cci.archive.store.store import Store


@dataclass(frozen=True)
class Answer:
    """What a request was answered: status, body."""

    status: int
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def rows(self) -> list[dict[str, str]]:
        """The rows of a JSON table."""
        return list(json.loads(self.body)["ResultSet"]["Result"])


@dataclass
class World:
    """A store, and someone who asks it."""

    store: Store
    user: User

    def ask(self, method: str, path: str, body: bytes = b"", **parameters: str) -> Answer:
        """Make a request below ``/data``."""
        return self.send(method, path, list(parameters.items()), body=body)

    def send(
        self,
        method: str,
        path: str,
        parameters: list[tuple[str, str]],
        *,
        body: bytes = b"",
        uploads: tuple[Upload, ...] = (),
        headers: dict[str, str] | None = None,
    ) -> Answer:
        call = Call(
            store=self.store,
            login=Login(user=self.user),
            method=method,
            path=path,
            parameters=tuple(parameters),
            body=body,
            uploads=uploads,
            headers=headers or {},
        )
        try:
            return _answer(dispatch(call))
        except RequestError as error:
            return Answer(error.status, error.message.encode())

    def get(self, path: str, **parameters: str) -> Answer:
        return self.send("GET", path, list(parameters.items()))

    def put(self, path: str, **parameters: str) -> Answer:
        return self.send("PUT", path, list(parameters.items()))

    def upload(self, path: str, data: bytes, **parameters: str) -> Answer:
        """Send one file as the body of a request."""
        upload = Upload(name="", blob=self.content(data))
        return self.send("PUT", path, list(parameters.items()), uploads=(upload,))

    def content(self, data: bytes) -> Blob:
        with self.store.blobs.create() as writer:
            writer.write(data)
            return writer.finish()

    def person(self, login: str) -> World:
        """The same store, asked by somebody who is no administrator."""
        with self.store.database.write() as connection:
            user = accounts.set_password(connection, login, "secret", admin=False)
        return World(self.store, user)


def _answer(response: Response) -> Answer:
    if isinstance(response, FileResponse):
        return Answer(response.status_code, Path(response.path).read_bytes())
    if isinstance(response, StreamingResponse):
        return Answer(response.status_code, _drain(response))
    return Answer(response.status_code, bytes(response.body))


def _drain(response: StreamingResponse) -> bytes:
    async def collect() -> bytes:
        return b"".join([_bytes(part) async for part in response.body_iterator])

    import anyio

    return anyio.run(collect)


def _bytes(part: Any) -> bytes:
    return part.encode() if isinstance(part, str) else bytes(part)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "archive")
    yield opened
    opened.close()


@pytest.fixture
def world(store: Store) -> World:
    """An empty archive, asked by its administrator."""
    return World(store, ensure_administrator(store, password="secret"))


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small archive, closed."""
    root = tmp_path_factory.mktemp("template") / "archive"
    store = Store(root)
    fill(World(store, ensure_administrator(store, password="secret")))
    store.close()
    return root


@pytest.fixture
def filled(template: Path, tmp_path: Path) -> Iterator[World]:
    """Project P, subject S, MR session E with scans 1 and 2, assessor A; two resources on scan 1."""
    root = tmp_path / "filled"
    shutil.copytree(template, root)
    store = Store(root)
    yield World(store, ensure_administrator(store))
    store.close()


def fill(world: World) -> None:
    world.put("projects/P")
    world.put("projects/P/subjects/S", gender="female")
    session = "projects/P/subjects/S/experiments/E"
    world.put(session, xsiType="xnat:mrSessionData", date="2020-01-02")
    world.put(f"{session}/scans/1", xsiType="xnat:mrScanData", type="T1", quality="usable")
    world.put(f"{session}/scans/2", xsiType="xnat:mrScanData", type="DTI", quality="unusable")
    world.put(f"{session}/assessors/A", xsiType="proc:genProcData")
    for label in ("DICOM", "NIFTI"):
        world.upload(f"{session}/scans/1/resources/{label}/files/a.txt", b"content")


def zipped(files: dict[str, bytes]) -> bytes:
    """Return a zip with these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


@pytest.fixture
def make_zip() -> Any:
    return zipped

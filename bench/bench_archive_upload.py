"""How fast the embedded archive takes a large file, as a ratio to nginx in the same run.

A PUT of 1 GB over the loopback by the same client, to the same disk, in turns; the value is the median of
five ratios. nginx takes it by WebDAV (``dav_methods PUT``: a temporary file beside the target, then a rename)
and syncs nothing, so the client syncs nginx's file and counts that in: both times end when the content is on
disk. The archive besides computes the MD5 and keeps a catalog. Needs the Debian package ``nginx-light``.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from base64 import b64encode
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from bench_file_serving import against_nginx, running_nginx
from support.archive import RunningArchive, running_archive
from support.fill import Fill

SIZE_BYTES = 10**9
REPETITIONS = 5
TARGET = 0.5
_BLOCK = os.urandom(10**6)
#: What nginx needs besides to take files; its temporary files are on the disk of the target.
DAV = """
        dav_methods PUT;
        client_max_body_size 0;
        client_body_temp_path {folder}/incoming;
"""


def put_s(port: int, path: str, headers: str = "") -> float:
    """Put `SIZE_BYTES` bytes, and return the seconds until the answer; from a bare socket."""
    head = f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}"
    begin = time.perf_counter()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(f"{head}Content-Length: {SIZE_BYTES}\r\n\r\n".encode())
        for _ in range(SIZE_BYTES // len(_BLOCK)):
            connection.sendall(_BLOCK)
        answer = connection.recv(1 << 16)
    if answer.split()[1] not in {b"200", b"201", b"204"}:
        raise RuntimeError(f"{path} was answered with {answer[:200]!r}")
    return time.perf_counter() - begin


def put_to_nginx_s(port: int, folder: Path, name: str) -> float:
    """Put a new file to nginx and sync it; return the seconds of both together."""
    taken = put_s(port, f"/{name}")
    begin = time.perf_counter()
    handle = os.open(folder / name, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)
    return taken + time.perf_counter() - begin


def put_to_archive_s(archive: RunningArchive, resource: str, name: str) -> float:
    """Put a new file into the archive; return the seconds. The archive itself syncs it."""
    login = b64encode(":".join(archive.auth).encode()).decode()
    path = f"{resource}/files/{name}?inbody=true"
    return put_s(archive.port, path, f"Authorization: Basic {login}\r\n")


def measure(folder: Path) -> list[float]:
    """Return the archive's throughput as a ratio to nginx's, once for each repetition."""
    web = folder / "web"
    web.mkdir()
    with (
        running_archive(folder / "archive", strict=False) as archive,
        running_nginx(web, DAV.format(folder=web)) as nginx,
    ):
        with Fill(archive.url, archive.auth) as fill:
            resource = f"{fill.session('BENCH', 'S', 'E')}/resources/R"
        port = int(nginx.rpartition(":")[2])
        # all stay until the end: what is deleted leaves memory behind that the next file of its kind gets
        names = [f"large{number}.bin" for number in range(1 + REPETITIONS)]
        took = [
            (put_to_nginx_s(port, web, name), put_to_archive_s(archive, resource, name)) for name in names
        ]
        return [nginx_s / archive_s for nginx_s, archive_s in took[1:]]


def main() -> int:
    """Compare uploads."""
    what = "nginx, WebDAV PUT of 1 GB and fsync, same disk, same client"
    return against_nginx("archive file upload", what, TARGET, measure)


if __name__ == "__main__":
    sys.exit(main())

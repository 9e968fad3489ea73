"""How fast the embedded archive serves a large file, as a ratio to nginx in the same run.

Both send the same 1 GB file (from the page cache, over the loopback) to the same client, in turns; the
value is the median of five ratios. Needs the Debian package ``nginx-light``. It measures nothing but the
download of one file at a time.
"""

from __future__ import annotations

import base64
import json
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import requests

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.archive import RunningArchive, free_port, running_archive
from support.fill import Fill

SIZE_BYTES = 10**9
REPETITIONS = 5
TARGET = 0.7
_BUFFER_BYTES = 2**20
_NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 64; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    server {{
        listen 127.0.0.1:{port};
        root {folder};
{more}
    }}
}}
"""


def write_file(path: Path) -> None:
    """Write a file of `SIZE_BYTES` bytes."""
    block = bytes(range(256)) * 4096
    with path.open("wb") as file:
        for _ in range(SIZE_BYTES // len(block)):
            file.write(block)
        file.write(block[: SIZE_BYTES % len(block)])


@contextmanager
def running_nginx(folder: Path, more: str = "") -> Iterator[str]:
    """Serve *folder* with nginx until the block ends, with *more* in its settings; yields its address."""
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(_NGINX.format(folder=folder, port=port, more=more))
    # the parent folder of temporary files is closed to nginx's own user
    command = ["nginx", "-c", str(config), "-p", str(folder), "-g", "user root;"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(port: int) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError("nginx does not answer")


def upload(archive: RunningArchive, path: Path) -> str:
    """Put the file into the archive and return its address."""
    with Fill(archive.url, archive.auth) as fill:
        session = fill.session("BENCH", "S", "E")
    uri = f"{archive.url}{session}/resources/R/files/large.bin"
    with path.open("rb") as file:
        answer = requests.put(f"{uri}?inbody=true", data=file, auth=archive.auth, timeout=600)
    answer.raise_for_status()
    return uri


def download_s(url: str, auth: tuple[str, str] | None = None) -> float:
    """Download *url*, throw the content away and return the seconds it took.

    A bare socket, because every HTTP library costs more time than either server.
    """
    parts = urlsplit(url)
    buffer = memoryview(bytearray(_BUFFER_BYTES))
    request = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n"
    if auth:
        request += f"Authorization: Basic {base64.b64encode(':'.join(auth).encode()).decode()}\r\n"
    begin = time.perf_counter()
    received = 0
    with socket.create_connection((parts.hostname or "", parts.port or 80)) as connection:
        connection.sendall(f"{request}\r\n".encode())
        while count := connection.recv_into(buffer):
            received += count
    if received < SIZE_BYTES:
        raise RuntimeError(f"{url} sent {received} bytes")
    return time.perf_counter() - begin


def measure(folder: Path) -> list[float]:
    """Return the archive's throughput as a ratio to nginx's, once for each repetition."""
    web = folder / "web"
    web.mkdir()
    write_file(web / "large.bin")
    with running_archive(folder / "archive", strict=False) as archive, running_nginx(web) as nginx:
        ours, auth, theirs = upload(archive, web / "large.bin"), archive.auth, f"{nginx}/large.bin"
        download_s(ours, auth)
        download_s(theirs)
        return [download_s(theirs) / download_s(ours, auth) for _ in range(REPETITIONS)]


def against_nginx(name: str, reference: str, target: float, measure: Callable[[Path], list[float]]) -> int:
    """Print the median of ratios as one JSON object; return 1 if there is no nginx."""
    if shutil.which("nginx") is None:
        sys.stderr.write("nginx is not installed: apt-get install nginx-light\n")
        return 1
    with tempfile.TemporaryDirectory() as folder:
        ratio = statistics.median(measure(Path(folder)))
    result = {
        "name": name,
        "value": round(ratio, 3),
        "unit": "ratio",
        "reference": reference,
        "target": target,
        "ok": ratio >= target,
    }
    print(json.dumps(result))
    return 0


def main() -> int:
    """Compare downloads."""
    what = "nginx, sendfile, same 1 GB file, same client"
    return against_nginx("archive file download", what, TARGET, measure)


if __name__ == "__main__":
    sys.exit(main())

"""The archive as one process: sockets, signals, the server. No application logic.

Granian's embeddable server runs inside this process, so nothing is left when it is killed.
"""

from __future__ import annotations

import asyncio
import resource
import signal
import socket
import ssl
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.log import LogLevels
from granian.server.embed import Server
from starlette.types import ASGIApp

from cci.errors import UsageError

#: So many clients at once; one that keeps its connection for the next request counts, too.
_CLIENTS = 4096
#: So many files are open besides: the database's, and what is being sent or stored.
_FILES = 512


def free_port(host: str) -> int:
    """Return a TCP port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def check_port(host: str, port: int) -> None:
    """Refuse a port that something listens on: the server itself would share it silently.

    Raises
    ------
    UsageError
        The port cannot be used.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise UsageError(f"cannot listen at {host}:{port}: {error.strerror}") from error


@dataclass(frozen=True, kw_only=True)
class Tls:
    """Certificate chain and private key, both PEM."""

    certificate: Path
    key: Path


def serve(app: ASGIApp, host: str, port: int, tls: Tls | None = None) -> None:
    """Serve until SIGTERM or SIGINT; with *tls* over HTTPS only (TLS 1.2 and later).

    Raises
    ------
    UsageError
        Certificate and key cannot be used.
    """
    if tls is not None:
        _check_tls(tls)
    asyncio.run(_serve(app, host, port, tls))


def _check_tls(tls: Tls) -> None:
    # the server itself would only say that a thread of it has panicked
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(tls.certificate, tls.key)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{tls.certificate} and {tls.key} are no certificate with its key: {error}",
            hint="both are PEM files; the key has no passphrase",
        ) from error


def places() -> int:
    """Make room for the files that so many clients need, and return how many clients there can be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _CLIENTS + _FILES
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return max(most - _FILES, most // 2)


async def _serve(app: ASGIApp, host: str, port: int, tls: Tls | None) -> None:
    server = Server(
        app,
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        websockets=False,
        # the server's own default stops listening to all others once 128 clients are connected, idle or not
        backlog=1024,
        backpressure=places(),
        log_level=LogLevels.error,
        ssl_cert=tls.certificate if tls is not None else None,
        ssl_key=tls.key if tls is not None else None,
        ssl_protocol_min=SSLProtocols.tls12,
    )
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, server.stop)
    announcing = loop.create_task(_announce(host, port, secure=tls is not None))
    try:
        await server.serve()
    finally:
        announcing.cancel()


async def _announce(host: str, port: int, *, secure: bool) -> None:
    while not await asyncio.to_thread(partial(_answers, host, port, secure=secure)):
        await asyncio.sleep(0.02)
    scheme = "https" if secure else "http"
    sys.stdout.write(f"archive ready at {scheme}://{host}:{port}\n")
    sys.stdout.flush()


def _answers(host: str, port: int, *, secure: bool) -> bool:
    try:
        with _connected(host, port, secure=secure) as probe:
            # the counters: the one address that is not counted
            probe.sendall(b"HEAD /cci/requests HTTP/1.1\r\nHost: archive\r\nConnection: close\r\n\r\n")
            return bool(probe.recv(1))
    except OSError:
        return False


def _connected(host: str, port: int, *, secure: bool) -> socket.socket:
    plain = socket.create_connection((host, port), timeout=1)
    if not secure:
        return plain
    context = ssl.create_default_context()
    # it is this process that answers: whether others trust its certificate is not the question
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(plain)

"""A tiny server that answers byte by byte as a test says: for what goes wrong on the wire.

It is a stand-in for the bad moments of an archive, not for an archive; that is `support.archive`.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

SESSION_URI = "/data/JSESSION"

#: Bytes to send before the connection is closed, or what to do with the socket.
Reply = bytes | Callable[[socket.socket], None]


def reply(body: bytes | str = b"", *, status: int = 200, kind: str = "text/plain", **headers: str) -> bytes:
    """Return a whole answer with its length."""
    content = body.encode() if isinstance(body, str) else body
    fields = {"Content-Type": kind, "Content-Length": str(len(content)), "Connection": "close", **headers}
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} Status\r\n{head}\r\n".encode() + content


def chunked(*chunks: bytes, last: bool = True, kind: str = "text/csv") -> bytes:
    """Return an answer in chunks, with or without the last one."""
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    return head + body + (b"0\r\n\r\n" if last else b"")


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


@dataclass
class ScriptedServer:
    """Answers each path with its replies in turn; the last one again and again."""

    replies: dict[str, list[Reply]] = field(default_factory=lambda: defaultdict(list))
    asked: list[Asked] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)
    tls: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self.say(SESSION_URI, reply("0123456789ABCDEF", Set_Cookie="JSESSIONID=0123456789ABCDEF; Path=/"))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self._listener.getsockname()[1]}"

    def say(self, path: str, *replies: Reply) -> None:
        """Set the replies to a path."""
        self.replies[path] = list(replies)

    def paths(self) -> list[str]:
        """Return method and path of what was asked, in order."""
        return [f"{asked.method} {asked.path}" for asked in self.asked]

    def drip(self, head: bytes, byte: bytes = b"x") -> Callable[[socket.socket], None]:
        """Return a reply that sends *head* and then one byte now and then, for ever."""

        def send(sock: socket.socket) -> None:
            sock.sendall(head)
            while not self.stopping.wait(0.05):
                sock.sendall(byte)

        return send

    def hang(self, sock: socket.socket) -> None:
        """Reply nothing, for ever."""
        sock.settimeout(0.1)
        while not self.stopping.wait(0.05):
            try:
                if not sock.recv(1):
                    return
            except TimeoutError:
                continue

    def close(self) -> None:
        self.stopping.set()
        socket.create_connection(self._listener.getsockname()).close()  # wakes the thread
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        workers = []
        while not self.stopping.is_set():
            sock, _ = self._listener.accept()
            workers.append(threading.Thread(target=self._answer, args=(sock,)))
            workers[-1].start()
        for worker in workers:
            worker.join()

    def _answer(self, sock: socket.socket) -> None:
        sock.settimeout(5)
        try:
            with self.tls.wrap_socket(sock, server_side=True) if self.tls else sock as plain:
                asked = _read_request(plain)
                if asked is not None:
                    self.asked.append(asked)
                    self._reply(plain, asked)
        except OSError:
            return  # the client cut the exchange, which is what many tests are about

    def _reply(self, sock: socket.socket, asked: Asked) -> None:
        replies = self.replies[asked.path] or [reply(status=404)]
        answer = replies.pop(0) if len(replies) > 1 else replies[0]
        if isinstance(answer, bytes):
            sock.sendall(answer)
        else:
            answer(sock)


def _read_request(sock: socket.socket) -> Asked | None:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = sock.recv(65536)
        if not piece:
            return None
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        body += sock.recv(65536)
    return Asked(method, target, headers, body)

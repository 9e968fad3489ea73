"""What a connection makes of everything that can go wrong between it and an archive."""

from __future__ import annotations

import gzip
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest
from support.scripted_server import SESSION_URI, Reply, ScriptedServer, chunked, reply

from cci.errors import (
    ArchiveError,
    Conflict,
    Forbidden,
    LoginRefused,
    Malformed,
    NotFound,
    Refused,
    SettingsError,
    Unreachable,
)
from cci.xnat import Connection, Deadlines
from cci.xnat.answers import Answer, Kind, error_for

PATH = "/data/projects/P/experiments"
TABLE = b"ID,label\nE1,MR1\n"

Connect = Callable[..., Connection]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (200, None),
        (201, None),
        (204, None),
        (301, Malformed),
        (302, Malformed),
        (400, Refused),
        (401, LoginRefused),
        (403, Forbidden),
        (404, NotFound),
        (405, Refused),
        (408, Unreachable),
        (409, Conflict),
        (410, Refused),
        (417, Refused),
        (422, Refused),
        (429, Unreachable),
        (500, Unreachable),
        (502, Unreachable),
        (503, Unreachable),
        (504, Unreachable),
        (599, Unreachable),
    ],
)
def test_status_decides(status: int, expected: type[ArchiveError] | None) -> None:
    """The status code alone says which error an answer is."""
    error = error_for(status, "GET /data")
    assert expected == (type(error) if error else None)


def test_whole_body(server: ScriptedServer, connect: Connect) -> None:
    """A body whose length matches is returned as it came."""
    server.say(PATH, reply(TABLE, kind="text/csv"))
    assert connect().get(PATH, Answer.body) == TABLE


def test_chunked_body(server: ScriptedServer, connect: Connect) -> None:
    """A body whose last chunk came is returned as it came."""
    server.say(PATH, chunked(TABLE[:5], TABLE[5:]))
    assert connect().get(PATH, Answer.body) == TABLE


def test_compressed_body(server: ScriptedServer, connect: Connect) -> None:
    """The length of a compressed body is that on the wire."""
    server.say(PATH, reply(gzip.compress(TABLE), kind="text/csv", Content_Encoding="gzip"))
    assert connect().get(PATH, Answer.body) == TABLE


def _reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _says(head: str) -> bytes:
    return head.replace("\n", "\r\n").encode()


LONG_HEAD = _says("HTTP/1.1 200 OK\nContent-Type: text/csv\nContent-Length: 1000\n\n")

BROKEN: dict[str, tuple[Reply, type[ArchiveError]]] = {
    "nothing": (b"", Unreachable),
    "half a head": (b"HTTP/1.1 200 OK\r\nContent-Ty", Malformed),
    "cut body": (LONG_HEAD + TABLE, Unreachable),
    "no last chunk": (chunked(TABLE, last=False), Unreachable),
    "half a chunk": (_says("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n40\nID,lab"), Unreachable),
    "no length": (_says("HTTP/1.1 200 OK\nContent-Type: text/csv\n\nID,label"), Malformed),
    "bad compression": (reply(b"no gzip", kind="text/csv", Content_Encoding="gzip"), Unreachable),
    "reset": (_reset, Unreachable),
    "server error": (reply("<html>", status=500, kind="text/html"), Unreachable),
    "starting": (reply("", status=503), Unreachable),
    "proxy": (reply("<html>bad gateway<hr>", status=502, kind="text/html"), Unreachable),
    "login page": (reply("<html>Log in</html>", kind="text/html; charset=utf-8"), Malformed),
    "redirect": (reply("", status=302, Location="/app/template/Login.vm"), Malformed),
    "another document": (reply("<xnat:MRSession/>", kind="text/xml"), Malformed),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_answers(name: str, server: ScriptedServer, connect: Connect) -> None:
    """No broken answer is taken for data; each is an error that may pass, raised after the last attempt."""
    answer, expected = BROKEN[name]
    server.say(PATH, answer)
    with pytest.raises(expected):
        connect().get(PATH, Answer.body, kind=Kind.CSV)
    assert server.paths() == [f"GET {SESSION_URI}", f"GET {PATH}", f"GET {PATH}"]


def test_drip_is_cut(server: ScriptedServer, connect: Connect) -> None:
    """A body that drips for ever is cut by the total deadline, though it is never silent."""
    server.say(PATH, server.drip(LONG_HEAD))
    connection = connect(deadlines=Deadlines(read_s=5, total_s=0.4), attempts=1)
    with pytest.raises(Unreachable, match=r"longer than 0\.4 s"):
        connection.get(PATH, Answer.body)


def test_dripping_head_is_cut(server: ScriptedServer, connect: Connect) -> None:
    """A head that drips for ever is cut by the total deadline too."""
    server.say(PATH, server.drip(b"HTTP/1.1 200 OK\r\nX-Long: "))
    connection = connect(deadlines=Deadlines(read_s=5, total_s=0.4), attempts=1)
    with pytest.raises(Unreachable, match=r"longer than 0\.4 s"):
        connection.get(PATH, Answer.body)


def test_silence_is_cut(server: ScriptedServer, connect: Connect) -> None:
    """An archive that says nothing is given up after the read deadline."""
    server.say(PATH, server.hang)
    with pytest.raises(Unreachable, match="silent"):
        connect(attempts=1).get(PATH, Answer.body)


def test_patience(server: ScriptedServer, connect: Connect) -> None:
    """A request that makes the archive work may wait longer for the first byte than for others."""
    late = threading.Event()

    def answer(sock: socket.socket) -> None:
        late.wait(0.6)
        sock.sendall(reply(TABLE))

    server.say(PATH, answer)
    limits = Deadlines(read_s=0.2, first_byte_s=20, total_s=20)
    assert connect(deadlines=limits, attempts=1).get(PATH, Answer.body, patient=True) == TABLE


def test_stopping_cuts_a_request(server: ScriptedServer, connect: Connect) -> None:
    """A program that stops waits for no archive."""
    stop = threading.Event()

    def answer(sock: socket.socket) -> None:
        stop.set()
        server.hang(sock)

    server.say(PATH, answer)
    connection = connect(deadlines=Deadlines(), should_stop=stop.is_set)
    with pytest.raises(Unreachable, match="stopping"):
        connection.get(PATH, Answer.body)
    assert server.paths().count(f"GET {PATH}") == 1


def test_nobody_listens() -> None:
    """A refused connection is an outage."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    connection = Connection(url, "user", "secret", attempts=2, backoff_s=0.001)
    with pytest.raises(Unreachable, match="nothing listens there"):
        connection.get(PATH, Answer.body)
    connection.close()


@pytest.mark.parametrize(("verb", "times"), [("get", 2), ("put", 2), ("delete", 2), ("post", 1)])
def test_only_idempotent_verbs_are_repeated(
    verb: str, times: int, server: ScriptedServer, connect: Connect
) -> None:
    """A POST whose answer is lost is not sent again."""
    server.say(PATH, reply("", status=503))
    with pytest.raises(Unreachable):
        connect().request(verb, PATH, Answer.body)
    assert server.paths().count(f"{verb.upper()} {PATH}") == times


def test_what_passes_is_tried_again(server: ScriptedServer, connect: Connect) -> None:
    """A request that fails for a passing reason succeeds at the next attempt."""
    server.say(PATH, reply("", status=503), reply(TABLE))
    assert connect().get(PATH, Answer.body) == TABLE


@pytest.mark.parametrize("status", [400, 403, 404, 409, 417])
def test_what_does_not_pass_is_not_tried_again(status: int, server: ScriptedServer, connect: Connect) -> None:
    """A refusal is final at once."""
    server.say(PATH, reply("no", status=status))
    with pytest.raises(ArchiveError) as caught:
        connect().get(PATH, Answer.body)
    assert not caught.value.transient
    assert server.paths().count(f"GET {PATH}") == 1


def test_body_is_sent_again_from_its_beginning(server: ScriptedServer, connect: Connect) -> None:
    """Each attempt of an upload sends the whole body."""
    server.say(PATH, reply("", status=500), reply(""))
    connect().put(PATH, Answer.body, body=lambda: b"content")
    assert [asked.body for asked in server.asked if asked.method == "PUT"] == [b"content"] * 2


# -- login ---------------------------------------------------------------------------------------


def test_one_login(server: ScriptedServer, connect: Connect) -> None:
    """A connection logs in once, sends the session's cookie with every request, and logs out once."""
    server.say(PATH, reply(TABLE))
    connection = connect()
    for _ in range(3):
        connection.get(PATH, Answer.body)
    connection.close()
    connection.close()
    assert server.paths() == [f"GET {SESSION_URI}", *[f"GET {PATH}"] * 3, f"DELETE {SESSION_URI}"]
    assert {asked.headers.get("cookie") for asked in server.asked[1:]} == {"JSESSIONID=0123456789ABCDEF"}
    assert connection.requests == 5


def test_threads_share_the_login(server: ScriptedServer, connect: Connect) -> None:
    """Threads have an Interface each and one server session together."""
    server.say(PATH, reply(TABLE))
    connection, interfaces = connect(), []

    def work() -> None:
        connection.get(PATH, Answer.body)
        interfaces.append(connection.interface())

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, interfaces))) == 5
    assert server.paths().count(f"GET {SESSION_URI}") == 1


def test_logout_while_stopping(server: ScriptedServer, connect: Connect) -> None:
    """A program that stops still ends its server session: archives bound how many there may be."""
    stop = threading.Event()
    connection = connect(should_stop=stop.is_set)
    connection.login()
    stop.set()
    connection.close()
    assert server.paths() == [f"GET {SESSION_URI}", f"DELETE {SESSION_URI}"]


def test_closing_while_the_archive_is_away(server: ScriptedServer, connect: Connect) -> None:
    """An archive that is away does not keep a connection from being closed."""
    server.say(SESSION_URI, reply("0123"), reply("", status=503))
    connection = connect()
    connection.login()
    connection.close()
    assert server.paths() == [f"GET {SESSION_URI}", f"DELETE {SESSION_URI}"]


def test_an_unused_connection_costs_nothing(server: ScriptedServer, connect: Connect) -> None:
    """Opening and closing without a request sends nothing."""
    connect().close()
    assert server.paths() == []


def test_expired_session(server: ScriptedServer, connect: Connect) -> None:
    """After a 401 in the middle the connection logs in once more and goes on."""
    server.say(PATH, reply("", status=401), reply(TABLE))
    connection = connect()
    assert connection.get(PATH, Answer.body) == TABLE
    assert server.paths() == [f"GET {SESSION_URI}", f"GET {PATH}", f"GET {SESSION_URI}", f"GET {PATH}"]


@pytest.mark.parametrize("status", [401, 403])
def test_wrong_password_is_not_tried_again(status: int, server: ScriptedServer, connect: Connect) -> None:
    """A refused login is not repeated at once, however often it is asked for: XNAT locks accounts."""
    server.say(SESSION_URI, reply("", status=status))
    connection = connect()
    for _ in range(3):
        with pytest.raises(LoginRefused):
            connection.get(PATH, Answer.body)
    assert server.paths() == [f"GET {SESSION_URI}"]


def test_401_after_a_new_login(server: ScriptedServer, connect: Connect) -> None:
    """A 401 that a new login does not cure is a refused login."""
    server.say(PATH, reply("", status=401))
    with pytest.raises(LoginRefused):
        connect().get(PATH, Answer.body)
    assert server.paths() == [f"GET {SESSION_URI}", f"GET {PATH}"] * 2


def test_login_page_is_no_login(server: ScriptedServer, connect: Connect) -> None:
    """A login page with 200 in answer to the login is not a session."""
    server.say(SESSION_URI, reply("<html>", kind="text/html"))
    with pytest.raises(Malformed):
        connect().login()


def test_404_of_a_starting_archive(server: ScriptedServer, connect: Connect) -> None:
    """While an archive starts every address is a 404; this is an outage, not a missing thing."""
    server.say(SESSION_URI, reply("0123"), reply("", status=404))
    server.say(PATH, reply("", status=404))
    with pytest.raises(Unreachable, match="starting"):
        connect(attempts=1).get(PATH, Answer.body)


def test_proxies_of_the_environment_are_left_to_requests(
    server: ScriptedServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An http_proxy in the environment does not catch hosts that no_proxy exempts."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server.say(PATH, reply(TABLE))
    assert connect().get(PATH, Answer.body) == TABLE


@pytest.mark.parametrize(
    ("url", "user", "password"),
    [
        ("", "user", "secret"),
        ("xnat.example.org", "user", "secret"),
        ("ftp://xnat.example.org", "user", "secret"),
        ("https://xnat.example.org", "", "secret"),
        ("https://xnat.example.org", "user", ""),
    ],
)
def test_incomplete_settings(url: str, user: str, password: str) -> None:
    """Without address, user or password a connection is refused, where pyxnat would ask on the terminal."""
    with pytest.raises(SettingsError):
        Connection(url, user, password)


def test_pyxnat_is_imported_late() -> None:
    """Commands that never talk to an archive do not wait for pyxnat and what it brings along."""
    program = "import cci.xnat, sys; print({'pyxnat', 'pandas', 'nibabel'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "set()"


def test_requests_need_not_what_the_object_tree_needs() -> None:
    """The object tree of a notebook has pyxnat's derivatives; requests do without what these load."""
    program = (
        "import sys; from cci.xnat import Connection, over_pyxnat; heavy = {'pandas', 'nibabel'}\n"
        "connection = Connection('http://127.0.0.1:9', 'user', 'secret'); connection.interface()\n"
        "print(heavy & set(sys.modules))\n"
        "tree = connection.make_interface(over_pyxnat.load_pyxnat().Interface)\n"
        "print(heavy <= set(sys.modules), 'FREESURFER7' in tree._mod_functions)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert ["set()", "True True"] == done.stdout.splitlines()


def test_password_is_not_shown() -> None:
    """The representation of a connection has no password."""
    connection = Connection("https://xnat.example.org/", "user", "s3cret-word")
    assert repr(connection) == "Connection('https://xnat.example.org', 'user')"

"""An archive that is away or ill is never taken for an empty one: each operation under each fault.

The first table is that of what pyxnat's object tree makes of such an archive: False, ``[]``, or a hang.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.archive import RunningArchive
from support.fill import Fill

from cci.errors import ArchiveError, LoginRefused, Malformed, Unreachable
from cci.model import File
from cci.xnat import Archive, Deadlines, pyxnat_interface, uris

Connect = Callable[..., Archive]

SESSION = uris.session_in("P", "S1", "MR1")
#: Everything but the login itself and the control of the faults.
DATA = r" /data/(?!JSESSION)"

FAULTS = {
    "500": Unreachable,
    "503": Unreachable,
    "html-502": Unreachable,
    "401": LoginRefused,
    "login-page": Malformed,
    "hang": Unreachable,
    "drip": Unreachable,
    "reset": Unreachable,
    "truncate": Unreachable,
    "half-listing": Unreachable,
    "empty": Malformed,
}


@pytest.fixture(scope="module", autouse=True)
def content(server: RunningArchive) -> None:
    with Fill(server.url, server.auth) as fill:
        session = fill.session("P", "S1", "MR1")
        fill.scan(session, "1", type="T1")
        fill.files(session, "R", {"a.txt": b"alpha", "b.txt": b"beta", "value.json": b'{"a": 1}'})


LISTED = {"R": (File(path="a.txt", size=5), File(path="b.txt", size=4))}

READS: dict[str, Callable[[Archive, Path], object]] = {
    "snapshot": lambda archive, _: archive.snapshot("P", now=datetime.now(UTC)),
    "resources": lambda archive, _: archive.list_resources(SESSION),
    "all files": lambda archive, _: archive.list_files(SESSION),
    "some files": lambda archive, _: archive.list_files(SESSION, ["R", "NONE"]),
    "one resource": lambda archive, _: archive.list_files(SESSION, ["R"]),
    "record": lambda archive, _: archive.read_json(SESSION, "R", "value.json"),
    "missing record": lambda archive, _: archive.read_json(SESSION, "R", "missing.json"),
    "verify": lambda archive, _: archive.verify(SESSION, LISTED),
    "download": lambda archive, folder: archive.download(SESSION, ["R"], folder, LISTED),
}


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("fault", FAULTS)
def test_reads(fault: str, read: str, server: RunningArchive, connect: Connect, tmp_path: Path) -> None:
    """Under every fault every read raises; none says that there is nothing."""
    archive = connect()
    archive.connection.login()
    server.fault(match=DATA, fault=fault)
    with pytest.raises(ArchiveError) as caught:
        READS[read](archive, tmp_path)
    assert FAULTS[fault] is type(caught.value)
    assert not list(tmp_path.rglob("*.txt"))


@pytest.mark.parametrize("fault", FAULTS)
def test_login(fault: str, server: RunningArchive, connect: Connect) -> None:
    """Under every fault the login raises."""
    server.fault(match="JSESSION", fault=fault)
    with pytest.raises(ArchiveError) as caught:
        connect().connection.login()
    assert FAULTS[fault] is type(caught.value)


WRITES: dict[str, Callable[[Archive, str, Path], object]] = {
    "assessor": lambda archive, name, _: archive.put_assessor(
        uris.assessor(SESSION, name), "proc:genProcData", {"procstatus": "X"}
    ),
    "record": lambda archive, name, _: archive.write_json(SESSION, "R", f"{name}.json", {"a": 1}),
    "files": lambda archive, name, folder: archive.upload(SESSION, name, folder),
    "delete": lambda archive, name, _: archive.delete_resource(uris.resource(SESSION, name)),
}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("fault", ["500", "503", "html-502", "401", "login-page", "hang", "reset"])
def test_writes(fault: str, write: str, server: RunningArchive, connect: Connect, tmp_path: Path) -> None:
    """Under every fault that keeps a write from being done, the write raises."""
    (tmp_path / "a.txt").write_bytes(b"alpha")
    archive = connect()
    archive.connection.login()
    server.fault(match=DATA, fault=fault)
    with pytest.raises(ArchiveError) as caught:
        WRITES[write](archive, "HARMED", tmp_path)
    assert FAULTS[fault] is type(caught.value)


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("fault", ["lost", "500", "late"])
def test_writes_heal(
    fault: str, write: str, server: RunningArchive, connect: Connect, tmp_path: Path
) -> None:
    """A write whose first answer is lost, late or an error succeeds at the second attempt, and once only."""
    (tmp_path / "a.txt").write_bytes(b"alpha")
    archive = connect()
    server.fault(match=DATA, fault=fault, times=1)
    WRITES[write](archive, f"HEALED-{fault}", tmp_path)


@pytest.mark.parametrize("read", READS)
def test_reads_heal(read: str, server: RunningArchive, connect: Connect, tmp_path: Path) -> None:
    """A read works again as soon as the archive does, through the same connection."""
    archive = connect()
    server.fault(match=DATA, fault="503", times=1)
    READS[read](archive, tmp_path)


def test_restart(server: RunningArchive, connect: Connect) -> None:
    """An archive that was killed and started again is worked with as before, through the same connection."""
    archive = connect()
    before = archive.list_files(SESSION)
    server.kill()
    with pytest.raises(Unreachable):
        archive.list_files(SESSION)
    server.restart()
    assert before == archive.list_files(SESSION)


def test_many_threads(server: RunningArchive, connect: Connect) -> None:
    """Threads that share a connection get each their own answer, with one login for all."""
    archive = connect(deadlines=Deadlines(), max_concurrent=3)
    before = server.requests()["total"]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: archive.list_files(SESSION), range(40)))
    assert all(listing == found[0] for listing in found)
    assert server.requests()["total"] - before == 1 + 40


# -- the object tree for authors of processors ---------------------------------------------------

TREE: dict[str, Callable[[Any], object]] = {
    "exists": lambda tree: tree.select("/project/P/subject/S1/experiment/MR1").exists(),
    "projects": lambda tree: tree.select.projects().get(),
    "experiments": lambda tree: [one.label() for one in tree.select("/project/P/subject/S1/experiments")],
    "resources": lambda tree: [
        one.label() for one in tree.select("/project/P/subject/S1/experiment/MR1/resources")
    ],
    "array": lambda tree: tree.array.experiments(project_id="P").data,
    "attributes": lambda tree: tree.select("/project/P/subject/S1/experiment/MR1").attrs.get("label"),
}
EXPECTED_OF_TREE = {
    "exists": True,
    "projects": ["P"],
    "experiments": ["MR1"],
    "resources": ["R"],
    "attributes": "MR1",
}


@pytest.mark.parametrize("look", TREE)
@pytest.mark.parametrize("fault", FAULTS)
def test_object_tree(fault: str, look: str, server: RunningArchive, connect: Connect) -> None:
    """Under every fault the object tree raises too, where pyxnat's own says False or nothing."""
    tree = pyxnat_interface(connect().connection)
    server.fault(match=DATA, fault=fault)
    with pytest.raises(ArchiveError) as caught:
        TREE[look](tree)
    assert FAULTS[fault] is type(caught.value)


@pytest.mark.parametrize("look", EXPECTED_OF_TREE)
def test_healthy_object_tree(look: str, kind_archive: Archive) -> None:
    """Of an archive that is well the tree says what is there."""
    found = TREE[look](pyxnat_interface(kind_archive.connection))
    assert EXPECTED_OF_TREE[look] == found


def test_what_is_not_there(kind_archive: Archive) -> None:
    """Of what is not there the tree says so."""
    tree = pyxnat_interface(kind_archive.connection)
    assert not tree.select("/project/P/subject/S1/experiment/NONE").exists()
    assert not tree.select("/project/NONE/subject/S1/experiment/NONE").exists()


def test_other_interfaces_are_left_alone(server: RunningArchive, kind_archive: Archive) -> None:
    """Pyxnat's own interfaces behave as ever in the same process."""
    import pyxnat

    pyxnat_interface(kind_archive.connection)
    own = pyxnat.Interface(server.url, user=server.user, password=server.password)
    server.fault(match=DATA, fault="500")
    assert not own.select("/project/P/subject/S1/experiment/MR1").exists()
    server.clear_faults()
    own.disconnect()

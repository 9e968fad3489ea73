"""The tutorial is run block by block, as a reader would."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import cci
from cci import cluster, xnat
from cci.processor import Processor

PAGE = Path(__file__).parents[2] / "docs" / "tutorial" / "notebook.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    """Someone with an empty folder and the command on the PATH."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    person = Reader()
    yield person
    person.leave()


class Reader:
    """Follows a page: runs its blocks in one namespace, and its servers in the background."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {"__name__": "__main__"}
        self.servers: list[subprocess.Popen[bytes]] = []
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]

    def follow(self, kind: str, text: str) -> None:
        """Do what one block says."""
        text = text.replace("8088", str(self.port))
        if kind == "python":
            exec(compile(text, str(PAGE), "exec"), self.names)
        elif kind == "yaml":
            Path("tutorial/settings.yaml").write_text(text)
        else:
            self.shell(text)

    def shell(self, text: str) -> None:
        """Run the lines of a shell block; one that ends in ``&`` stays in the background."""
        lines = [line for line in text.splitlines() if line]
        background = [line.removesuffix("&") for line in lines if line.endswith("&")]
        subprocess.run(["sh", "-ec", "\n".join(set_aside(lines))], check=True)
        for line in background:
            self.servers.append(subprocess.Popen(line.split(), stdout=subprocess.DEVNULL))
            self.wait_for_server()

    def wait_for_server(self) -> None:
        """Wait until the port answers."""
        for _ in range(300):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        raise AssertionError("the archive of the tutorial does not answer")

    def leave(self) -> None:
        """End the servers, and forget the connection."""
        for server in self.servers:
            server.terminate()
            server.wait(300)
        Processor.connected = None
        xnat.set_default_archive(None)
        cluster.set_default_cluster(None)


def set_aside(lines: list[str]) -> list[str]:
    """Return the lines that run in the foreground."""
    return [line for line in lines if not line.endswith("&")]


def test_tutorial_works_as_written(reader: Reader, capsys: pytest.CaptureFixture[str]) -> None:
    """Every block of the tutorial runs, and says what the text around it says (rows C4, C12, C13, C14)."""
    for kind, text in BLOCK.findall(PAGE.read_text()):
        reader.follow(kind, text)

    printed = capsys.readouterr().out
    for words in (
        "sub-01 visit-1 [('1', 'T1', 'NIFTI')]",
        "COMPLETE",
        "hello from a job",
        "1 file came",
        "0 files came",
    ):
        assert words in printed


def test_every_public_name_resolves() -> None:
    """Whatever ``cci.__all__`` promises can be imported."""
    missing = [name for name in cci.__all__ if not hasattr(cci, name)]

    assert missing == []

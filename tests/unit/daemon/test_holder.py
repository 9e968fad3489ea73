"""Who holds a lease, and whether it lives: believed dead only where that is certain."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from cci.daemon.holder import Holder, at_work, here, holding, is_dead, new_holder, parse, start_time

WAITS = [sys.executable, "-c", "import sys; sys.stdin.read()"]


def holder_of(pid: int) -> Holder:
    """Return the holder that a living process of this host would be."""
    return replace(new_holder(), pid=pid, started=start_time(pid) or "")


@contextmanager
def process() -> Iterator[subprocess.Popen[bytes]]:
    """Run a process that lives until the block ends."""
    with subprocess.Popen(WAITS, stdin=subprocess.PIPE) as child:
        try:
            yield child
        finally:
            child.kill()


def test_a_holder_reads_back() -> None:
    """What the ledger keeps of a holder is the whole of it."""
    holder = new_holder()
    assert holder == parse(str(holder))


def test_two_parts_of_a_process_are_two_holders() -> None:
    """Each part of a process has a token of its own, and the process is the same."""
    one, other = new_holder(), new_holder()
    assert (True, True) == (one != other, replace(one, token=other.token) == other)


@pytest.mark.parametrize("text", ["", "a", "a|b|c|d|e", "a|b|1|d", "a|b|1|d|e|f", "||||", "a|b|-1|d|e"])
def test_what_is_no_holder(text: str) -> None:
    """Text of another form is nobody, and nobody is not dead."""
    assert (None, False) == (parse(text), is_dead(text))


def test_this_process_lives() -> None:
    """Who asks is not dead."""
    assert is_dead(str(new_holder())) is False


def test_another_process_lives_and_dies() -> None:
    """A process is alive until its end, and dead as soon as it was waited for."""
    with process() as child:
        holder = holder_of(child.pid)
        before = is_dead(str(holder))
    assert (False, True) == (before, is_dead(str(holder)))


def test_a_holder_of_this_process_whose_work_is_over() -> None:
    """What is left in its hand is free for the process itself, which lives and would else wait for it."""
    with holding() as holder:
        before = (is_dead(holder), holder in at_work())
    assert ((False, True), (True, False)) == (before, (is_dead(holder), holder in at_work()))


def test_a_zombie_is_dead() -> None:
    """A killed process that nobody has waited for yet holds nothing."""
    with process() as child:
        holder = holder_of(child.pid)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert is_dead(str(holder)) is True


def test_a_stopped_process_lives() -> None:
    """A process that was stopped, as by a debugger, may go on: it is not dead."""
    with process() as child:
        child.send_signal(signal.SIGSTOP)
        assert is_dead(str(holder_of(child.pid))) is False


def test_a_pid_that_was_given_again() -> None:
    """Another process under the same pid does not live for the dead one."""
    assert is_dead(str(replace(new_holder(), started="1"))) is True


def test_before_the_last_boot() -> None:
    """Whatever held a lease when this host went down is dead, whoever has its pid now."""
    assert is_dead(str(replace(new_holder(), boot="an-earlier-boot"))) is True


@pytest.mark.parametrize("host", ["elsewhere", "", here().partition("/")[0], here() + "0"])
def test_elsewhere(host: str) -> None:
    """Of a process on another host, or in another container, nobody here knows: it is believed."""
    assert is_dead(str(replace(new_holder(), host=host, pid=2**22 + 1, boot="other"))) is False


@pytest.mark.skipif(
    shutil.which("unshare") is None or os.getuid() != 0, reason="only root can make a namespace of pids"
)
def test_a_container_on_this_host_is_elsewhere() -> None:
    """A real process with pids of its own does not take this living one for dead."""
    program = "import sys; from cci.daemon.holder import is_dead; print(is_dead(sys.argv[1]))"
    command = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", program, str(new_holder())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "unshare" in done.stderr:
        pytest.skip(f"namespaces of pids are not allowed here: {done.stderr.strip()}")
    assert ("False\n", "") == (done.stdout, done.stderr)


NAMED = """
import ctypes, sys
ctypes.CDLL(None).prctl(15, sys.argv[1].encode(), 0, 0, 0)
print(flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("name", ["a b", "a) R 1 1", ") Z ("])
def test_a_program_may_have_any_name(name: str) -> None:
    """Blanks and brackets in a program's name do not confuse the reading of its start."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", NAMED, name], stdin=pipe, stdout=pipe) as child:
        assert child.stdout is not None
        child.stdout.readline()
        holder = holder_of(child.pid)
        answer = is_dead(str(holder)), holder.started.isdigit()
        child.kill()
    assert (False, True) == answer

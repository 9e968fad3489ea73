"""Looks whether a node's interpreter can load the spiders of its processors, by letting it do so."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence

from cci.daemon.findings import Finding
from cci.daemon.plan import Configured

#: How long an interpreter may take to answer, and to load one spider, in seconds.
ANSWER_S = 60.0
_MARK = "cci-doctor:"
#: Loads one module as its job would, and tells of an exception in one line.
_LOAD = f"""\
import importlib, json, sys
sys.path[:0] = sys.argv[1:2] if sys.argv[1] else []
try:
    importlib.import_module(sys.argv[2])
    told = None
except BaseException as error:
    told = [type(error).__name__, str(error), getattr(error, "name", None) or ""]
sys.stdout.write("\\n{_MARK}" + json.dumps(told) + "\\n")
"""


def examine_interpreters(title: str, python: str, runner: str) -> Iterator[Finding]:
    """Yield whether the interpreters for spiders and for the runner answer."""
    for path in dict.fromkeys((python, runner)):
        try:
            answer = _run([path, "--version"])
        except (OSError, subprocess.TimeoutExpired) as error:
            reason = error.strerror if isinstance(error, OSError) else "it does not answer"
            hint = "name an interpreter that is there, as python and runner_python of the cluster"
            yield Finding(name=title, good=False, detail=f"cannot run {path}: {reason}", hint=hint)
        else:
            said = (answer.stdout or answer.stderr).strip()
            yield Finding(name=title, good=answer.returncode == 0, detail=f"{path}: {said}")


def examine_spiders(title: str, python: str, processors: Sequence[Configured]) -> Iterator[Finding]:
    """Yield which spiders cannot be loaded; here, where the nodes see the same file system."""
    wanting = [configured for configured in processors if configured.processor.spider]
    troubles = {key: load(python, *key) for key in dict.fromkeys(map(_key, wanting))}
    for configured in wanting:
        trouble = troubles[_key(configured)]
        if trouble is not None:
            yield Finding(
                name=f"processor {configured.name}",
                good=False,
                detail=f"{python} {trouble}",
                hint=f"install it there, or name another interpreter as python of the {title}",
            )
    if wanting and not any(troubles.values()):
        yield Finding(name=title, good=True, detail=f"{python} loads the spiders of all its processors")


def _key(configured: Configured) -> tuple[str, str]:
    return configured.search_path, configured.processor.spider


def load(python: str, path: str, spider: str) -> str | None:
    """Let an interpreter load a spider; return what goes wrong, None if nothing does.

    Parameters
    ----------
    path
        A folder that is searched too, '' for none.
    """
    try:
        answer = _run([python, "-E", "-c", _LOAD, path, spider])
    except subprocess.TimeoutExpired:
        return f"takes longer than {ANSWER_S:.0f} s to load its spider {spider}"
    except OSError:
        return None  # told of as an interpreter already
    _, mark, told = answer.stdout.rpartition(_MARK)
    if not mark:
        return f"dies when it loads its spider {spider}: {_last_line(answer)}"
    error = json.loads(told)
    return None if error is None else _in_words(spider, *error)


def _in_words(spider: str, kind: str, text: str, module: str) -> str:
    if kind == "ModuleNotFoundError" and (spider == module or spider.startswith(f"{module}.")):
        return f"does not find its spider {spider}"
    if kind == "ModuleNotFoundError":
        return f"cannot load its spider {spider}: it lacks the module {module}"
    return f"cannot load its spider {spider}: {kind}: {text}"


def _last_line(answer: subprocess.CompletedProcess[str]) -> str:
    lines = [line.strip() for line in answer.stderr.splitlines() if line.strip()]
    return lines[-1] if lines else f"exit status {answer.returncode}"


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, capture_output=True, text=True, errors="replace", timeout=ANSWER_S, check=False, cwd="/"
    )

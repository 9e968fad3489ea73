"""How every spider meets its job directory: read ``inputs/``, write ``outputs/``, say what went wrong.

A spider knows two folders and nothing of XNAT::

    inputs/<input name>/<RESOURCE>/<files>      inputs/inputs.json (optional when run by hand)
    outputs/<RESOURCE>/<files>

``inputs.json`` holds ``{"target": {...}, "parameters": {...}, "inputs": {name: {"scan": {...}, ...}}}``.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: Where the job runner wants the cause of a failure as JSON.
ERROR_FILE_VARIABLE = "CCI_ERROR_FILE"
#: Exit status for input that cannot be processed (EX_DATAERR of sysexits.h).
EXIT_BAD_INPUT = 65


class BadInput(Exception):
    """The input cannot be processed; the message is for a person, *code* for programs.

    Parameters
    ----------
    code
        A stable, lower-case word such as ``corrupt-image``.
    message
        One sentence that names the file and what is wrong with it.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Folders:
    """The two folders of a job, and what ``inputs.json`` says."""

    inputs: Path
    outputs: Path
    description: dict[str, Any] = field(default_factory=dict)

    @property
    def parameters(self) -> dict[str, Any]:
        """The processor's parameters; empty when run by hand without ``inputs.json``."""
        return dict(self.description.get("parameters", {}))

    @property
    def target(self) -> dict[str, str]:
        """Labels of project, subject, session and scan, for titles only."""
        return dict(self.description.get("target", {}))

    def scan(self, name: str) -> dict[str, Any]:
        """Return the attributes of the scan chosen for input *name* (id, type, …); empty if unknown."""
        return dict(self.description.get("inputs", {}).get(name, {}).get("scan", {}))

    def files(self, name: str, resource: str, *patterns: str) -> list[Path]:
        """Return the files of a resource, sorted by path; *patterns* are globs on the file name.

        When run by hand, the files may also lie directly in ``inputs/`` or ``inputs/<RESOURCE>/``.
        """
        places = [self.inputs / name / resource, self.inputs / resource, self.inputs / name, self.inputs]
        for place in places:
            found = sorted(
                path
                for path in (place.rglob("*") if place.name == resource else place.glob("*"))
                if path.is_file() and any(path.match(pattern) for pattern in patterns or ("*",))
            )
            if found:
                return found
        return []

    def one_file(self, name: str, resource: str, *patterns: str) -> Path:
        """Return the only such file.

        Raises
        ------
        BadInput
            If there is none (``missing-file``) or more than one (``several-files``).
        """
        found = self.files(name, resource, *patterns)
        wanted = " or ".join(patterns) or "file"
        if not found:
            raise BadInput("missing-file", f"resource {resource} of input '{name}' holds no {wanted}")
        if len(found) > 1:
            names = ", ".join(path.name for path in found[:5])
            raise BadInput(
                "several-files", f"resource {resource} of input '{name}' holds {len(found)}: {names}"
            )
        return found[0]

    def output(self, resource: str, name: str) -> Path:
        """Return the path for a new output file; its folder is made."""
        path = self.outputs / resource / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


def open_folders(inputs: Path, outputs: Path) -> Folders:
    """Open the folders of a job; ``inputs.json`` may be absent."""
    described = inputs / "inputs.json"
    description = json.loads(described.read_text(encoding="utf-8")) if described.is_file() else {}
    return Folders(inputs=inputs, outputs=outputs, description=description)


def _tell(error: BadInput) -> None:
    """Hand the cause to the job runner, if there is one."""
    place = os.environ.get(ERROR_FILE_VARIABLE)
    if place:
        Path(place).write_text(json.dumps({"code": error.code, "message": error.message}), encoding="utf-8")


def main(run: Callable[[Folders], None], argv: Sequence[str] | None = None, *, description: str = "") -> int:
    """Run a spider from the command line: ``python -m cci.spiders.NAME INPUTS OUTPUTS``.

    Returns
    -------
    int
        0, or `EXIT_BAD_INPUT` after a `BadInput`; any other exception shows its traceback and ends with 1.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("inputs", type=Path, help="folder with the staged inputs")
    parser.add_argument("outputs", type=Path, help="folder for the results; made if it is not there")
    arguments = parser.parse_args(argv)
    if not arguments.inputs.is_dir():
        parser.error(f"no such folder: {arguments.inputs}")
    arguments.outputs.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    try:
        run(open_folders(arguments.inputs, arguments.outputs))
    except BadInput as error:
        _tell(error)
        sys.stderr.write(f"cannot process this input: {error.message} [{error.code}]\n")
        return EXIT_BAD_INPUT
    written = sum(path.is_file() for path in arguments.outputs.rglob("*"))
    say(f"done: {written} files in {arguments.outputs} after {time.monotonic() - begun:.0f} s")
    return 0


def say(text: str) -> None:
    """Print one line for the person who follows the log, at once.

    What would break the line or cannot be printed here, in a file's name say, becomes ``?``.
    """
    line = "".join(letter if letter.isprintable() else "?" for letter in text)
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(line.encode(encoding, "replace").decode(encoding) + "\n")
    sys.stdout.flush()

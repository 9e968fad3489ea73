"""A STAND-IN for ``apptainer exec``: understands the words, isolates nothing.

It takes the words that the product uses, refuses any other, and runs the command with each bound path put
back to what it stands for on this machine. A path that is not bound stays as it is, and so does not exist.
"""

from __future__ import annotations

import argparse
import shlex
import stat
import subprocess
import sys
from pathlib import Path


def main(argv: list[str]) -> int:
    """Run the command as if inside the image; the image is a folder with ``bin/``."""
    parser = argparse.ArgumentParser(prog="apptainer", description=__doc__, allow_abbrev=False)
    parser.add_argument("verb", choices=["exec"])
    parser.add_argument("--containall", action="store_true", required=True)
    parser.add_argument("--no-home", action="store_true", required=True)
    parser.add_argument("-B", dest="binds", action="append", default=[])
    parser.add_argument("--env", action="append", default=[])
    parser.add_argument("image", type=Path)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args(argv)
    outside = [bind.split(":")[:2] for bind in options.binds]
    environment = dict(word.split("=", 1) for word in options.env)
    program, *arguments = options.command
    done = subprocess.run(
        [str(options.image / "bin" / program), *(put_back(word, outside) for word in arguments)],
        env={name: put_back(value, outside) for name, value in environment.items()},
        check=False,
    )
    return done.returncode


def put_back(word: str, binds: list[list[str]]) -> str:
    """Return *word* with a bound path replaced by its source."""
    for source, target in binds:
        if word == target or word.startswith(f"{target}/"):
            return source + word.removeprefix(target)
    return word


def install(program: Path) -> Path:
    """Write the program as an executable file, and return it."""
    words = shlex.join([sys.executable, str(Path(__file__).resolve())])
    program.write_text(f'#!/bin/sh\nexec {words} "$@"\n', encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

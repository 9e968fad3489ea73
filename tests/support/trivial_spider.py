"""A stand-in for a pipeline: copies and sizes its inputs in milliseconds, and misbehaves when they say so.

It runs on the standard library alone: ``python trivial_spider.py INPUTS OUTPUTS``. An input file named
``behave`` holds one word and maybe a number: ``sleep SECONDS``, ``exit STATUS``, ``signal NUMBER``,
``fail-after SECONDS`` (with exit status 5), ``nothing`` (no output), ``forget`` (everything but the required
output), ``link`` (one of the outputs is a link), ``print LINES``, ``wait`` (until a file named ``go`` lies in
the job directory).
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path


def misbehave(word: str, number: float) -> None:
    """Do what one line of ``behave`` says, as far as it can be done before the outputs are made."""
    if word == "sleep":
        time.sleep(number)
    elif word == "exit":
        sys.stderr.write("the trivial spider was told to fail\n")
        sys.exit(int(number))
    elif word == "fail-after":
        time.sleep(number)
        sys.exit(5)
    elif word == "signal":
        os.kill(os.getpid(), int(number))
    elif word == "nothing":
        sys.exit(0)
    elif word == "print":
        for line in range(int(number)):
            sys.stdout.write(f"line {line}\n")
            sys.stdout.flush()
            time.sleep(0.05)
    elif word == "wait":
        while not Path("go").exists():
            time.sleep(0.02)


def copy(inputs: Path, outputs: Path) -> list[str]:
    """Copy every staged file to the resource COPY; return one line, path and size, for each."""
    lines = []
    for path in sorted(path for path in inputs.glob("*/*/**/*") if path.is_file()):
        place = outputs / "COPY" / path.relative_to(inputs)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
        lines.append(f"{path.relative_to(inputs)} {path.stat().st_size}")
    return lines


def main(inputs: Path, outputs: Path) -> None:
    """Run the spider."""
    words: list[str] = []
    for path in inputs.rglob("behave"):
        words = path.read_text(encoding="ascii").split()
        misbehave(words[0], float(words[1]) if len(words) > 1 else 0.0)
    lines = copy(inputs, outputs)
    if words[:1] == ["link"]:
        (outputs / "COPY" / "link").symlink_to("/etc/passwd")
    if words[:1] != ["forget"]:
        (outputs / "TEXT").mkdir(parents=True, exist_ok=True)
        (outputs / "TEXT" / "summary.txt").write_text("\n".join([*lines, "end"]), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

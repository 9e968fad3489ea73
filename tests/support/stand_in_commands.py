"""Stand-ins for the commands of a batch system: each prints what a test has prepared, and notes its call.

They show how a back-end takes an answer. How the systems themselves answer is known from real ones where
there are any (Grid Engine, Slurm), and from `tests/data/clusters` where there are none (PBS, LSF).
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

_SCRIPT = """\
#!/bin/sh
{{ printf '%s' {name}; for word in "$@"; do printf ' %s' "$word"; done; echo; }} >> {folder}/calls
{body}
cat {folder}/{name}.stdout
cat {folder}/{name}.stderr >&2
exit {status}
"""


@dataclass(frozen=True)
class StandInCommands:
    """A folder of such commands."""

    folder: Path

    def answer(
        self, name: str, stdout: str = "", stderr: str = "", status: int = 0, *, body: str = ""
    ) -> None:
        """Let a command answer so from now on; *body* is shell that it runs before."""
        self.folder.mkdir(exist_ok=True)
        (self.folder / f"{name}.stdout").write_text(stdout, encoding="utf-8")
        (self.folder / f"{name}.stderr").write_text(stderr, encoding="utf-8")
        script = self.folder / name
        folder = shlex.quote(str(self.folder))
        script.write_text(
            _SCRIPT.format(name=name, folder=folder, body=body, status=status), encoding="utf-8"
        )
        script.chmod(0o700)

    def calls(self) -> list[str]:
        """Return the calls so far, each as a line."""
        path = self.folder / "calls"
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

"""Everything that can go wrong, by who must act. Errors carry data; they never print and never exit.

The command line turns an error into one sentence, its hint and its exit code in one place
(``cci.daemon.group``). *Transient* says whether the same call may succeed later without anyone acting.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import ClassVar


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the end of a sentence that names the known word most like *word*; '' if none is like it."""
    by_folded = {one.casefold(): one for one in known}
    close = get_close_matches(word.casefold(), by_folded, n=1)
    return f"; did you mean '{by_folded[close[0]]}'?" if close else ""


class CciError(Exception):
    """Something went wrong in cci.

    Parameters
    ----------
    message
        One sentence, without a final full stop. The class docstring's first line if left out.
    hint
        What a person can do about it. The class's own hint if left out.
    """

    #: Stable identifier for logs, ``--json`` and ``cci explain``.
    code: ClassVar[str] = "E-CCI"
    #: Exit code of the command line.
    exit_code: ClassVar[int] = 1
    #: May the same call succeed later, with nobody doing anything?
    transient: ClassVar[bool] = False
    default_hint: ClassVar[str] = ""

    def __init__(self, message: str = "", *, hint: str = "") -> None:
        first_line = (type(self).__doc__ or "").strip().splitlines()[0].rstrip(".")
        self.message = message or first_line
        self.hint = hint or self.default_hint
        super().__init__(self.message)


class SettingsError(CciError):
    """The settings are wrong."""

    code = "E-SETTINGS"
    exit_code = 2


class UsageError(CciError):
    """The command or call asks for something that cannot be."""

    code = "E-USAGE"
    exit_code = 2


class ProcessorError(CciError):
    """A processor is wrong; it stops itself and nothing else."""

    code = "E-PROCESSOR"


# -- the archive ---------------------------------------------------------------------------------


class ArchiveError(CciError):
    """The archive could not do what it was asked."""

    code = "E-ARCHIVE"
    exit_code = 3


class Unreachable(ArchiveError):
    """The archive does not answer, answers too slowly, or answers with a server error."""

    code = "E-UNREACHABLE"
    transient = True
    default_hint = "nothing changed; work goes on by itself when the archive is back"


class Malformed(ArchiveError):
    """The archive's answer is not what was asked for: a login page, half a listing, an empty body."""

    code = "E-MALFORMED"
    transient = True
    default_hint = "nothing changed; if it stays so, look at the archive through `cci doctor`"


class LoginRefused(ArchiveError):
    """The archive refuses the login."""

    code = "E-LOGIN"
    default_hint = "check user and password; after many wrong tries XNAT locks an account for an hour"


class Forbidden(ArchiveError):
    """The archive does not allow this."""

    code = "E-FORBIDDEN"
    default_hint = "the account needs the right to edit this project"


class NotFound(ArchiveError):
    """The archive says that this does not exist."""

    code = "E-NOT-FOUND"


class Conflict(ArchiveError):
    """The archive already has something else under this name."""

    code = "E-CONFLICT"


class Refused(ArchiveError):
    """The archive refuses this request for good."""

    code = "E-REFUSED"


class DigestMismatch(ArchiveError):
    """A file's size or MD5 is not what the archive's listing says."""

    code = "E-DIGEST"
    transient = True


# -- clusters ---------------------------------------------------------------------------------


class ClusterError(CciError):
    """A cluster could not do what it was asked."""

    code = "E-CLUSTER"
    exit_code = 4


class ClusterUnavailable(ClusterError):
    """The cluster does not answer."""

    code = "E-CLUSTER-AWAY"
    transient = True
    default_hint = "running jobs are not touched; the cluster is asked again"


class SubmissionRefused(ClusterError):
    """The cluster refuses the job."""

    code = "E-SUBMIT"


# -- here ---------------------------------------------------------------------------------


class NotOwner(CciError):
    """Another instance owns this project."""

    code = "E-OWNER"
    exit_code = 5


class DiskFull(CciError):
    """There is no room in the work directory."""

    code = "E-DISK"
    exit_code = 6
    transient = True
    default_hint = "free some space; staging goes on by itself, nothing is lost"


class IllegalTransition(CciError):
    """This status may not follow the present one."""

    code = "E-TRANSITION"


class NeedsConsent(CciError):
    """This would create things in the archive for the first time."""

    code = "E-CONSENT"
    exit_code = 7
    default_hint = "look at it with --dry-run, then say --yes"

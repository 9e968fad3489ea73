"""Errors: who must act, the stable code, the exit code, and whether waiting helps."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from cci import errors
from cci.errors import CciError

#: Written out by hand: codes and exit codes are what scripts and people's notes rely on.
TABLE = {
    "CciError": ("E-CCI", 1, False),
    "SettingsError": ("E-SETTINGS", 2, False),
    "UsageError": ("E-USAGE", 2, False),
    "ProcessorError": ("E-PROCESSOR", 1, False),
    "ArchiveError": ("E-ARCHIVE", 3, False),
    "Unreachable": ("E-UNREACHABLE", 3, True),
    "Malformed": ("E-MALFORMED", 3, True),
    "LoginRefused": ("E-LOGIN", 3, False),
    "Forbidden": ("E-FORBIDDEN", 3, False),
    "NotFound": ("E-NOT-FOUND", 3, False),
    "Conflict": ("E-CONFLICT", 3, False),
    "Refused": ("E-REFUSED", 3, False),
    "DigestMismatch": ("E-DIGEST", 3, True),
    "ClusterError": ("E-CLUSTER", 4, False),
    "ClusterUnavailable": ("E-CLUSTER-AWAY", 4, True),
    "SubmissionRefused": ("E-SUBMIT", 4, False),
    "NotOwner": ("E-OWNER", 5, False),
    "DiskFull": ("E-DISK", 6, True),
    "IllegalTransition": ("E-TRANSITION", 1, False),
    "NeedsConsent": ("E-CONSENT", 7, False),
}


def _classes(base: type[CciError] = CciError) -> Iterator[type[CciError]]:
    """Yield the errors of `cci.errors`, parents first."""
    if base.__module__ == errors.__name__:
        yield base
    for child in base.__subclasses__():
        yield from _classes(child)


CLASSES = list(_classes())


def test_codes_and_exit_codes_are_stable() -> None:
    """Every error has the code, the exit code and the patience that it always had."""
    assert TABLE == {cls.__name__: (cls.code, cls.exit_code, cls.transient) for cls in CLASSES}


def test_a_code_names_one_error() -> None:
    """No two errors share a code."""
    assert len(CLASSES) == len({cls.code for cls in CLASSES})


@pytest.mark.parametrize("error", CLASSES)
def test_a_code_has_one_form(error: type[CciError]) -> None:
    """Codes can be found in a log by one pattern."""
    assert re.fullmatch(r"E(-[A-Z]+)+", error.code)


@pytest.mark.parametrize("error", CLASSES)
def test_an_error_without_a_message_says_what_its_class_means(error: type[CciError]) -> None:
    """The class's first line is a sentence for people, given without its full stop."""
    first_line = (error.__doc__ or "").strip().splitlines()[0]
    assert first_line == f"{error()}."


@pytest.mark.parametrize("error", CLASSES)
def test_a_hint_of_ones_own_comes_first(error: type[CciError]) -> None:
    """Where the error is raised more is known than in its class."""
    assert ("do this", error.default_hint) == (error(hint="do this").hint, error().hint)


@pytest.mark.parametrize("error", CLASSES)
def test_an_exit_code_is_never_that_of_a_shell(error: type[CciError]) -> None:
    """0 is success, and 126 and more are the shell's own."""
    assert 0 < error.exit_code < 126

"""The time between the volumes of a series: where it comes from, and what is no such time."""

from __future__ import annotations

from typing import Any

from cci.spiders.sidecar import Sidecar
from cci.spiders.staging import BadInput

_SECONDS_PER = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}
#: A time step outside these limits, in seconds, is no repetition time of a series of volumes.
_PLAUSIBLE_TR_S = (0.05, 30.0)


def repetition_time(
    header: Any, parameter: object = None, sidecar: Sidecar | None = None
) -> tuple[float | None, str]:
    """Return the time between volumes in seconds, and where it comes from or why it is not known.

    Parameters
    ----------
    parameter
        The processor's ``tr_s``; it goes before all else.
    header
        A NIfTI-1 header; its time step counts only with a unit of time (NIfTI-1 standard, ``xyzt_units``).
    sidecar
        Asked last.

    Raises
    ------
    BadInput
        ``bad-parameter`` if *parameter* is no plausible time.
    """
    if parameter is not None:
        return _told(parameter), "parameter tr_s"
    step_s, doubt = _time_step(header)
    if step_s is not None:
        return step_s, "NIfTI header"
    beside_s = None if sidecar is None else sidecar.tr_s
    if beside_s is not None and _plausible(beside_s):
        return beside_s, "JSON sidecar"
    return None, doubt


def _told(parameter: object) -> float:
    """Return the parameter if it is a plausible number of seconds."""
    low, high = _PLAUSIBLE_TR_S
    if isinstance(parameter, bool | str) or not isinstance(parameter, int | float):
        raise BadInput("bad-parameter", f"parameter tr_s must be a number of seconds, not {parameter!r}")
    if not _plausible(parameter):
        raise BadInput("bad-parameter", f"parameter tr_s is {parameter} s; a TR lies in {low}–{high} s")
    return float(parameter)


def _time_step(header: Any) -> tuple[float | None, str]:
    """Return the header's time step in seconds, or why it is not known."""
    step, unit = float(header.get_zooms()[3]), header.get_xyzt_units()[1]
    if unit not in _SECONDS_PER:
        return None, f"unknown TR: the header's time step has the unit '{unit}'"
    step_s = step * _SECONDS_PER[unit]
    return (
        (step_s, "") if _plausible(step_s) else (None, f"unknown TR: the header's time step is {step_s:g} s")
    )


def _plausible(seconds: float) -> bool:
    low, high = _PLAUSIBLE_TR_S
    return low <= seconds <= high

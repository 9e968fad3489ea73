"""How values are said on pages: sizes, dates, statuses, names of fields. Pure functions."""

from __future__ import annotations

import json
import re
from xml.sax.saxutils import unescape

from cci.archive.typedefs import REGISTRY

_ENTITIES = {"&quot;": '"', "&apos;": "'"}
_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")
#: A tone is a colour and a sign; the word itself always stands beside it.
_TONES: dict[str, frozenset[str]] = {
    "good": frozenset({"complete", "usable", "passed", "passed with issues", "passed qa", "good"}),
    "bad": frozenset(
        {
            *("job_error", "xvfb_error", "job_failed", "no_data", "need_more_data", "unusable"),
            *("failed", "bad", "poor", "failed-needs reprocessing"),
        }
    ),
    "busy": frozenset(
        {
            *("job_running", "job_complete", "job_built", "job_queued", "uploading", "ready_to_upload"),
            *("ready_to_complete", "rerun", "reproc"),
        }
    ),
    "wait": frozenset(
        {
            *("pre_running", "pre_complete", "need_to_run", "need_inputs", "needs qa", "questionable"),
            *("do not run", "hold"),
        }
    ),
}
#: Names of fields that their paths do not tell.
_NAMES = {
    "dob": "date of birth",
    "yob": "year of birth",
    "src": "source",
    "ses": "socio-economic status",
    "tr": "TR",
    "te": "TE",
    "ti": "TI",
    "fov": "field of view",
    "voxelRes": "voxel size",
    "procstatus": "status",
    "proctype": "processor",
    "procversion": "processor version",
    "jobid": "job",
    "jobnode": "node",
    "jobstartdate": "job started",
    "walltimeused": "wall time",
    "memused": "memory",
    "memusedmb": "memory (MB)",
}
_NAMED = re.compile(r"\[name=(?P<name>[^\]]*)\]")


def plain(value: object) -> str:
    """Return a stored value as its writer meant it: XNAT escapes what comes as a parameter, and so do we."""
    return unescape(str(value), _ENTITIES)


def size(count: int) -> str:
    """Spell a number of bytes, in powers of a thousand: ``12.3 MB``."""
    number, unit = float(count), 0
    while number >= 999.5 and unit < len(_UNITS) - 1:
        number, unit = number / 1000, unit + 1
    digits = 1 if unit and number < 99.95 else 0
    return f"{number:.{digits}f} {'byte' if count == 1 else _UNITS[unit]}"


def number(count: int, noun: str) -> str:
    """Spell a count with its noun: ``1 scan``, ``2 scans``, ``10 000 files``."""
    return f"{count:,}".replace(",", "\N{NARROW NO-BREAK SPACE}") + f" {noun}" + "s" * (count != 1)


def figures(text: str) -> str:
    """Round a number of a table to six figures where it has more; whole numbers stay as they are."""
    if len(text) <= 8 or not re.fullmatch(r"-?[0-9]*\.[0-9]+(e-?[0-9]+)?", text):
        return text
    return f"{float(text):.6g}"


def moment(stamp: str) -> str:
    """Spell a time of the tables (UTC) to the minute."""
    return f"{stamp[:16]} UTC" if len(stamp) >= 16 else stamp


def tone(word: str) -> str:
    """Return good, bad, busy or wait for a procstatus, QC status or quality; empty for any other word."""
    lowered = word.strip().lower()
    return next((name for name, words in _TONES.items() if lowered in words), "")


def type_name(xsi_type: str) -> str:
    """Return what people call items of a type: ``MR Session``."""
    found = REGISTRY.find(xsi_type)
    return found.singular if found is not None else xsi_type


def field_name(path: str) -> str:
    """Return what people call a field: ``scanner/manufacturer`` is *Scanner manufacturer*."""
    named = _NAMED.search(path)
    if named is not None:
        return named["name"]
    spelt = " ".join(_spaced(part) for part in path.split("/"))
    return spelt[:1].upper() + spelt[1:]


def _spaced(part: str) -> str:
    if part in _NAMES:
        return _NAMES[part]
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", part.replace("_", " "))
    return " ".join(word if word.isupper() else word.lower() for word in words.split(" "))


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """Return a key that sorts ``scan 2`` before ``scan 10``."""
    parts = re.findall(r"[0-9]{1,18}|[^0-9]+|[0-9]+", text)
    return tuple((0, int(part), "") if _counts(part) else (1, 0, part.lower()) for part in parts)


def _counts(part: str) -> bool:
    return part.isascii() and part.isdecimal() and len(part) <= 18


def laid_out(value: str) -> str:
    """Return a JSON object on several lines, any other text as it is."""
    if not value.startswith("{"):
        return value
    try:
        return json.dumps(json.loads(value), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return value


def scan_of(inputs: str) -> str:
    """Return the scan that a task's ``inputs`` name, empty if they name none."""
    try:
        found = json.loads(inputs)
    except (ValueError, RecursionError):
        return ""
    scan = found.get("scan") if isinstance(found, dict) else None
    return scan if isinstance(scan, str) else ""

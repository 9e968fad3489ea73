"""What DICOM headers say of a session: which scans it has and what is known of them. Headers in, values out.

It stores nothing, and knows no HTTP. Names of headers are those of the standard's data dictionary (DICOM
PS3.6); which field gets which header is what XNAT's own session builder does, as far as this archive has the
field.
"""

from __future__ import annotations

import hashlib
import logging
import re
import struct
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cci.archive.errors import BadRequest
from cci.archive.typedefs import REGISTRY
from cci.archive.types import DataType
from cci.archive.values import normalise

#: Modality → beginning of the names of its types; the first one that a session has names the session.
_TYPES = {"PT": "pet", "MR": "mr", "CT": "ct"}
_OTHER = "otherDicom"
_SESSION_FIELDS = {
    "UID": "StudyInstanceUID",
    "date": "StudyDate",
    "time": "StudyTime",
    "operator": "OperatorsName",
    "scanner": "StationName",
    "scanner/manufacturer": "Manufacturer",
    "scanner/model": "ManufacturerModelName",
    "acquisition_site": "InstitutionName",
    "dcmAccessionNumber": "AccessionNumber",
    "dcmPatientId": "PatientID",
    "dcmPatientName": "PatientName",
    "dcmPatientBirthDate": "PatientBirthDate",
    "dcmPatientWeight": "PatientWeight",
    "fieldStrength": "MagneticFieldStrength",
}
_SCAN_FIELDS = {
    "UID": "SeriesInstanceUID",
    "type": "SeriesDescription",
    "series_description": "SeriesDescription",
    "modality": "Modality",
    "operator": "OperatorsName",
    "scanner": "StationName",
    "scanner/manufacturer": "Manufacturer",
    "scanner/model": "ManufacturerModelName",
    "start_date": "SeriesDate",
    "startTime": "SeriesTime",
    "coil": "ReceiveCoilName",
    "fieldStrength": "MagneticFieldStrength",
    "parameters/tr": "RepetitionTime",
    "parameters/te": "EchoTime",
    "parameters/ti": "InversionTime",
    "parameters/flip": "FlipAngle",
    "parameters/sequence": "SequenceName",
    "parameters/scanSequence": "ScanningSequence",
    "parameters/seqVariant": "SequenceVariant",
    "parameters/scanOptions": "ScanOptions",
    "parameters/acqType": "MRAcquisitionType",
    "parameters/imageType": "ImageType",
    "parameters/pixelBandwidth": "PixelBandwidth",
    "parameters/subjectPosition": "PatientPosition",
    "parameters/echoTrainLength": "EchoTrainLength",
    "parameters/phaseEncodingDirection": "InPlanePhaseEncodingDirection",
    "parameters/kvp": "KVP",
    "parameters/convolutionKernel": "ConvolutionKernel",
}
_PLACES = ("PatientComments", "StudyComments", "AdditionalPatientHistory", "StudyDescription")
_TAGS = sorted(
    {
        *_SESSION_FIELDS.values(), *_SCAN_FIELDS.values(), *_PLACES,
        "SOPInstanceUID", "SeriesNumber", "NumberOfFrames", "PixelSpacing", "SliceThickness",
    }
)  # fmt: skip
#: Deflated Explicit VR Little Endian.
_DEFLATED = "1.2.840.10008.1.2.1.99"
#: What pydicom raises on broken headers, beside its own error.
_BROKEN = (
    ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, NotImplementedError, OSError,
    RecursionError, TypeError, ValueError, struct.error,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One DICOM file: its headers as text, by name. Empty ones are left out."""

    headers: Mapping[str, str]

    def get(self, name: str) -> str:
        """Return a header's text, empty if there is none."""
        return self.headers.get(name, "")

    @property
    def file_name(self) -> str:
        """A name that no other instance has, and the same one again for the same instance."""
        uid = self.get("SOPInstanceUID")
        plain = uid if re.fullmatch(r"[0-9.]{1,64}", uid) else hashlib.sha256(uid.encode()).hexdigest()
        return f"{plain}.dcm"


@dataclass(frozen=True, kw_only=True)
class Scan:
    """A series; *instances* are positions in the list that the plan was made of."""

    id: str
    data_type: DataType
    fields: Mapping[str, str]
    instances: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Study:
    """A session as its headers describe it; they propose names: *project*, *subject*, *session*."""

    data_type: DataType
    fields: Mapping[str, str]
    scans: tuple[Scan, ...]
    project: str = ""
    subject: str = ""
    session: str = ""


def read_instance(path: Path) -> Instance | None:
    """Read the headers of a file; None for one that is no DICOM image (a directory of a disk is none)."""
    pydicom = quiet_pydicom()
    try:
        # unpacking would be in memory, without a limit: such a file may be a bomb
        if pydicom.filereader.read_file_meta_info(path).get("TransferSyntaxUID") == _DEFLATED:
            return None
        headers = _headers(path)
    except (pydicom.errors.InvalidDicomError, *_BROKEN):
        return None
    found = {name: text for name, text in headers.items() if text}
    complete = {"SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"} <= set(found)
    return Instance(headers=found) if complete else None


def read_all(path: Path) -> Any | None:
    """Return all headers of a file, without its pixels; None for a file that is none or cannot be read."""
    pydicom = quiet_pydicom()
    try:
        # elements are read when they are looked at, and what is wrong with them shows then
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if pydicom.filereader.read_file_meta_info(path).get("TransferSyntaxUID") == _DEFLATED:
                return None
            data = pydicom.dcmread(path, stop_before_pixels=True)
            data.decode()
            return data if "SOPInstanceUID" in data else None
    except (pydicom.errors.InvalidDicomError, *_BROKEN):
        return None


def header_text(value: Any) -> str:
    """Spell the value of a header: several values with backslashes between, without control characters."""
    return _text(value)


def _headers(path: Path) -> dict[str, str]:
    with warnings.catch_warnings():
        # of what is wrong in other people's files the log of the server has no use
        warnings.simplefilter("ignore")
        image = quiet_pydicom().dcmread(path, stop_before_pixels=True, specific_tags=list(_TAGS))
        return {name: _text(image.get(name)) for name in _TAGS}


@cache
def quiet_pydicom() -> Any:
    """Import pydicom, which says nothing of what is odd in other people's files."""
    # a server that imports no DICOM starts without it
    import pydicom

    # odd values are the rule, and none is stored unseen
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    return pydicom


def _text(value: Any) -> str:
    if value is None:
        return ""
    parts = value if isinstance(value, list | tuple) or type(value).__name__ == "MultiValue" else [value]
    text = "\\".join(str(part) for part in parts)
    return "".join(char for char in text if char.isprintable()).strip()[:2000]


def plan_studies(instances: list[Instance]) -> list[Study]:
    """Sort instances into studies and their series, in the order of their numbers."""
    by_study = _grouped(range(len(instances)), instances, "StudyInstanceUID")
    return [_study(positions, instances) for positions in by_study]


def _grouped(positions: Iterable[int], instances: list[Instance], header: str) -> list[tuple[int, ...]]:
    groups: dict[str, list[int]] = {}
    for position in positions:
        groups.setdefault(instances[position].get(header), []).append(position)
    return [tuple(group) for group in groups.values()]


def _study(positions: tuple[int, ...], instances: list[Instance]) -> Study:
    series = _grouped(positions, instances, "SeriesInstanceUID")
    series.sort(key=lambda each: (_number(instances[each[0]]), instances[each[0]].get("SeriesInstanceUID")))
    first = instances[positions[0]]
    modalities = {instances[each[0]].get("Modality") for each in series}
    each_type = _type_of(modalities, "SessionData")
    fields = _fields(each_type, _SESSION_FIELDS, first)
    return Study(
        data_type=each_type,
        fields={**fields, "modality": next((m for m in _TYPES if m in modalities), min(modalities))},
        scans=tuple(_scans(series, instances)),
        project=_proposed("Project", first) or first.get("StudyDescription"),
        subject=_proposed("Subject", first) or first.get("PatientName") or first.get("PatientID"),
        session=_proposed("Session", first) or first.get("PatientID"),
    )


def _number(instance: Instance) -> int:
    text = instance.get("SeriesNumber")
    return int(text) if re.fullmatch(r"-?\d{1,12}", text) else 0


def _type_of(modalities: set[str], ending: str) -> DataType:
    known = next((name for modality, name in _TYPES.items() if modality in modalities), _OTHER)
    return REGISTRY.get(f"xnat:{known}{ending}")


def _scans(series: list[tuple[int, ...]], instances: list[Instance]) -> Iterable[Scan]:
    used: dict[str, int] = {}
    for positions in series:
        first = instances[positions[0]]
        name = _scan_id(first)
        used[name] = used.get(name, 0) + 1
        # a second series of the same number: as XNAT writes it, 501-MR1
        suffix = f"-{plain_label(first.get('Modality') or 'OT')}{used[name] - 1}" if used[name] > 1 else ""
        each = _type_of({first.get("Modality")}, "ScanData")
        fields = {**_fields(each, _SCAN_FIELDS, first), **_extent(each, first, len(positions))}
        yield Scan(id=name + suffix, data_type=each, fields=fields, instances=positions)


def _scan_id(instance: Instance) -> str:
    number = instance.get("SeriesNumber")
    return number if number.isdecimal() else plain_label(instance.get("SeriesInstanceUID"))


def _extent(each: DataType, instance: Instance, count: int) -> dict[str, str]:
    frames = instance.get("NumberOfFrames")
    spacing = instance.get("PixelSpacing").split("\\")
    wanted = {"frames": frames if frames.isdecimal() else str(count), "quality": "usable"}
    if len(spacing) == 2:
        x_y_z = zip("xyz", [spacing[1], spacing[0], instance.get("SliceThickness")], strict=True)
        wanted |= {f"parameters/voxelRes/{axis}": text for axis, text in x_y_z}
    return _accepted(each, wanted)


def _fields(each: DataType, names: Mapping[str, str], instance: Instance) -> dict[str, str]:
    return _accepted(each, {path: _spelt(header, instance.get(header)) for path, header in names.items()})


def _accepted(each: DataType, wanted: Mapping[str, str]) -> dict[str, str]:
    """Keep what the type has a field for and can store; a wrong header is no reason to refuse."""
    known = REGISTRY.fields(each)
    found = {}
    for path, text in wanted.items():
        field = known.get(path.lower())
        if field is None or not text:
            continue
        try:
            found[field.path] = normalise(field, text)
        except BadRequest:
            continue
    return found


def _spelt(header: str, text: str) -> str:
    if header.endswith("Date") and re.fullmatch(r"\d{8}", text):
        return f"{text[:4]}-{text[4:6]}-{text[6:]}"
    if header.endswith("Time") and re.fullmatch(r"\d{6}(\.\d+)?", text):
        return f"{text[:2]}:{text[2:4]}:{text[4:6]}"
    if header == "FlipAngle" and re.fullmatch(r"\d+\.\d*", text):
        return str(round(float(text)))
    return text


def _proposed(word: str, instance: Instance) -> str:
    """Return what a comment says behind ``Project:``, as XNAT lets technicians route a session."""
    texts = (instance.get(name) for name in _PLACES)
    found = (re.search(rf"\b{word}:\s*([\w-]+)", text, re.IGNORECASE) for text in texts)
    return next((match[1] for match in found if match is not None), "")


def plain_label(text: str) -> str:
    """Return a text as a label: everything but letters, digits, ``_`` and ``-`` becomes ``_``."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", text.strip())[:64].strip("_")

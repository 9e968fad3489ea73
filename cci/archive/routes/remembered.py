"""Settings of projects that XNAT keeps as numbers or words and that the archive only remembers. A table."""

#: Name → what it is in a new project.
REMEMBERED = {
    "prearchive_code": "4",
    "quarantine_code": "0",
    "current_arc": "arc001",
    "scan_type_mapping": "true",
}

"""`cci report`: what many attempts say together, from the ledger of a laboratory whose jobs have run."""

from __future__ import annotations

import re

from support.lab import Lab


def test_efficiency(lab: Lab) -> None:
    """Asked and used stand beside each other by processor, and what would be enough can be pasted."""
    lab.change_settings(processors={"copy": {"use": lab.uses["copy"], "memory_mb": 900}})
    lab.sessions(5)
    lab.scan("E6", behave="exit 3")
    lab.sweep()
    answer = lab.answer("report", "efficiency", "--project", lab.project, "--since", "1h")
    rows = {row["resource"]: row for row in answer["rows"]}
    shown = lab.cci("report", "efficiency").stdout.splitlines()
    memory = rows["memory"]

    assert {"memory", "walltime", "cores"} == set(rows)
    assert ("copy", "local", 6, 5, 900, {"exit-3": 1}) == tuple(
        memory[name] for name in ("processor", "cluster", "attempts", "measured", "asked", "failed")
    )
    assert 0 < memory["median"] <= memory["p95"] <= memory["most"] < 900
    assert 0 < memory["efficiency"] < 50
    assert "memory" == answer["advice"][0]["resource"]
    assert answer["settings"].startswith("processors:\n  copy:\n    memory_mb: ")
    assert any("5 of 6" in line and "900 MB" in line and "░" in line for line in shown)
    assert "not measured, as they failed: copy on local: 1 exit-3" in shown
    assert answer["settings"].splitlines() == shown[-3:]


def test_efficiency_of_nothing(lab: Lab) -> None:
    """Without attempts, or with few, it is said so; nothing is suggested from little."""
    nothing = lab.cci("report", "efficiency").stdout
    lab.scan("E1")
    lab.sweep()
    few = lab.answer("report", "efficiency")
    later = lab.cci("report", "efficiency", "--since", "2100-01-01").stdout
    no_moment = lab.cci("report", "efficiency", "--since", "lately", check=False)

    assert "no attempt has ended yet\n" == nothing
    assert "no attempt has ended since then\n" == later
    assert ["too few attempts ended well for a suggestion: 1, and 5 are needed"] == [
        one["words"] for one in few["advice"]
    ]
    assert "" == few["settings"]
    assert 2 == no_moment.returncode
    assert "'lately' is no moment" in no_moment.stderr


def test_failed_attempts(lab: Lab) -> None:
    """S30: every failed attempt with command, inputs, parameters and the end of its log, as Markdown."""
    lab.scan("E1", behave="exit 3")
    lab.scan("E2")
    lab.sweep()
    lab.cci("rerun", lab.task("E1")["label"])
    lab.sweep()
    label = lab.task("E1")["label"]
    page = lab.cci("report", "failed", "--since", "24h").stdout
    (first, second) = lab.answer("report", "failed")

    assert re.match(r"# Failed attempts since \d{4}-\d\d-\d\d \d\d:\d\d UTC\n", page)
    assert "2 attempts, as of" in page
    for heading in ("Command:", "Inputs:", "End of output.log:"):
        assert 2 == page.count(f"\n{heading}\n")
    assert 2 == page.count("\n```\nthe trivial spider was told to fail\n```\n")
    assert 2 == page.count("* image/DATA: 2 files, ")
    assert "E2" not in page
    assert [(label, 1, ""), (label, 2, lab.task("E1")["reason"])] == [
        (one["label"], one["attempt"], one["reason"]) for one in (first, second)
    ]
    assert {"exit-3"} == {one["cause"] for one in (first, second)}
    assert "trivial_spider.py" in " ".join(second["command"])
    assert ["behave", "image.dat"] == sorted(file["path"] for file in second["inputs"]["image/DATA"])

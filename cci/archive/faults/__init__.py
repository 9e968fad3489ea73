"""Fault switches for tests: makes the archive as unreliable as a network and a real XNAT can be.

They are mounted only by the hidden option ``--faults`` of ``cci archive serve`` and are never part of a
production server: the control path asks for no login.

``POST /cci/faults`` adds a rule, ``GET`` lists the rules with their hits, ``DELETE`` removes them all and
lets go of every request that hangs. A rule is a JSON object:

``match``
    Regular expression, searched in ``METHOD path?query`` (percent-decoded); everything if left out.
``fault``
    One of the names in `cci.archive.faults.actions.FAULTS`.
``times``
    How often it strikes; null or left out: always.
``after``
    How many matching requests pass unharmed first.
``delay_s``
    For ``late`` (before the answer) and ``drip`` (before each byte); 1 if left out.

Every rule counts every request that it matches; the first rule that strikes decides what happens.
``{"awkward": true}`` instead switches on what a real XNAT does and a kind server would not: see
`cci.archive.faults.awkward`.
"""

from __future__ import annotations

from cci.archive.faults.middleware import Faults

__all__ = ["Faults"]

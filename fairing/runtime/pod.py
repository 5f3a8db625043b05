"""Starts a run in a pod: makes of what was mounted what a run's folder is on a machine, then runs it.

    python -m fairing.runtime.pod

What the client gave lies in ``GIVEN``, which is read alone: ``run.json``, ``key``, ``inputs/``, and, where the image
has no code of its own, ``code.tar.gz`` and fairing itself as ``fairing.zip``. ``OWN`` is a volume that the pod has for
itself and that outlives a restart of its container.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

GIVEN = "/fairing/given"
OWN = "/fairing/own"
HOME = f"{OWN}/home"
SPOOL = f"{OWN}/spool"
WORK = f"{OWN}/work"
RELEASED = f"{OWN}/released"
"""Whoever has read everything makes this file; until then the pod waits, for at most ``linger`` seconds."""


def main() -> int | str:
    """Lay out the run, run it, and wait until what it kept is read."""
    from fairing.runtime import __main__, pump

    spec: dict[str, Any] = json.loads(Path(GIVEN, "run.json").read_bytes())
    described = Path(OWN, "run.json")
    if not described.exists():
        _lay_out(spec, described)
    parent = os.getpid()
    code = __main__.main(str(described))
    if os.getpid() == parent:  # the child, which runs the user's code, comes back from there too
        _linger(float(spec.get("linger", 0.0)), pump.ENDED)
    return code


def _lay_out(spec: dict[str, Any], described: Path) -> None:
    for folder in (HOME, SPOOL, WORK):
        Path(folder).mkdir(parents=True, exist_ok=True)
    archive = Path(GIVEN, "code.tar.gz")
    if archive.exists():
        with tarfile.open(archive) as packed:
            if hasattr(tarfile, "data_filter"):
                packed.extraction_filter = tarfile.data_filter
            packed.extractall(OWN)  # noqa: S202 - the client made it, and the entry's hash is checked
        spec["code"] = f"{OWN}/{spec['code'].lstrip('/')}"
    for path in spec.pop("data"):
        target = Path(WORK, path)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(Path(spec["code"], path), target, follow_symlinks=False)
    own = {
        "source": f"{spec.pop('role')}-{os.environ.get('JOB_COMPLETION_INDEX', '0')}",
        "key": f"{GIVEN}/key",
        "inputs": f"{GIVEN}/inputs",
        "spool": SPOOL,
        "work": WORK,
    }
    part = described.with_suffix(".part")
    part.write_text(json.dumps({**spec, **own}))
    part.rename(described)


def _linger(seconds: float, ended: str) -> None:
    """Wait while there is something that can be read from here alone."""
    until = time.monotonic() + seconds
    kept = [*(each for each in Path(SPOOL).iterdir() if each.name != ended), *Path(WORK).iterdir()]
    while kept and time.monotonic() < until and not Path(RELEASED).exists():
        time.sleep(0.1)  # a volume has nothing better to wait for, and nobody waits for this


if __name__ == "__main__":
    sys.exit(main())

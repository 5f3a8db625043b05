"""Starts a run: ``python -m fairing.runtime run.json``.

One process is forked. The child runs the user's code and has no secret; the parent holds the key, owns the child's
output and writes the log. A crash of the child, of whatever kind, is seen and told by the parent.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from fairing.runtime import leftovers, pump


def main(path: str) -> int:
    """Run what the file says, and return the exit code for whoever started this."""
    spec = json.loads(Path(path).read_bytes())
    ended = Path(spec["spool"]) / pump.ENDED
    if ended.exists():  # a container that was started again: the user's code has run
        return int(ended.read_text())
    outputs, errors, marks = pump.pipes()
    before = leftovers.files(spec["work"])
    child = os.fork()
    if child == 0:
        from fairing.runtime.child import run

        outputs.child()
        errors.child()
        return run(spec, outputs.write, errors.write, marks)
    return pump.pump(spec, child, outputs.parent(), errors.parent(), marks, before)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

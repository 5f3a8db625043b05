"""Starts a run: ``python -m fairing.runtime run.json``.

One process is forked. The child runs the user's code and has no secret; the parent holds the key, owns the child's
output and writes the log. A crash of the child, of whatever kind, is seen and told by the parent.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import sys
from pathlib import Path

from fairing.runtime import kept, leftovers, pump


def main(path: str) -> int | str:
    """Run what the file says, and return the exit code for whoever started this, or why there is none."""
    spec = json.loads(Path(path).read_bytes())
    ended = Path(spec["spool"]) / kept.ENDED
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
    try:
        return pump.pump(spec, child, outputs.parent(), errors.parent(), marks, before)
    except OSError as wrong:
        if wrong.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)
        # Where even its log has no room, this line is the last that is seen, if any is.
        return f"There is no room left on the disk of {spec['work']}: what the run wrote last is lost."


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

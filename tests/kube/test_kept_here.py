"""What was fetched from runs stays on this machine for a while, and not for ever."""

import os
import time

from fairing import state
from fairing_deployers.job import inside


def test_what_was_fetched_goes_when_nobody_came_for_it_in_a_month():
    for name, days in (("old", 31), ("recent", 29)):
        log = state.fetched() / name / "log" / "worker" / "00000000000000000"
        log.parent.mkdir(parents=True)
        log.touch()
        for path in (log, *log.parents[:3]):
            os.utime(path, (then := time.time() - days * 24 * 3600, then))
    new = state.fetched() / "old-but-followed" / "log"
    new.mkdir(parents=True)
    os.utime(new.parent, (0, 0))
    inside.sweep()
    left = {path.name for path in state.fetched().iterdir()}  # other tests leave theirs, of today
    assert left & {"old", "recent", "old-but-followed"} == {"recent", "old-but-followed"}

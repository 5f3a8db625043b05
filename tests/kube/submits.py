"""Submits runs in processes that can be killed at any moment: ``python submits.py``, from a test.

Each line of stdin holds environment variables as JSON. For each a process is made by a fork, so that it need not import
anything; it stops at once, and its number is printed. When it has gone on and ended, its exit code is printed.
"""

import json
import os
import signal
import sys

import kubernetes.config  # noqa: F401 (it takes longest)

import fairing
import fairing_builders.inline  # noqa: F401
import fairing_deployers.job  # noqa: F401


def submit(variables):
    """Stop, and submit a run when this process is told to go on."""
    os.kill(os.getpid(), signal.SIGSTOP)
    os.environ.update(variables)
    fairing.submit(print, ("started",))


for line in sys.stdin:
    child = os.fork()
    if not child:
        code = 1
        try:
            submit(json.loads(line))
            code = 0
        finally:
            os._exit(code)
    os.waitpid(child, os.WUNTRACED)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)

"""Starts a run in a pod: makes of what was mounted what a run's folder is on a machine, then runs it.

What the client gave lies in ``GIVEN``, which is read alone: ``run.json``, ``key``, the inputs as an archive in pieces,
and, where the image has no code of its own, ``code.tar.gz`` and fairing itself as ``runtime.zip``. ``OWN`` is a volume
that the pod has for itself and that outlives a restart of its container.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import subprocess

from fairing.runtime.archive import unpack

INPUTS = "inputs.tar.gz"
GIVEN = "/fairing/given"
OWN = "/fairing/own"
HOME = f"{OWN}/home"
SPOOL = f"{OWN}/spool"
WORK = f"{OWN}/work"
LOG = f"{OWN}/log"
"""The runner's own copy of its log: a node gives only what it has not rotated away."""

LOG_KEPT = "FAIRING_LOG_KEPT"
"""The variable that says how many bytes of it are kept, if not as many as ``runtime.segments`` does."""


_PROXIES = ((15020, "/quitquitquit"), (4191, "/shutdown"))
"""Where Istio's agent and Linkerd's proxy are told to end.

https://istio.io/latest/docs/reference/commands/pilot-agent/ https://linkerd.io/2/tasks/graceful-shutdown/
"""


def main() -> int | str:
    """Lay out the run, run it, and wait until what it kept is read."""
    from fairing.runtime import __main__, kept

    asked = _Asked()
    spec: dict[str, Any] = json.loads(Path(GIVEN, "run.json").read_bytes())
    described = Path(OWN, "run.json")
    _settle(spec.pop("env", {}))
    if not described.exists():
        _lay_out(spec, described)
    if Path(GIVEN, "packages.txt").exists() and (failed := _installed(described, asked)):
        return failed
    parent = os.getpid()
    code = __main__.main(str(described))
    if os.getpid() == parent:  # the child, which runs the user's code, comes back from there too
        kept.wait(json.loads(described.read_bytes()), asked)
        _dismiss()
    return code


def _settle(variables: dict[str, str]) -> None:
    """Set what the client said: something on the way, such as a PodDefault of Kubeflow, may have said otherwise since.

    What else it said for ``PYTHONPATH`` holds too, after the folders of the run.
    """
    os.environ.update(variables)
    sys.path[:] = dict.fromkeys(sys.path)
    os.environ["PYTHONPATH"] = os.pathsep.join(
        dict.fromkeys((*sys.argv[1:], *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))))
    )


def _installed(described: Path, asked: _Asked) -> int:
    from fairing.runtime import installing, pump

    spec = json.loads(described.read_bytes())
    return installing.install(Path(GIVEN, installing.NAME), lambda: pump.encoder(spec), asked.ends)


def _lay_out(spec: dict[str, Any], described: Path) -> None:
    for folder in (HOME, SPOOL, WORK):
        Path(folder).mkdir(parents=True, exist_ok=True)
    pieces = sorted(Path(GIVEN).glob(f"{INPUTS}.*"))
    unpack(b"".join(piece.read_bytes() for piece in pieces), f"{OWN}/inputs")
    code = Path(GIVEN, "code.tar.gz")
    if code.exists():
        unpack(code.read_bytes(), OWN)
        spec["code"] = f"{OWN}/{spec['code'].lstrip('/')}"
    for path in spec.pop("data"):
        import shutil  # here, since every run waits for what stands at the top

        target = Path(WORK, path)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(Path(spec["code"], path), target, follow_symlinks=False)
    own = {
        "source": f"{spec.pop('role')}-{os.environ.get('JOB_COMPLETION_INDEX', '0')}",
        "key": f"{GIVEN}/key",
        "inputs": f"{OWN}/inputs",
        "spool": SPOOL,
        "work": WORK,
        "log": LOG,
        **({"log_kept": int(said)} if (said := os.environ.get(LOG_KEPT, "")).isdigit() else {}),
    }
    part = described.with_suffix(".part")
    part.write_text(json.dumps({**spec, **own}))
    part.rename(described)


class _Asked:
    """Knows whether this process was asked to end, from its start to its end; what runs the code is told too."""

    def __init__(self) -> None:
        self._asked = False
        self._process: subprocess.Popen[str] | None = None
        signal.signal(signal.SIGTERM, self._note)

    def __call__(self) -> bool:
        return self._asked

    def ends(self, process: subprocess.Popen[str]) -> None:
        """End a process too, when this one is asked to end."""
        self._process = process

    def _note(self, *_: object) -> None:
        self._asked = True
        if self._process is not None:
            self._process.terminate()


def _dismiss() -> None:
    """Tell the proxies of meshes, which would keep the pod, that they may end; where none listens, nothing happens."""
    import socket  # here, since every run waits for what stands at the top

    for port, path in _PROXIES:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0) as proxy:
            proxy.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n".encode())
            proxy.recv(64)

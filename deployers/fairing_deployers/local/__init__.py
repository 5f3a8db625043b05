"""Runs images on this machine, as processes: no Docker, no cluster, the same layers and the same runner.

A run is a folder of this user's (``state.runs()``), described in ``fairing.runtime.supervisor``; everything that is
asked of a run is read from there, so any process of this user can ask.

    room       what this machine has room for          folder     which runs there are, and how each is
    kept       what only a cluster keeps               streams    follows one
    start      lays out a run and starts it

What any deployer does that runs layers on a folder is in ``fairing.run.folder`` and ``fairing.run.streams``.
"""

from __future__ import annotations

import re
import secrets
import time

from fairing import state
from fairing.events import Event, FileInfo, Source, Stamp, Status
from fairing.ports import Reporter, Stream
from fairing.run import folder as run_folder
from fairing.spec import BuiltImage, Destination, Handle, Target, Workload
from fairing_deployers.local import folder as folders
from fairing_deployers.local import kept, room


class LocalDeployer:
    """Supervised process trees on this machine."""

    takes: frozenset[Destination] = frozenset({"layers"})

    def check(self, workload: Workload, target: Target) -> None:
        """Refuse what processes of this machine cannot be given."""
        kept.check(workload)
        room.check(workload)

    def deploy(self, image: BuiltImage, workload: Workload, target: Target, report: Reporter) -> Handle:
        """Lay out the run's folder and start its supervisor; on failure nothing is left."""
        from fairing.oci.store import disk
        from fairing_deployers.local import start

        name = f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', workload.name).strip('.-')[:60] or 'run'}-{secrets.token_hex(4)}"
        folder = state.runs() / name
        with disk(state.runs(), "run"):
            folder.mkdir(mode=0o700)
            try:
                start.lay_out(folder, image, workload)
                start.start(folder, image, workload)
            except BaseException:
                folders.remove(folder)
                raise
        unkept, left = room.unkept(workload), kept.left_out(workload)
        without = [f"without a limit on {' and '.join(unkept)}"] if unkept else []
        without += [f"without {', '.join(f'{each}=' for each in left)}, which a cluster keeps"] if left else []
        report(Status(Stamp(Source("run"), time.time()), "pending", ", ".join(without)))
        return Handle("local", (name,))

    def status(self, handle: Handle) -> Status:
        """Read how the run is from its folder."""
        return folders.status(handle, folders.find(handle))

    def streams(self, handle: Handle, since: float | None = None) -> Stream[Stream[Event]]:
        """Follow the run's logs: its own first, then each replica's."""
        from fairing_deployers.local.streams import Replicas

        return Replicas(folders.find(handle), since)

    def read(self, handle: Handle, path: str) -> Stream[bytes]:
        """Read a file of the run's folder."""
        return run_folder.read(handle, folders.find(handle), path)

    def files(self, handle: Handle) -> tuple[FileInfo, ...]:
        """List the working folder."""
        return run_folder.files(folders.find(handle))

    def list(self, target: Target) -> tuple[Handle, ...]:
        """List this user's runs."""
        return run_folder.every(state.runs(), "local")

    def cancel(self, handle: Handle) -> None:
        """Ask the supervisor to end the run, and wait until nothing of it is left."""
        folders.cancel(folders.find(handle))

    def delete(self, handle: Handle) -> None:
        """Cancel the run and remove its folder, also where it is damaged."""
        folder = run_folder.place(state.runs(), handle)
        if folder is not None and folder.is_dir():
            folders.cancel(folder)
            folders.remove(folder)

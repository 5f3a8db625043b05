"""One replica of a run on this machine: its runner's process, its log, and how it ended."""

from __future__ import annotations

import json
import os
import signal
from typing import Any, NamedTuple

from fairing.runtime import cgroup, processes

TERMINATED = 128 + signal.SIGTERM  # as in ``pump``, which is not imported here, for its time


class End(NamedTuple):
    """How a replica ended.

    Args:
        kind: ``done`` (its code returned), ``code`` (its code raised and told so), ``exit``, ``signal`` or ``memory``.
        code: The exit code of the user's process; negative is a signal.
        why: In words, with which replica.
        said: What its failure says: the signal's name, how much memory it used.
    """

    kind: str
    code: int
    why: str
    said: str = ""


class Replica:
    """One replica, from its start to its end; it exists from the moment its process does.

    Args:
        folder: The run's folder.
        spec: The run's description.
        index: Which replica.
        attempt: Which attempt, from 0; each has its own log and spool.
        ports: Ports of this machine that are free.
    """

    def __init__(self, folder: str, spec: dict[str, Any], index: int, attempt: int, ports: list[int]) -> None:
        own = spec["replicas"][index]
        self.name = own["name"]
        self._stem = f"{self.name}.{attempt}" if attempt else self.name
        self._groups: list[str] = own["groups"]
        self._memory: int | None = own["memory"]
        self._spool = f"{folder}/spool/{self._stem}"
        self._killed_before = cgroup.killed(self._groups)
        self._log = os.open(f"{folder}/logs/{self._stem}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.mkdir(self._spool, 0o700)
        description = f"{folder}/spool/{self._stem}.json"
        with open(description, "w") as file:
            json.dump(self._description(folder, spec, index, ports), file)
        environment = {**os.environ, **own["env"]}
        self.output, write = os.pipe()
        command = [*spec["python"], "-m", "fairing.runtime", description]
        # It starts in a folder with no module in it: the working folder's own must not shadow what the runner imports.
        self.pid = processes.start(command, environment, folder, write, cgroup.joins(self._groups))
        os.close(write)
        self.code: int | None = None

    def read(self) -> bool:
        """Move what it has said into its log; return whether there may be more."""
        data = os.read(self.output, 1 << 18)
        view = memoryview(data)
        while view:
            view = view[os.write(self._log, view) :]
        return bool(data)

    def close(self) -> None:
        """Close its log."""
        os.close(self.output)
        os.close(self._log)

    def terminate(self) -> None:
        """Ask it to end; its process exists until its end was asked for."""
        if self.code is None:
            os.kill(self.pid, signal.SIGTERM)

    def end(self) -> End:
        """Return how it ended."""
        code, told = self._outcome()
        if told == "result":
            return End("done", code, "")
        killed = cgroup.killed(self._groups) > self._killed_before
        if told == "failure":
            hint = f"{self.name}: the kernel ended one of its processes for its memory"
            return End("code", code, hint if killed and self._groups else "")
        if code == TERMINATED:
            code = -signal.SIGTERM
        if code >= 0:
            return End("exit", code, f"{self.name}: its process ended by itself, with exit code {code}")
        if code == -signal.SIGKILL and killed:
            limit = f"more than its limit of {_size(self._memory)}" if self._memory else "too much"
            return End("memory", code, f"{self.name} used {limit} of memory", f"It used {limit} of memory")
        return End("signal", code, f"{self.name} was killed by {_name(-code)}", _name(-code))

    def _outcome(self) -> tuple[int, str]:
        """Return the exit code of the user's process, and what it told of itself; the runner itself may be killed."""
        try:
            with open(f"{self._spool}/outcome.json") as file:
                outcome = json.load(file)
            return int(outcome["code"]), str(outcome["told"])
        except (OSError, ValueError, KeyError):
            return (self.code or 1), ""

    def _description(self, folder: str, spec: dict[str, Any], index: int, ports: list[int]) -> dict[str, Any]:
        """Return what the runner reads."""
        size = len(spec["replicas"])
        described = {
            **spec["runner"],
            "source": self.name,
            "spool": self._spool,
            "outcome": f"{self._spool}/outcome.json",
            "key": f"{folder}/key",
        }
        if size > 1:
            described["place"] = {
                "rank": index,
                "size": size,
                "host": "127.0.0.1",
                "port": ports[0],
                "jax_port": ports[1],
                "local_rank": index,
                "local_size": size,
                "hosts": [f"127.0.0.1:{port}" for port in ports[2:]],
            }
        return described


def _size(octets: int) -> str:
    for unit, power in (("GiB", 30), ("MiB", 20)):
        if octets >= 1 << power:
            return f"{octets / (1 << power):.4g} {unit}"
    return f"{octets} bytes"


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"

"""One rendezvous: from whatever the platform gives, the variables that every framework looks for.

Whatever started the replicas says how many there are, which this one is, and where the first one listens: as
``TF_CONFIG``, as ``PET_*`` or ``RANK``, as the index of an Indexed Job, or, for processes of one machine, in the
runner's own description. From that come PyTorch's, TensorFlow's, JAX's and DMLC's, so that the same function runs
wherever it is sent. What the platform has set is never changed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PORT = 29500
"""Where rank 0 listens, where nobody says another."""


@dataclass(frozen=True)
class Place:
    """One replica's place among its peers.

    Args:
        rank: Which it is, from 0.
        size: How many there are.
        host: Where rank 0 can be reached.
        port: On which port.
        local_rank: Which it is on its machine.
        local_size: How many are on its machine.
        hosts: ``host:port`` of every replica, by rank, where that is known.
        role: What TensorFlow calls it.
        jax_port: On which port JAX's coordinator listens, at rank 0.
    """

    rank: int
    size: int
    host: str
    port: int = PORT
    local_rank: int = 0
    local_size: int = 1
    hosts: tuple[str, ...] = ()
    role: str = "worker"
    jax_port: int | None = None


def variables(spec: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables to add for this replica; none where it is alone.

    Args:
        spec: The runner's description; ``spec["place"]`` has the fields of a ``Place`` for processes of one machine.
        environment: What the platform has set; else this process's own.

    Example:
        >>> variables({"place": {"rank": 1, "size": 2, "host": "127.0.0.1", "port": 4000}}, {})["WORLD_SIZE"]
        '2'
    """
    given = os.environ if environment is None else environment
    place = _local(spec) or _tensorflow(given) or _torch(given) or _indexed(given)
    if place is None or place.size < 2:
        return {}
    return {name: value for name, value in _all(place).items() if name not in given}


def _local(spec: Mapping[str, Any]) -> Place | None:
    fields = spec.get("place")
    return Place(**{**fields, "hosts": tuple(fields.get("hosts", ()))}) if fields else None


def _tensorflow(given: Mapping[str, str]) -> Place | None:
    """Read ``TF_CONFIG``; parameter servers and evaluators have no rank among those that train."""
    try:
        config = json.loads(given.get("TF_CONFIG", ""))
        cluster = {role: _addresses(each) for role, each in config["cluster"].items()}
        role, index = str(config["task"]["type"]), int(config["task"]["index"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    ranked = [(each, at) for each in ("chief", "master", "worker") for at in sorted(cluster.get(each, {}))]
    if (role, index) not in ranked:
        return None
    hosts = tuple(cluster[each][at] for each, at in ranked)
    host, _, port = hosts[0].rpartition(":")
    meet = int(port) + 1 if port.isdigit() else PORT  # TensorFlow's own server has that port; the others meet beside it
    return Place(ranked.index((role, index)), len(ranked), host, meet, hosts=hosts, role=role)


def _addresses(listed: Any) -> dict[int, str]:
    """Return a role's addresses by index: a list, or (dynamic workers) an object of those that are known."""
    pairs = listed.items() if isinstance(listed, dict) else enumerate(listed)
    return {int(index): str(address) for index, address in pairs}


def _torch(given: Mapping[str, str]) -> Place | None:
    """Read ``RANK`` and ``WORLD_SIZE``, else torchrun's ``PET_*``: one process a node."""
    rank = given.get("RANK", given.get("PET_NODE_RANK", ""))
    size = given.get("WORLD_SIZE", given.get("PET_NNODES", ""))
    host = given.get("MASTER_ADDR", given.get("PET_MASTER_ADDR", ""))
    if not (rank.isdigit() and size.isdigit() and host):  # an elastic job says "2:4": its size is torchrun's to settle
        return None
    port = given.get("MASTER_PORT", given.get("PET_MASTER_PORT", ""))
    return Place(int(rank), int(size), host, _port(port), hosts=_siblings(host, int(size)))


def _indexed(given: Mapping[str, str]) -> Place | None:
    """Read the index of an Indexed Job, and what is said beside it: how many there are, and the first one's address."""
    rank, size = given.get("JOB_COMPLETION_INDEX", ""), given.get("FAIRING_REPLICAS", "")
    host, _, port = given.get("FAIRING_COORDINATOR", "").partition(":")
    if not (rank.isdigit() and size.isdigit() and host):
        return None
    return Place(int(rank), int(size), host, _port(port), hosts=_siblings(host, int(size)))


def _port(text: str) -> int:
    return int(text) if text.isdigit() else PORT


def _siblings(first: str, size: int) -> tuple[str, ...]:
    """Return all addresses by the first one's: ``train-0.train`` has ``train-1.train`` beside it."""
    name, dot, domain = first.partition(".")
    stem = re.fullmatch(r"(.*)-0", name)
    if stem is None:
        return ()
    rest, less = (stem[1], 0) if not stem[1].endswith("-master") else (stem[1][: -len("master")] + "worker", 1)
    names = [name, *(f"{rest}-{index - less}" for index in range(1, size))]
    return tuple(f"{each}{dot}{domain}:{PORT - 1}" for each in names)


def _all(place: Place) -> dict[str, str]:
    rank, size, port = str(place.rank), str(place.size), str(place.port)
    coordinator = f"{place.host}:{place.jax_port or place.port + 1}"
    found = {
        "RANK": rank,
        "WORLD_SIZE": size,
        "LOCAL_RANK": str(place.local_rank),
        "LOCAL_WORLD_SIZE": str(place.local_size),
        "NODE_RANK": str(place.rank // place.local_size),
        "GROUP_RANK": str(place.rank // place.local_size),
        "MASTER_ADDR": place.host,
        "MASTER_PORT": port,
        "PET_NNODES": str(max(1, place.size // place.local_size)),
        "PET_NODE_RANK": str(place.rank // place.local_size),
        "PET_NPROC_PER_NODE": str(place.local_size),
        "PET_MASTER_ADDR": place.host,
        "PET_MASTER_PORT": port,
        "JAX_COORDINATOR_ADDRESS": coordinator,
        "JAX_NUM_PROCESSES": size,
        "JAX_PROCESS_ID": rank,
        "JOB_COMPLETION_INDEX": rank,
        "DMLC_ROLE": "worker",
        "DMLC_NUM_WORKER": size,
        "DMLC_NUM_SERVER": "0",
        "DMLC_TASK_ID": rank,
        "DMLC_TRACKER_URI": place.host,
        "DMLC_TRACKER_PORT": port,
    }
    if place.hosts:
        task = {"type": "worker", "index": place.rank}
        found["TF_CONFIG"] = json.dumps({"cluster": {"worker": list(place.hosts)}, "task": task})
    return found

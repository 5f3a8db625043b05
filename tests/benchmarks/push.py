"""A changed cell on its way into a registry: packed, described and sent, beside sending what is packed already."""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import os
import platform
import random
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from fairing import plugins
from fairing.image import Image
from fairing.oci import layer
from fairing.oci.blob import Blob
from fairing.recipe.resolve import resolve
from fairing.spec import Bundle, Entry, File, Target
from tests.benchmarks.pairs import Missing, Pair
from tests.benchmarks.remote import STATE
from tests.registry import bases, servers

ROUNDS = 20
_DOCKER = "/usr/bin/docker" if Path("/usr/bin/docker").exists() else "docker"
"""A distribution's own client has BuildKit with it; others may want a plug-in for that."""


def pairs(home: Path) -> Iterator[Pair]:
    """Give the comparison."""
    with tempfile.TemporaryDirectory() as folder, servers.registry(Path(folder)) as host:
        base = bases.push(f"{host}/bench/python:this")
        ready = iter([_packed(turn) for turn in range(ROUNDS + 1)])
        projects = iter([_files(1000 + turn) for turn in range(ROUNDS + 1)])
        connection = http.client.HTTPConnection(host)
        yield Pair(
            "push of a changed cell (50 files, loopback registry)",
            lambda: _build(base, host, next(projects)),
            lambda: _send(connection, *next(ready)),
            "the same five requests with ready bytes, on one connection",
            times=1.5,
            rounds=ROUNDS,
        )
        connection.close()
        with _engine():
            yield from _built(base, host, Path(folder))


def _built(base: str, host: str, folder: Path) -> Iterator[Pair]:
    """Compare with what builds images from Dockerfiles; ours is packed and pushed as well, for the same change."""
    for number, (called, peer, times) in enumerate(_peers(), 2):
        projects = iter([_files(1000 * number + turn) for turn in range(2 * ROUNDS)])
        yield Pair(
            "build and push of a changed cell (50 files, loopback registry)",
            lambda projects=projects: _build(base, host, next(projects)),
            lambda peer=peer, projects=projects: peer(base, host, _project(next(projects), folder)),
            called,
            times=times,
        )


@contextmanager
def _engine() -> Iterator[None]:
    """Have a Docker engine: the one that answers, else the cluster's own, for as long as it takes."""
    scripts = Path(__file__).parents[1] / "cluster"
    if _answers() or not shutil.which("dockerd") or not (STATE / "kubeconfig").exists():
        yield
        return
    began = not Path("/run/fairing-cluster/docker.sock").exists()
    up = subprocess.run([scripts / "docker-up"], check=True, capture_output=True, text=True)
    said = dict(word.split("=", 1) for word in up.stdout.split() if "=" in word)
    os.environ.update(said)
    try:
        yield
    finally:
        for name in said:
            os.environ.pop(name)
        if began:
            subprocess.run([scripts / "docker-down"], check=True, capture_output=True)


def _answers() -> bool:
    return bool(shutil.which(_DOCKER)) and not subprocess.run([_DOCKER, "version"], capture_output=True).returncode


def _peers() -> Iterator[tuple[str, Callable[[str, str, Path], None], float]]:
    """Give what else builds and pushes images, and the share of its time that ours may take.

    Raises:
        Missing: One is not here.
    """
    docker = _answers()
    if shutil.which("buildah"):
        yield "`buildah bud --layers` and `buildah push`", _buildah, 1 / 20
    if docker:
        yield "`docker build` (BuildKit) and `docker push`", _docker, 1 / 8
    if not shutil.which("buildah"):
        raise Missing("there is no buildah: make tools")
    if not docker:
        raise Missing("there is no Docker engine: make cluster, then tests/cluster/docker-up")


def _build(base: str, host: str, files: tuple[File, ...]) -> None:
    entry = Entry("script", "main.py", hashlib.sha256(files[0].read()).hexdigest(), "main.py")
    bundle = Bundle(entry, files, ("cloudpickle",), (), platform.python_version())
    target = Target("bench", "job", repository=f"{host}/bench/ours")
    recipe = resolve(bundle, Image(base), "registry")
    builder = plugins.builder("append")
    builder.check(recipe, target)
    builder.build(recipe, target, "registry", lambda event: None)


def _project(files: tuple[File, ...], folder: Path) -> Path:
    """Write a project with its Dockerfile."""
    for file in files:
        (folder / "project" / file.path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "project" / file.path).write_bytes(file.read())
    return folder


def _buildah(base: str, host: str, folder: Path) -> None:
    (folder / "Dockerfile").write_text(f"FROM {base}\nCOPY . /opt/fairing/code\n")
    name = f"{host}/bench/buildah:latest"
    # As anybody in a container has it: without a mount of its own, and without a process namespace.
    program = ["buildah", "--root", f"{folder}/root", "--runroot", f"{folder}/run", "--storage-driver", "vfs"]
    build = [*program, "bud", "--layers", "--isolation", "chroot", "--tls-verify=false", "-q", "-t", name]
    subprocess.run([*build, "-f", f"{folder}/Dockerfile", f"{folder}/project"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([*program, "push", "-q", "--tls-verify=false", name], check=True, stdout=subprocess.DEVNULL)


def _docker(base: str, host: str, folder: Path) -> None:
    (folder / "Dockerfile").write_text(f"FROM {base}\nCOPY . /opt/fairing/code\n")
    name = f"{host}/bench/docker:latest"
    build = [_DOCKER, "build", "-q", "-t", name, "-f", f"{folder}/Dockerfile", f"{folder}/project"]
    subprocess.run(build, check=True, capture_output=True, env={**os.environ, "DOCKER_BUILDKIT": "1"})
    subprocess.run([_DOCKER, "push", "-q", name], check=True, capture_output=True)


def _files(turn: int) -> tuple[File, ...]:
    """Return a project of 50 files, 130 kB, of which one is another each time."""
    words = random.Random(7)
    texts = [" ".join(f"{words.random():.6f}" for _ in range(300)) for _ in range(49)]
    others = (File(f"package/module_{number}.py", text.encode()) for number, text in enumerate(texts))
    return (File("main.py", f"print({turn})\n".encode()), *others)


def _packed(turn: int) -> tuple[list[Blob], bytes]:
    out = io.BytesIO()
    layer.write(sorted(_files(turn), key=layer.order), out, "opt/fairing/code")
    blobs, manifest, _ = bases.image(layers=(out.getvalue(),), settings=bases.official(TURN=turn))
    return blobs, manifest


def _send(connection: http.client.HTTPConnection, blobs: list[Blob], manifest: bytes) -> None:
    for blob in blobs:
        location = _ask(connection, "POST", "/v2/bench/peer/blobs/uploads/", b"")
        parts = urlsplit(location)
        data = b"".join(blob.open(0))
        _ask(connection, "PUT", f"{parts.path}?{parts.query}&digest={blob.digest}", data)
    kind = json.loads(manifest)["mediaType"]
    _ask(connection, "PUT", f"/v2/bench/peer/manifests/{blobs[-1].digest[7:19]}", manifest, kind)


def _ask(connection: http.client.HTTPConnection, method: str, path: str, body: bytes, kind: str = "") -> str:
    connection.request(method, path, body, {"Content-Type": kind or "application/octet-stream"})
    answer = connection.getresponse()
    said = answer.read()
    if answer.status not in {201, 202}:
        raise AssertionError(f"{method} {path}: {answer.status} {said[:200]!r}")
    return answer.headers["Location"]

"""Small base images for tests: they say of themselves what official ones say."""

import gzip
import io
import json
import platform
import sys
import tarfile

from fairing.oci.blob import Blob
from fairing.oci.reference import parse
from fairing.oci.transfer import Transfer

HERE = platform.python_version()
MINOR = ".".join(HERE.split(".")[:2])
OCI = "application/vnd.oci.image"
DOCKER = "application/vnd.docker"
BOOKWORM = {"created": "2025-01-01T00:00:00Z", "created_by": "# debian.sh --arch 'amd64' out/ 'bookworm' '@1736000000'"}


def layer(*entries):
    """Return a gzipped tar of (name, content or the target of a link, as text)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in entries:
            entry = tarfile.TarInfo(name)
            if isinstance(content, str):
                entry.type, entry.linkname = tarfile.SYMTYPE, content
                tar.addfile(entry)
            else:
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    return gzip.compress(out.getvalue(), mtime=0)


ETC = layer(("etc/os-release", b"ID=debian\n"))


def official(python=HERE, **settings):
    """Return the settings of an image as Docker's official ones have them."""
    path = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
    env = [f"PATH={path}", "LANG=C.UTF-8", *([f"PYTHON_VERSION={python}"] if python else [])]
    return {"Env": env, "Cmd": ["python3"], **settings}


def image(layers=(ETC,), settings=None, history=(BOOKWORM,), kind=OCI, machine="amd64", **more):
    """Return blobs, manifest and media type of an image."""
    docker = kind == DOCKER
    config = {
        "created": "2025-01-02T03:04:05Z",
        "os": "linux",
        "architecture": machine,
        "config": official() if settings is None else settings,
        "rootfs": {"type": "layers", "diff_ids": [Blob.of(gzip.decompress(each)).digest for each in layers]},
        **({"history": list(history)} if history is not None else {}),
        **more,
    }
    named = {
        "layer": f"{DOCKER}.image.rootfs.diff.tar.gzip" if docker else f"{OCI}.layer.v1.tar+gzip",
        "config": f"{DOCKER}.container.image.v1+json" if docker else f"{OCI}.config.v1+json",
        "manifest": f"{DOCKER}.distribution.manifest.v2+json" if docker else f"{OCI}.manifest.v1+json",
    }
    blobs = [Blob.of(each) for each in layers]
    said = Blob.of(json.dumps(config).encode())
    manifest = {
        "schemaVersion": 2,
        "mediaType": named["manifest"],
        "config": {"mediaType": named["config"], "digest": said.digest, "size": said.size},
        "layers": [{"mediaType": named["layer"], "digest": blob.digest, "size": blob.size} for blob in blobs],
    }
    return [*blobs, said], json.dumps(manifest).encode(), named["manifest"]


def push(name, **described):
    """Push an image and return its name."""
    blobs, manifest, kind = image(**described)
    with Transfer() as transfer:
        transfer.push(parse(name), blobs, manifest, kind)
    return name


def index(name, *machines, **described):
    """Push an index of an image for each kind of machine, and return its name."""
    reference = parse(name)
    children = []
    with Transfer() as transfer:
        for machine in machines:
            blobs, manifest, kind = image(machine=machine, **described)
            digest = transfer.push(parse(f"{name.rpartition(':')[0]}:{machine}"), blobs, manifest, kind)
            children.append({"mediaType": kind, "digest": digest, "size": len(manifest),
                             "platform": {"os": "linux", "architecture": machine}})  # fmt: skip
        docker = described.get("kind") == DOCKER
        named = f"{DOCKER}.distribution.manifest.list.v2+json" if docker else f"{OCI}.index.v1+json"
        document = {"schemaVersion": 2, "mediaType": named, "manifests": children}
        transfer.push(reference, [], json.dumps(document).encode(), document["mediaType"])
    return name


TAG = f"cp{sys.version_info[0]}{sys.version_info[1]}"

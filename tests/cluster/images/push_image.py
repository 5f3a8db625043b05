#!/usr/bin/env python3
"""Make an image from tar files and single files and push it to a plain-HTTP registry. Standard library only.

    push_image.py localhost:5000/kaniko/executor:1.24.0 --file ./executor=/kaniko/executor --entrypoint /kaniko/executor
    push_image.py localhost:5000/app:1 --from localhost:5000/python:3.11-slim --tar layer.tar.gz --env A=b --user 1000

Layers are reproducible (sorted, mtime 0, root owned): the same input gives the same digest and is not sent again.
"""

import argparse
import gzip
import hashlib
import http.client
import io
import json
import os
import sys
import tarfile
from pathlib import Path

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def split(ref):
    host, _, rest = ref.partition("/")
    name, _, tag = rest.rpartition(":")
    return host, name, tag


class Registry:
    def __init__(self, host, name):
        self.base, self.connection = f"/v2/{name}", http.client.HTTPConnection(host)

    def call(self, method, path, body=None, expect=(200, 201, 202), **headers):
        headers = {key.replace("_", "-"): value for key, value in headers.items()}
        self.connection.request(method, path, body, headers)
        answer = self.connection.getresponse()
        data = answer.read()
        if answer.status not in expect:
            sys.exit(f"{method} {path}: {answer.status} {data[:300]!r}")
        return answer, data

    def blob(self, data):
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        if self.call("HEAD", f"{self.base}/blobs/{digest}", expect=(200, 404))[0].status == 404:
            location = self.call("POST", f"{self.base}/blobs/uploads/")[0].headers["Location"]
            location = "/" + location.split("/", 3)[3] if "://" in location else location
            location += ("&" if "?" in location else "?") + "digest=" + digest
            self.call("PUT", location, data, Content_Type="application/octet-stream", Content_Length=str(len(data)))
        return {"digest": digest, "size": len(data)}


def files_layer(files):
    """A gzipped tar with the given SOURCE=DESTINATION files, parents included."""
    buffer, seen = io.BytesIO(), set()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for source, _, target in sorted((spec.partition("=") for spec in files), key=lambda part: part[2]):
            parts = target.strip("/").split("/")
            for depth in range(1, len(parts)):
                folder = "/".join(parts[:depth])
                if folder not in seen:
                    seen.add(folder)
                    entry = tarfile.TarInfo(folder)
                    entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
                    tar.addfile(entry)
            content = Path(source).read_bytes()
            entry = tarfile.TarInfo("/".join(parts))
            entry.size, entry.mode = len(content), 0o755 if os.access(source, os.X_OK) else 0o644
            tar.addfile(entry, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), 1, mtime=0)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ref", help="HOST:PORT/NAME:TAG")
    parser.add_argument("--from", dest="base", help="an image of the same registry to build on")
    parser.add_argument("--tar", action="append", default=[], help="a .tar.gz that becomes one layer")
    parser.add_argument("--file", action="append", default=[], help="SOURCE=DESTINATION; all of them make one layer")
    parser.add_argument("--entrypoint", nargs=1, action="extend", help="may be repeated, one word each")
    parser.add_argument("--cmd", nargs=1, action="extend", help="may be repeated, one word each")
    parser.add_argument("--env", action="append", default=[])
    parser.add_argument("--user")
    parser.add_argument("--workdir")
    return parser.parse_args()


def base_image(registry, ref):
    """The layers and the configuration of an image; its layers are mounted, so that nothing is sent."""
    host, name, tag = split(ref)
    base = Registry(host, name)
    manifest = json.loads(base.call("GET", f"{base.base}/manifests/{tag}", Accept=MANIFEST)[1])
    config = json.loads(base.call("GET", f"{base.base}/blobs/{manifest['config']['digest']}")[1])
    for layer in manifest["layers"]:
        registry.call("POST", f"{registry.base}/blobs/uploads/?mount={layer['digest']}&from={name}")
    return manifest["layers"], config


def push(options):
    host, name, tag = split(options.ref)
    registry = Registry(host, name)
    layers = []
    config = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": []}}
    if options.base:
        layers, config = base_image(registry, options.base)

    blobs = [Path(path).read_bytes() for path in options.tar]
    if options.file:
        blobs.append(files_layer(options.file))
    for blob in blobs:
        layers.append({"mediaType": LAYER, **registry.blob(blob)})
        config["rootfs"]["diff_ids"].append("sha256:" + hashlib.sha256(gzip.decompress(blob)).hexdigest())

    asked = {
        "Entrypoint": options.entrypoint,
        "Cmd": options.cmd,
        "User": options.user,
        "WorkingDir": options.workdir,
    }
    run = config.setdefault("config", {})
    run.update({key: value for key, value in asked.items() if value is not None})
    run["Env"] = run.get("Env", []) + options.env
    stored = registry.blob(json.dumps(config, sort_keys=True).encode())
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "layers": layers,
        "config": {"mediaType": CONFIG, **stored},
    }
    path = f"{registry.base}/manifests/{tag}"
    answer, _ = registry.call("PUT", path, json.dumps(manifest).encode(), Content_Type=MANIFEST)
    return answer.headers["Docker-Content-Digest"]


options = arguments()
print(f"{options.ref}@{push(options)}")

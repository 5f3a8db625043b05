#!/usr/bin/env python3
"""Gives every claim of the storage class "standard" a folder of this machine, and removes it with the claim.

    volume_provisioner.py API-SERVER PKI-FOLDER VOLUMES-FOLDER NODE

Local volumes rather than Kubernetes' own host path provisioner: that one makes folders only root can write to, and
pods here run as other users.
"""

import http.client
import json
import shutil
import ssl
import sys
import time
import urllib.parse
from pathlib import Path

SERVER, PKI, FOLDER, NODE = sys.argv[1:]
CLASS, VOLUMES, CLAIMS = "standard", "/api/v1/persistentvolumes", "/api/v1/persistentvolumeclaims"
context = ssl.create_default_context(cafile=f"{PKI}/ca.crt")
context.load_cert_chain(f"{PKI}/admin.crt", f"{PKI}/admin.key")
connection = http.client.HTTPSConnection(urllib.parse.urlsplit(SERVER).netloc, context=context, timeout=30)


def call(method, path, body=None):
    connection.request(method, path, json.dumps(body) if body else None, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    document = json.loads(answer.read())
    if answer.status >= 300 and answer.status not in (404, 409):
        raise OSError(f"{method} {path}: {document.get('message')}")
    return document


def provision(claim):
    name = f"pvc-{claim['metadata']['uid']}"
    folder = Path(FOLDER, name)
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o777)
    match = {"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE]}
    spec = {
        "storageClassName": CLASS,
        "persistentVolumeReclaimPolicy": "Delete",
        "capacity": claim["spec"]["resources"]["requests"],
        "accessModes": claim["spec"]["accessModes"],
        "claimRef": {key: claim["metadata"][key] for key in ("namespace", "name", "uid")},
        "local": {"path": str(folder)},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [match]}]}},
    }
    call("POST", VOLUMES, {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec})
    print("made", name, "for", claim["metadata"]["namespace"], claim["metadata"]["name"], flush=True)


def remove(volume):
    shutil.rmtree(volume["spec"]["local"]["path"], ignore_errors=True)
    call("DELETE", f"{VOLUMES}/{volume['metadata']['name']}")
    print("removed", volume["metadata"]["name"], flush=True)


while True:
    try:
        volumes = {item["metadata"]["name"]: item for item in call("GET", VOLUMES)["items"]}
        for claim in call("GET", CLAIMS)["items"]:
            if (
                claim["status"].get("phase") == "Pending"
                and claim["spec"].get("storageClassName") == CLASS
                and not claim["spec"].get("volumeName")
                and f"pvc-{claim['metadata']['uid']}" not in volumes
            ):
                provision(claim)
        for volume in volumes.values():
            if volume["spec"].get("storageClassName") == CLASS and volume["status"].get("phase") in (
                "Released",
                "Failed",
            ):
                remove(volume)
    except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
        print(repr(error), flush=True)
        connection.close()
    time.sleep(0.5)

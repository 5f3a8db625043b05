"""A credential plugin, as a kubeconfig names one: ``python plugin.py FOLDER NAMESPACE ACCOUNT SECONDS``.

It gives a token of a service account that is bound to a Secret, and writes it into FOLDER, with the Secret's name. With
SECONDS other than 0 it expires, and the Secret of the one before is deleted, which takes that back.
"""

import json
import sys
import time
from pathlib import Path
from uuid import uuid4

from fairing.kube.connection import connect

folder, namespace, account, seconds = Path(sys.argv[1]), *sys.argv[2:]
reached = connect(namespace=namespace)
secrets = f"/api/v1/namespaces/{namespace}/secrets"


def issued():
    """Return a new token, and the name of the Secret that it is bound to."""
    secret = reached.post(secrets, {"metadata": {"name": f"token-{uuid4().hex[:8]}"}})["metadata"]
    bound = {"apiVersion": "v1", "kind": "Secret", "name": secret["name"], "uid": secret["uid"]}
    asked = {"spec": {"expirationSeconds": 600, "boundObjectRef": bound, "audiences": None}}
    answer = reached.post(f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token", asked)
    return answer["status"]["token"], secret["name"]


if __name__ == "__main__":
    token, name = issued()
    for before in folder.glob("*.token") if seconds != "0" else ():
        reached.delete(f"{secrets}/{before.stem}")
        before.rename(before.with_suffix(".revoked"))
    (folder / f"{name}.token").write_text(token)
    status = {"token": token}
    if seconds != "0":
        until = time.gmtime(time.time() + int(seconds))
        status["expirationTimestamp"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", until)
    print(json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}))

"""How a test says that it runs on the cluster: as a person does, by variables."""

from pathlib import Path

import yaml


def variables(cluster, namespace, **options):
    """Return the variables that send every call to a namespace of the cluster."""
    said = {
        "target": "cluster",
        "context": cluster.context,
        "namespace": namespace,
        "image": cluster.image,
        "repository": f"{cluster.registry}/{namespace}/images",
        **options,
    }
    return {"KUBECONFIG": cluster.kubeconfig, **{f"FAIRING_{name.upper()}": value for name, value in said.items()}}


def kubeconfig(like, file, context=None, user=None, **server):
    """Write a kubeconfig like another, whose only context leads elsewhere, or is called otherwise; return its path.

    Args:
        like: The other.
        file: Where to write it.
        context: What its context is called.
        user: Who asks, as a kubeconfig says it.
        server: What is said of the cluster: ``server``, ``proxy_url``; ``None`` leaves something out.
    """
    config = yaml.safe_load(Path(like).read_text())
    current = next(each for each in config["contexts"] if each["name"] == config["current-context"])
    (cluster,) = (each for each in config["clusters"] if each["name"] == current["context"]["cluster"])
    (who,) = (each for each in config["users"] if each["name"] == current["context"]["user"])
    said = {**cluster["cluster"], **{name.replace("_", "-"): value for name, value in server.items()}}
    cluster["cluster"] = {name: value for name, value in said.items() if value is not None}
    who["user"] = user or who["user"]
    current["name"] = config["current-context"] = context or current["name"]
    file.touch(0o600)
    file.write_text(yaml.safe_dump({**config, "contexts": [current], "clusters": [cluster], "users": [who]}))
    return str(file)

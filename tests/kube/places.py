"""How a test says that it runs on the cluster: as a person does, by variables."""


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

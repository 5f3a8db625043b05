"""In a notebook pod of Kubeflow nothing has to be configured: its account, its namespace and its image are found."""

import pytest

from tests.cluster import rights
from tests.kube import notebooks


@pytest.fixture
def lab(cluster, api, namespace):
    """A notebook pod, whose account has the rights of Kubeflow's ``default-editor`` and no more."""
    ref = notebooks.image(cluster)
    rights.have_kubeflow_roles(api)
    rights.account(api, namespace, "default-editor", role="kubeflow-edit")
    rights.await_right(api, namespace, "default-editor", "create", "batch", "jobs")
    notebooks.started(api, namespace, ref)
    return ref


def test_a_kernel_in_a_pod_starts_runs_without_configuration(lab, cluster, api, namespace):
    registry = cluster.registry_in_pods
    settings = f'[registries."{registry}"]\\ninsecure = true\\n'
    cells = notebooks.executed(
        api,
        namespace,
        f"import fairing, pathlib; pathlib.Path('fairing.toml').write_text('{settings}')",
        "def doubled(x):\n    import nbclient\n    print('from', nbclient.__name__)\n    return 2 * x",
        "fairing.train(doubled, (21,), target='cluster', builder='inline')",
        f"fairing.train(doubled, (4,), target='cluster', repository='{registry}/{namespace}/runs')",
        f"fairing.use(repository='{registry}/{namespace}/runs'); print(fairing.doctor('cluster'))",
        "print(str(fairing.jobs(target='cluster')[0].handle))",
    )
    inline, append, doctor, jobs = (notebooks.text(cell) for cell in cells[2:])
    for shown, value in ((inline, "42"), (append, "8")):
        assert "from nbclient\n" in shown and shown.endswith(value)
        assert f"stands on: {lab}, the image of this pod" in shown
    assert "travels: 1 file" in inline and "in a ConfigMap" in inline and "pushes nothing" in inline
    assert f"travels: inside an image, in {registry}/{namespace}/runs" in append
    assert f"system:serviceaccount:{namespace}:default-editor, in the namespace {namespace}" in doctor
    assert "you may create, watch, patch, delete jobs" in doctor and "NO  rights" not in doctor
    assert f"{lab} (linux/amd64, Python" in doctor
    assert f"job://in-cluster/{namespace}/job/doubled-" in jobs

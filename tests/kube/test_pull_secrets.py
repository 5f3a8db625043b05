"""A registry that wants a password: pushed to and pulled from with what the namespace has, or with what was said."""

import json
from base64 import b64encode

import pytest

import fairing
from fairing.errors import ConfigError, RegistryError
from fairing.kube.connection import connect
from tests.kube.test_job import objects


@pytest.fixture
def private(there, secure_registry, tmp_path, monkeypatch):
    """The registry that wants a password, for a person who has logged in nowhere; return what is pushed to."""
    for name in ("DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    rule(tmp_path, secure_registry)
    monkeypatch.setenv("FAIRING_REPOSITORY", f"{secure_registry.name}/{there}/runs")
    monkeypatch.setenv("FAIRING_BUILDER", "append")


def rule(folder, registry, *more):
    lines = (f'[registries."{registry.name}"]', f'ca = "{registry.authority}"', *more)
    (folder / "fairing.toml").write_text("\n".join(lines))


def secret(namespace, registry, name="regcred"):
    auth = b64encode(f"{registry.user}:{registry.password}".encode()).decode()
    held = json.dumps({"auths": {registry.name: {"auth": auth}, "other.test": {"auth": b64encode(b"a:b").decode()}}})
    data = {".dockerconfigjson": b64encode(held.encode()).decode()}
    body = {"metadata": {"name": name}, "type": "kubernetes.io/dockerconfigjson", "data": data}
    connect(namespace=namespace).post(f"/api/v1/namespaces/{namespace}/secrets", body)


def pulled_with(namespace):
    return [[each["name"] for each in pod["spec"].get("imagePullSecrets", ())] for pod in objects(namespace, "pods")]


def test_a_pull_secret_of_the_namespace_is_enough_to_push_and_to_pull(
    private, there, secure_registry, default_editor, monkeypatch, capfd
):
    monkeypatch.setenv("KUBECONFIG", default_editor)
    monkeypatch.delenv("FAIRING_CONTEXT")
    secret(there, secure_registry)
    assert fairing.train(pow, (2, 5)) == 32
    assert "its image is pulled with the Secret 'regcred' of the namespace" in capfd.readouterr().err
    assert pulled_with(there) == [["regcred"]]
    (found,) = (each.found for each in fairing.doctor() if each.name == "pull" and "5443" in each.found)
    assert found == f"pods pull from {secure_registry.name} with the Secret 'regcred'"
    (pod,) = objects(there, "pods")
    image = pod["spec"]["containers"][0]["image"]
    assert fairing.train(pow, (2, 6), builder="inline", image=image) == 64


def test_where_the_account_of_the_pods_has_the_secret_they_need_not_name_it(private, there, secure_registry):
    secret(there, secure_registry)
    reached = connect(namespace=there)
    account = f"/api/v1/namespaces/{there}/serviceaccounts/default"
    reached.patch(account, {"imagePullSecrets": [{"name": "regcred"}]})
    assert fairing.train(pow, (2, 5)) == 32
    assert pulled_with(there) == [["regcred"]]  # put there by Kubernetes


def test_who_has_no_credentials_is_told_before_anything_is_made(private, there):
    with pytest.raises(RegistryError, match=r"wants to know who you are.*docker login"):
        fairing.train(pow, (2, 5))
    assert objects(there, "jobs", "pods", "secrets") == []


def test_a_login_of_the_settings_is_a_name_and_a_variable_and_no_password(
    private, there, secure_registry, tmp_path, monkeypatch
):
    secret(there, secure_registry, "team")
    rule(tmp_path, secure_registry, 'username = "fairing"', 'password_env = "MY_PASSWORD"')
    with pytest.raises(ConfigError, match=r"is to be in the variable MY_PASSWORD, which is not set.*os\.environ"):
        fairing.train(pow, (2, 5))
    monkeypatch.setenv("MY_PASSWORD", secure_registry.password)
    assert fairing.train(pow, (2, 5), pull_secrets=["team"]) == 32
    assert pulled_with(there) == [["team"]]
    rule(tmp_path, secure_registry, 'password = "fairing"')
    with pytest.raises(ConfigError, match=r"No password is read from a file .*line 3.*password_env") as refused:
        fairing.train(pow, (2, 5))
    assert '"fairing"' not in str(refused.value)

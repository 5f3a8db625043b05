"""How the cluster that is meant is found."""

import kubernetes.config  # noqa: F401 (it reads KUBECONFIG, once, when it is imported)
import pytest

from fairing.errors import ConfigError
from fairing.kube.connection import connect


def test_a_kubeconfig_that_is_named_later_than_the_client_was_imported_is_used(tmp_path, monkeypatch):
    file = tmp_path / "config"
    file.write_text(
        "{apiVersion: v1, kind: Config, current-context: mine, users: [{name: me, user: {token: t}}],"
        " clusters: [{name: there, cluster: {server: 'https://127.0.0.1:1'}}],"
        " contexts: [{name: mine, context: {cluster: there, user: me, namespace: team}}]}"
    )
    monkeypatch.setenv("KUBECONFIG", str(file))
    found = connect()
    assert (found.context, found.namespace) == ("mine", "team")
    with pytest.raises(ConfigError, match="It has: mine"):
        connect("theirs")


def test_a_context_that_is_named_needs_no_current_one(tmp_path, monkeypatch):
    """As where several kubeconfigs are merged, or the current context was deleted."""
    for current in ("", "current-context: deleted,"):
        file = tmp_path / "config"
        file.write_text(
            f"{{apiVersion: v1, kind: Config, {current} users: [{{name: me, user: {{token: t}}}}],"
            " clusters: [{name: there, cluster: {server: 'https://127.0.0.1:1'}}],"
            " contexts: [{name: mine, context: {cluster: there, user: me, namespace: team}}]}"
        )
        monkeypatch.setenv("KUBECONFIG", str(file))
        found = connect("mine")
        assert (found.context, found.namespace) == ("mine", "team")
        with pytest.raises(ConfigError, match=r"no (current context|context 'deleted')\. It has: mine\. Name one"):
            connect()


def test_a_file_that_is_no_kubeconfig_is_named(tmp_path, monkeypatch):
    other = tmp_path / "config"
    other.write_text("/somewhere/else.conf\n")
    monkeypatch.setenv("KUBECONFIG", str(other))
    with pytest.raises(ConfigError, match=r"config is not a kubeconfig\. Set KUBECONFIG"):
        connect()

"""Real registries on this machine: plain, with TLS, with passwords, with tokens; and what stands before them."""

from __future__ import annotations

import pytest

from tests.registry import servers


@pytest.fixture(scope="session")
def plain(tmp_path_factory):
    with servers.registry(tmp_path_factory.mktemp("plain")) as host:
        yield host


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return servers.certificates(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def nobody(monkeypatch, tmp_path):
    """A person who has logged in nowhere, behind no proxy."""
    for name in ("DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    return tmp_path


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Nothing was built by this person so far."""
    monkeypatch.setenv("FAIRING_HOME", str(tmp_path / "home"))

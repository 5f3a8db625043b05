import os

import pytest

import fairing


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """A project's folder to stand in, a person's own settings beside it, and nothing set in this process."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in tuple(os.environ):
        if name.startswith("FAIRING_") and name != "FAIRING_HOME":
            monkeypatch.delenv(name)
    fairing.use()
    yield folder
    fairing.use()


@pytest.fixture
def own(tmp_path):
    """Where the person's own settings are."""
    file = tmp_path / "config" / "fairing" / "config.toml"
    file.parent.mkdir(parents=True)
    return file

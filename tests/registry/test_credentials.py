from __future__ import annotations

import base64
import json
import os
import pickle

import pytest

from fairing.errors import RegistryError
from fairing.kube.pull_secrets import PullSecret
from fairing.oci.credentials import Credentials, find, within


def encoded(name, password):
    return base64.b64encode(f"{name}:{password}".encode()).decode()


@pytest.fixture
def home(tmp_path):
    (tmp_path / ".docker").mkdir()
    return tmp_path


def docker(home, document):
    (home / ".docker" / "config.json").write_text(json.dumps(document))


def looked(home, registry, repository="", **environ):
    return find(registry, repository, environ={"HOME": str(home), **environ})


def test_credentials_are_not_shown_and_not_pickled():
    who = Credentials("me", "marked-secret", "marked-token")
    assert "marked" not in repr(who) + str(who) + f"{[who]}"
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(who)


def test_what_is_given_comes_before_what_is_found(home):
    docker(home, {"auths": {"r.test": {"auth": encoded("stored", "x")}}})
    given = {"r.test": Credentials("given", "y")}
    assert find("r.test", given=given, environ={"HOME": str(home)}) == Credentials("given", "y")
    assert looked(home, "r.test") == Credentials("stored", "x")


def test_who_never_logged_in_is_nobody(home):
    assert looked(home, "r.test") is None


def test_docker_hubs_credentials_are_found_by_its_old_address(home):
    docker(home, {"auths": {"https://index.docker.io/v1/": {"auth": encoded("me", "hub")}}})
    assert looked(home, "docker.io") == Credentials("me", "hub")
    assert looked(home, "r.test") is None


def test_an_identity_token_is_taken_for_one(home):
    docker(home, {"auths": {"r.test": {"identitytoken": "refresh"}}})
    assert looked(home, "r.test").identity == "refresh"


@pytest.mark.parametrize("settings", [{"credsStore": "marked"}, {"credHelpers": {"r.test": "marked"}}])
def test_a_credential_helper_is_asked(home, settings, monkeypatch):
    helper = home / "docker-credential-marked"
    helper.write_text(
        '#!/bin/sh\nread asked\necho "{\\"Username\\": \\"me@$asked\\", \\"Secret\\": \\"from-helper\\"}"\n'
    )
    helper.chmod(0o755)
    docker(home, settings)
    path = f"{home}{os.pathsep}{os.environ['PATH']}"
    monkeypatch.setenv("PATH", path)
    assert looked(home, "r.test", PATH=path) == Credentials("me@r.test", "from-helper")


def test_a_missing_credential_helper_is_said_in_words(home):
    docker(home, {"credHelpers": {"r.test": "is-not-there"}})
    with pytest.raises(RegistryError, match="docker-credential-is-not-there is named there and is not installed"):
        looked(home, "r.test")


def test_a_broken_entry_is_said_without_what_is_in_it(home):
    docker(home, {"auths": {"r.test": {"auth": "marked-secret!"}}})
    with pytest.raises(RegistryError, match="cannot be read") as caught:
        looked(home, "r.test")
    assert "marked" not in str(caught.value)


def test_podmans_narrowest_entry_counts(home):
    file = home / "auth.json"
    entries = {"r.test": "wide", "r.test/team": "narrow", "r.test/team/one": "one", "other.test/team": "other"}
    file.write_text(json.dumps({"auths": {key: {"auth": encoded(name, "x")} for key, name in entries.items()}}))
    named = {"REGISTRY_AUTH_FILE": str(file)}
    assert looked(home, "r.test", "team/one", **named).username == "one"
    assert looked(home, "r.test", "team/two", **named).username == "narrow"
    assert looked(home, "r.test", "else", **named).username == "wide"
    assert looked(home, "other.test", "else", **named) is None


def test_podmans_login_is_found_where_podman_puts_it(home):
    file = home / "run" / "containers" / "auth.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"auths": {"r.test": {"auth": encoded("pod", "man")}}}))
    assert looked(home, "r.test", XDG_RUNTIME_DIR=str(home / "run")) == Credentials("pod", "man")


def test_nothing_is_written(home):
    docker(home, {"auths": {"r.test": {"auth": encoded("me", "x")}}})
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*")}
    looked(home, "r.test")
    assert {path: path.stat().st_mtime_ns for path in home.rglob("*")} == before


def test_what_kubernetes_keeps_is_read_as_kubernetes_reads_it_and_not_shown():
    auths = {
        "r.test": {"username": "me", "password": "marked-secret"},
        "https://index.docker.io/v1/": {"auth": encoded("hub", "marked-secret")},
        "r.test/team": {"auth": encoded("team", "marked-secret")},
    }
    assert within(auths, "r.test") == Credentials("me", "marked-secret")
    assert within(auths, "r.test", "team/runs") == Credentials("team", "marked-secret")
    assert within(auths, "docker.io") == Credentials("hub", "marked-secret")
    assert within(auths, "other.test") is None
    assert within({"r.test": {"auth": "broken"}}, "r.test") is None
    secret = PullSecret("regcred", auths)
    assert "marked" not in repr(secret)
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(secret)


def test_what_is_known_beside_this_machine_is_asked_last(home):
    def beside(registry, repository):
        return Credentials("beside", f"{registry}/{repository}")

    docker(home, {"auths": {"r.test": {"auth": encoded("stored", "x")}}})
    environ = {"HOME": str(home)}
    assert find("r.test", environ=environ, beside=beside) == Credentials("stored", "x")
    assert find("s.test", "team", environ=environ, beside=beside) == Credentials("beside", "s.test/team")

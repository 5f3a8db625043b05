"""What a run pushes by the standard library alone is an artifact that the registry's own client reads and deletes."""

import base64
import json

import pytest

from fairing.artifacts import registry as reader
from fairing.runtime import registry, upload
from tests.registry import servers

pytestmark = pytest.mark.usefixtures("nobody", "home")


def config(host, who="me:secret"):
    return json.dumps({"auths": {f"https://{host}/v2/": {"auth": base64.b64encode(who.encode()).decode()}}})


def store_of(host):
    place = {"url": f"oci://{host}/team/runs", "run": "train-1", "role": "worker", "count": 2}
    return {**place, "insecure": True, "ca": ""}


def test_things_that_are_put_one_after_another_are_all_there_until_they_are_removed(plain, tmp_path):
    store = store_of(plain)
    for number, text in enumerate((b"first", b"second", b"second")):
        (tmp_path / "file").write_bytes(text)
        upload.put(store, f"worker-{number % 2}", [(str(tmp_path / "file"), f"spool/{number}")])
    assert reader.names(store) == {"spool/0": 5, "spool/1": 6, "spool/2": 6}
    assert b"".join(reader.read(store, "spool/2")) == b"second"
    reader.remove(store)
    assert reader.names(store) == {}
    reader.remove(store)


def test_a_registry_that_gives_tokens_is_pushed_to_with_what_the_pod_has(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"kept")
    with servers.with_tokens(tmp_path) as (host, tokens):
        monkeypatch.setenv("DOCKER_AUTH_CONFIG", config(host))
        registry.push(f"{host}/team/runs", "train-1.worker-0", [(str(tmp_path / "file"), "a")], insecure=True, ca="")
        assert any("repository:team/runs:pull,push" in " ".join(asked["scope"]) for _, asked in tokens.asked)
        monkeypatch.setenv("DOCKER_AUTH_CONFIG", config(host, "me:marked-wrong"))
        with pytest.raises(OSError, match="401") as caught:
            registry.push(f"{host}/team/runs", "x", [(str(tmp_path / "file"), "a")], insecure=True, ca="")
        assert "marked" not in str(caught.value)

# ruff: noqa: N802, N815, SIM117, RUF043 - http.server's names; what is set up and what is expected; sentences
"""Who a registry is told that one is: passwords and tokens, asked for once and given to nobody else."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from fairing.errors import RegistryError
from fairing.oci.authorization import Authorization, challenges
from fairing.oci.blob import Blob
from fairing.oci.connection import Settings
from fairing.oci.credentials import Credentials
from fairing.oci.http import Answer, Request
from fairing.oci.reference import parse
from fairing.oci.registry import Registry
from fairing.oci.transfer import Transfer
from tests.registry import servers
from tests.registry.servers import MANIFEST

pytestmark = pytest.mark.usefixtures("nobody")
ME = Credentials("me", "secret")
HTPASSWD = "me:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n"


def test_name_and_password_are_told_to_a_registry_that_asks(tmp_path):
    (tmp_path / "htpasswd").write_text(HTPASSWD)
    auth = {"htpasswd": {"realm": "here", "path": str(tmp_path / "htpasswd")}}
    with servers.registry(tmp_path, auth=auth) as host:
        with Transfer(Settings(credentials={host: ME})) as transfer:
            servers.push(transfer, f"{host}/team/mine:1", b"mine")
            assert transfer.registry(host).tags("team/mine") == ["1"]
        with Transfer() as transfer, pytest.raises(RegistryError, match="wants to know who you are.*docker login"):
            transfer.registry(host).tags("team/mine")
        wrong = Settings(credentials={host: Credentials("me", "marked-wrong")})
        with Transfer(wrong) as transfer, pytest.raises(RegistryError, match="does not accept who you are") as caught:
            transfer.registry(host).tags("team/mine")
        assert "marked" not in str(caught.value) + repr(wrong)


@pytest.mark.parametrize("who", [ME, Credentials(identity="refresh")], ids=["password", "identity"])
def test_a_token_is_fetched_once_for_all_threads(tmp_path, who):
    with servers.with_tokens(tmp_path) as (host, tokens), Transfer(Settings(credentials={host: who})) as transfer:
        servers.push(transfer, f"{host}/team/tokens:1", b"one", b"two", b"three")
        assert transfer.registry(host).tags("team/tokens") == ["1"]
        # One for the looks, one for the uploads: no thread fetches what another has.
        kinds = [" ".join(asked["scope"]) for _, asked in tokens.asked]
        assert kinds == ["repository:team/tokens:pull", "repository:team/tokens:pull,push"]


def test_a_mount_asks_for_both_repositories(tmp_path):
    with servers.with_tokens(tmp_path) as (host, tokens), Transfer(Settings(credentials={host: ME})) as transfer:
        _, blobs, manifest = servers.push(transfer, f"{host}/team/a:1", b"shared")
        mounted = [replace(blob, sources=("team/a",), known=False) for blob in blobs]
        transfer.push(parse(f"{host}/team/b:1"), mounted, manifest, MANIFEST)
        assert any(
            {"repository:team/b:pull,push", "repository:team/a:pull"} <= set(each["scope"]) for _, each in tokens.asked
        )


def test_a_token_that_is_refused_in_the_middle_is_fetched_anew(tmp_path):
    with servers.with_tokens(tmp_path) as (host, tokens), servers.faulty(host) as proxy:
        proxy.challenge = f'Bearer realm="http://127.0.0.1:{tokens.server_port}/token",service="registry"'
        name = f"127.0.0.1:{proxy.server_port}"
        blob = Blob.of(os.urandom(2000))
        with closing(Registry(name, Settings(credentials={name: ME}, chunk=500))) as registry:
            registry.upload("team/first", Blob.of(b"x"))
            proxy.faults[:] = [None, None, None, None, "unauthorized"]
            registry.upload("team/middle", blob)
            assert "unauthorized" in proxy.made
            assert b"".join(registry.blob("team/middle", blob.digest, blob.size)) == blob.open(0)[0]


def test_a_token_server_that_refuses_is_named(tmp_path):
    wrong = Credentials("me", "marked-wrong")
    with servers.with_tokens(tmp_path) as (host, tokens), Transfer(Settings(credentials={host: wrong})) as transfer:
        with pytest.raises(RegistryError, match=f"127.0.0.1:{tokens.server_port} gives no token") as caught:
            servers.push(transfer, f"{host}/team/refused:1", b"x")
        assert "marked" not in str(caught.value)


class Store(servers.Quiet):
    """A registry's front that sends every reader of a blob on to a store elsewhere, as clouds do."""

    def do_GET(self):
        self.server.headers.append(dict(self.headers))
        if self.path.startswith("/v2/"):
            return self.answer(307, Location=self.server.to)
        return self.answer(200, self.server.content)

    def do_PUT(self):
        self.server.headers.append(dict(self.headers))
        self.rfile.read(int(self.headers["Content-Length"]))
        return self.answer(201 if self.command == "PUT" else 202, Location=self.path)

    do_PATCH = do_PUT


def test_credentials_do_not_follow_to_a_blob_store():
    content = b"far away"
    blob = Blob.of(content)
    with servers.serving(Store, headers=[], content=content) as store, servers.serving(Basic, headers=[]) as front:
        front.to = f"http://127.0.0.1:{store.server_port}/signed?key=x"
        host = f"127.0.0.1:{front.server_port}"
        with closing(Registry(host, Settings(credentials={host: ME}))) as registry:
            assert b"".join(registry.blob("team/x", blob.digest, blob.size)) == content
        assert "Authorization" in front.headers[-1]
        assert "Authorization" not in store.headers[-1]


def test_credentials_do_not_follow_an_upload_to_another_host():
    content = b"far away"
    with servers.serving(Store, headers=[]) as store, servers.serving(Basic, headers=[]) as front:
        front.to = f"http://127.0.0.1:{store.server_port}/upload?key=x"
        host = f"127.0.0.1:{front.server_port}"
        with closing(Registry(host, Settings(credentials={host: ME}, chunk=3))) as registry:
            registry.upload("team/x", Blob.of(content[:2]))
            registry.upload("team/x", Blob.of(content))
    assert len(store.headers) == 5  # a PUT; three times PATCH and a PUT
    assert "Authorization" in front.headers[-1]
    assert not [headers for headers in store.headers if "Authorization" in headers]


class Basic(Store):
    def do_GET(self):
        if "Authorization" not in self.headers:
            return self.answer(401, WWW_Authenticate='Basic realm="x"')
        return super().do_GET()

    def do_POST(self):
        if "Authorization" not in self.headers:
            return self.answer(401, WWW_Authenticate='Basic realm="x"')
        self.server.headers.append(dict(self.headers))
        return self.answer(202, Location=self.server.to)


@pytest.mark.parametrize("location", ["http://store.test/x", "ftp://store.test/x"])
def test_no_redirect_leads_out_of_what_may_be_plain(location):
    with servers.serving(Store, headers=[], to=location) as front:
        with (
            closing(Registry(f"127.0.0.1:{front.server_port}")) as registry,
            pytest.raises(RegistryError, match="sends on to"),
        ):
            list(registry.blob("team/x", Blob.of(b"x").digest))


class Challenge(servers.Quiet):
    def do_GET(self):
        self.answer(401, WWW_Authenticate=f'Bearer realm="{self.server.realm}",service="x"')


def test_a_password_is_not_sent_over_plain_http_elsewhere():
    with servers.serving(Challenge, realm="http://tokens.test/token") as front:
        host = f"127.0.0.1:{front.server_port}"
        with closing(Registry(host, Settings(credentials={host: ME}))) as registry:
            with pytest.raises(RegistryError, match="plain HTTP, and anybody on the way could read a password"):
                registry.tags("team/x")


def test_challenges_are_read_as_servers_write_them():
    bearer = 'Bearer realm="https://t/x?y=1",service=s,scope="repository:a/b:pull,push repository:c:pull"'
    assert challenges(f'Basic realm="a, b", {bearer}') == {
        "basic": {"realm": "a, b"},
        "bearer": {"realm": "https://t/x?y=1", "service": "s", "scope": "repository:a/b:pull,push repository:c:pull"},
    }
    assert challenges("Basic") == {"basic": {}}
    assert challenges("") == {}


def test_a_scope_is_asked_once_in_whatever_order_its_actions_are_written():
    asked = 'Bearer realm="https://t.test/",scope="repository:a:push,pull repository:b:pull"'
    flow = Authorization("r.test", lambda _: None, lambda: 0.0, lambda _: True).flow(
        Request("GET", "https://r.test/v2/a/tags/list"), ["repository:a:pull,push"]
    )
    first = next(flow)
    token = flow.send(Answer(401, {"WWW-Authenticate": asked}, first.url, None))
    assert parse_qs(urlsplit(token.url).query)["scope"] == ["repository:a:pull,push", "repository:b:pull"]
    flow.close()

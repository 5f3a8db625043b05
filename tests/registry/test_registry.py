# ruff: noqa: N802, SIM117, RUF043 - http.server's names; what is set up and what is expected; sentences
from __future__ import annotations

import gzip
import json
import os
import subprocess
import threading
from contextlib import closing
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from fairing.errors import ConfigError, RegistryError
from fairing.oci.authorization import Authorization, challenges
from fairing.oci.blob import Blob
from fairing.oci.connection import Clock, Settings, proxy_for
from fairing.oci.credentials import Credentials
from fairing.oci.http import Answer, Request
from fairing.oci.reference import Reference, parse
from fairing.oci.registry import DOCKER_MANIFEST, Registry
from fairing.oci.transfer import Transfer, choose
from tests.conftest import needs
from tests.registry import servers

pytestmark = pytest.mark.usefixtures("nobody")
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
ME = Credentials("me", "secret")
HTPASSWD = "me:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n"


def push(transfer, name, *contents, **config):
    blobs, manifest = servers.image(*contents, **config)
    target = parse(name)
    assert transfer.push(target, blobs, manifest, MANIFEST).startswith("sha256:")
    return target, blobs, manifest


def test_an_image_arrives_as_it_was_and_skopeo_agrees(plain, tmp_path):
    skopeo = needs("skopeo")
    with Transfer() as transfer:
        _, _, manifest = push(
            transfer, f"{plain}/team/whole:1", gzip.compress(b"one" * 1000), gzip.compress(os.urandom(3 << 20))
        )
    assert servers.stored(plain, "team/whole", "1") == manifest
    command = [skopeo, "copy", "--src-tls-verify=false", f"docker://{plain}/team/whole:1", f"oci:{tmp_path}/out:1"]
    subprocess.run(command, check=True, capture_output=True)
    index = json.loads((tmp_path / "out" / "index.json").read_bytes())
    assert (tmp_path / "out/blobs/sha256" / index["manifests"][0]["digest"][7:]).read_bytes() == manifest


def test_a_new_layer_on_a_known_base_takes_five_requests(plain):
    with servers.faulty(plain) as proxy, Transfer() as transfer:
        name = f"127.0.0.1:{proxy.server_port}/team/loop"
        _, blobs, _ = push(transfer, f"{name}:1", b"base", b"code 1")
        after, manifest = servers.image(b"base", b"code 2")
        believed = [replace(blob, known=blob.digest == blobs[0].digest) for blob in after]
        proxy.seen.clear()
        transfer.push(parse(f"{name}:2"), believed, manifest, MANIFEST)
        assert sorted(command for command, _ in proxy.seen) == ["POST", "POST", "PUT", "PUT", "PUT"]
    assert servers.stored(plain, "team/loop", "2") == manifest


def test_nothing_but_the_manifest_moves_when_all_is_known(plain):
    with servers.faulty(plain) as proxy, Transfer() as transfer:
        target, blobs, manifest = push(transfer, f"127.0.0.1:{proxy.server_port}/team/same:1", b"base")
        proxy.seen.clear()
        transfer.push(target, [replace(blob, known=True) for blob in blobs], manifest, MANIFEST)
        assert [command for command, _ in proxy.seen] == ["PUT"]


def test_a_layer_wrongly_believed_to_be_there_is_sent_after_all(plain):
    blobs, manifest = servers.image(b"was collected as garbage")
    with Transfer() as transfer:
        transfer.push(parse(f"{plain}/team/garbage:1"), [replace(b, known=True) for b in blobs], manifest, MANIFEST)
    assert servers.stored(plain, "team/garbage", "1") == manifest


def test_a_layer_of_another_repository_is_mounted_and_not_sent(plain):
    blobs, manifest = servers.image(b"mounted" * 100)
    with servers.faulty(plain) as proxy, Transfer() as transfer:
        transfer.push(parse(f"{plain}/team/from:1"), blobs, manifest, MANIFEST)
        mounted = [replace(blob, sources=("team/absent", "team/from")) for blob in blobs]
        transfer.push(parse(f"127.0.0.1:{proxy.server_port}/team/to:1"), mounted, manifest, MANIFEST)
        assert [path for command, path in proxy.seen if command == "PUT"] == ["/v2/team/to/manifests/1"]
    assert servers.stored(plain, "team/to", "1") == manifest


def test_a_large_layer_goes_in_parts(plain):
    content = os.urandom(2_500_000)
    with servers.faulty(plain) as proxy, Transfer(Settings(chunk=1_000_000)) as transfer:
        _, _, manifest = push(transfer, f"127.0.0.1:{proxy.server_port}/team/parts:1", content)
        assert [command for command, _ in proxy.seen].count("PATCH") == 3
    assert servers.stored(plain, "team/parts", "1") == manifest


@pytest.mark.parametrize("fault", ["silence", "416", "503", "429"])
def test_a_part_that_is_lost_is_sent_again_and_no_other(plain, fault):
    content = os.urandom(2_500_000)
    with servers.faulty(plain) as proxy, closing(Registry(f"127.0.0.1:{proxy.server_port}", Settings(chunk=1_000_000),
                                                          Clock(wait=lambda *_: None))) as registry:  # fmt: skip
        blob = Blob.of(content)
        proxy.faults[:] = [None, None, fault]  # POST, the first part, the second
        registry.upload("team/resumed", blob)
        assert [command for command, _ in proxy.seen] == ["POST", "PATCH", "PATCH", "GET", "PATCH", "PATCH", "PUT"]
        assert b"".join(registry.blob("team/resumed", blob.digest, blob.size)) == content


def test_a_download_goes_on_where_it_broke(plain):
    content = os.urandom(3_000_000)
    with servers.faulty(plain) as proxy:
        name = f"127.0.0.1:{proxy.server_port}"
        with closing(Registry(name, clock=Clock(wait=lambda *_: None))) as registry:
            blob = Blob.of(content)
            registry.upload("team/down", blob)
            proxy.faults[:] = ["cut answer"]
            assert b"".join(registry.blob("team/down", blob.digest, blob.size)) == content
            assert proxy.made[-2:] == ["cut answer", None]


def test_altered_bytes_are_never_given_whole(plain):
    with servers.faulty(plain) as proxy, closing(Registry(f"127.0.0.1:{proxy.server_port}")) as registry:
        blob = Blob.of(b"what was stored")
        registry.upload("team/altered", blob)
        proxy.faults[:] = ["flipped answer"]
        given = []
        with pytest.raises(RegistryError, match="its digest or its length is another"):
            given += registry.blob("team/altered", blob.digest, blob.size)
        assert given == []


def test_the_registry_says_how_long_to_wait(plain):
    waited = []
    with servers.faulty(plain) as proxy:
        clock = Clock(wait=lambda seconds, closed: waited.append(seconds))
        with closing(Registry(f"127.0.0.1:{proxy.server_port}", clock=clock)) as registry:
            proxy.faults[:] = ["429", "503", "503"]
            assert not registry.has_manifest("team/absent", "1")
    assert waited == [7.0, 1.0, 2.0]


def test_a_wait_beyond_all_patience_is_told_instead(plain):
    with servers.faulty(plain) as proxy:
        settings = Settings(patience=5)
        with closing(Registry(f"127.0.0.1:{proxy.server_port}", settings)) as registry:
            proxy.faults[:] = ["429"]
            with pytest.raises(RegistryError, match="asks to wait 7"):
                registry.tags("team/absent")


def test_all_tags_are_read_page_by_page(plain):
    with Transfer() as transfer:
        blobs, manifest = servers.image(b"tagged")
        for number in range(3):
            transfer.push(Reference(plain, "team/tagged", f"t{number}"), blobs, manifest, MANIFEST)
        assert transfer.registry(plain).tags("team/tagged") == ["t0", "t1", "t2"]
        with pytest.raises(RegistryError, match="It is not there, or you may not see it"):
            transfer.registry(plain).tags("team/nothing")


def test_an_image_that_is_not_there_is_said_in_words(plain):
    with Transfer() as transfer, pytest.raises(RegistryError) as caught:
        transfer.pull(parse(f"{plain}/team/none:9"), "linux/amd64")
    assert f"The image {plain}/team/none:9 cannot be read. It is not there" in str(caught.value)


def two_platforms(transfer, name):
    entries = []
    for machine in ("arm64", "amd64"):
        target, _, manifest = push(transfer, f"{name}:{machine}", machine.encode() * 9, architecture=machine)
        digest = transfer.registry(target.registry).manifest(target.repository, machine).digest
        platform = {"os": "linux", "architecture": machine}
        entries.append({"mediaType": MANIFEST, "digest": digest, "size": len(manifest), "platform": platform})
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()
    transfer.push(parse(f"{name}:both"), [], index, INDEX)
    return entries, index


def test_a_platform_is_chosen_from_an_index_and_another_is_refused(plain):
    with Transfer() as transfer:
        entries, _ = two_platforms(transfer, f"{plain}/team/platforms")
        for entry, platform in zip(entries, ("linux/arm64/v8", "linux/amd64"), strict=True):
            base = transfer.pull(parse(f"{plain}/team/platforms:both"), platform)
            assert base.reference.digest == base.manifest.digest == entry["digest"]
            assert json.loads(base.config)["architecture"] == entry["platform"]["architecture"]
        with pytest.raises(RegistryError, match="not made for linux/s390x. It is made for linux/arm64, linux/amd64"):
            transfer.pull(parse(f"{plain}/team/platforms:both"), "linux/s390x")
        with pytest.raises(RegistryError, match="not made for linux/amd64. It is made for linux/arm64"):
            transfer.pull(parse(f"{plain}/team/platforms:arm64"), "linux/amd64")


def test_an_index_is_streamed_to_another_registry_byte_for_byte(plain, tmp_path):
    with servers.registry(tmp_path) as other, Transfer() as transfer:
        entries, index = two_platforms(transfer, f"{plain}/team/stream")
        transfer.copy(parse(f"{plain}/team/stream:both"), parse(f"{other}/else/where:both"))
        assert transfer.registry(other).manifest("else/where", "both").data == index
        for entry in entries:
            assert servers.stored(other, "else/where", entry["digest"])


def test_dockers_media_types_are_kept(plain):
    blobs, manifest = servers.image(b"docker's")
    document = json.loads(manifest)
    document["mediaType"] = DOCKER_MANIFEST
    document["config"]["mediaType"] = "application/vnd.docker.container.image.v1+json"
    document["layers"][0]["mediaType"] = "application/vnd.docker.image.rootfs.diff.tar.gzip"
    data = json.dumps(document).encode()
    with Transfer() as transfer:
        transfer.push(parse(f"{plain}/team/docker:1"), blobs, data, DOCKER_MANIFEST)
        base = transfer.pull(parse(f"{plain}/team/docker:1"), "linux/amd64")
    assert (base.manifest.media_type, base.manifest.data) == (DOCKER_MANIFEST, data)


def test_name_and_password_are_told_to_a_registry_that_asks(tmp_path):
    (tmp_path / "htpasswd").write_text(HTPASSWD)
    auth = {"htpasswd": {"realm": "here", "path": str(tmp_path / "htpasswd")}}
    with servers.registry(tmp_path, auth=auth) as host:
        with Transfer(Settings(credentials={host: ME})) as transfer:
            push(transfer, f"{host}/team/mine:1", b"mine")
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
        push(transfer, f"{host}/team/tokens:1", b"one", b"two", b"three")
        assert transfer.registry(host).tags("team/tokens") == ["1"]
        # One for the looks, one for the uploads: no thread fetches what another has.
        kinds = [" ".join(asked["scope"]) for _, asked in tokens.asked]
        assert kinds == ["repository:team/tokens:pull", "repository:team/tokens:pull,push"]


def test_a_mount_asks_for_both_repositories(tmp_path):
    with servers.with_tokens(tmp_path) as (host, tokens), Transfer(Settings(credentials={host: ME})) as transfer:
        _, blobs, manifest = push(transfer, f"{host}/team/a:1", b"shared")
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
            push(transfer, f"{host}/team/refused:1", b"x")
        assert "marked" not in str(caught.value)


def test_a_registry_with_its_own_authority_is_trusted_when_that_is_named(authority, tmp_path):
    with (
        servers.registry(tmp_path, tls=authority) as host,
        servers.serving(servers.Tunnel, to=port(host), asked=[]) as tunnel,
    ):
        name, proxy = "registry.test", f"http://127.0.0.1:{tunnel.server_port}"
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HTTPS_PROXY", proxy)
            with Transfer(Settings(ca=str(authority / "ca.pem"))) as transfer:
                push(transfer, f"{name}/team/secure:1", b"secure" * 50_000)
                assert transfer.registry(name).tags("team/secure") == ["1"]
            with (
                Transfer() as transfer,
                pytest.raises(RegistryError, match="certificate of registry.test is not trusted"),
            ):
                transfer.registry(name).tags("team/secure")
        assert set(tunnel.asked) == {"registry.test:443"}


def port(host):
    return int(host.partition(":")[2])


def test_proxies_are_as_the_environment_says(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test:3128")
    monkeypatch.setenv("NO_PROXY", "corp.test,10.0.0.0/8")
    assert proxy_for("https://ghcr.io/v2/") == "http://proxy.test:3128"
    assert proxy_for("http://ghcr.io/v2/") is None
    passed = ("r.corp.test", "r.corp.test:5000", "10.1.2.3:5000", "localhost:5000", "127.0.0.1")
    assert [proxy_for(f"https://{host}/v2/") for host in passed] == [None] * len(passed)


class Store(servers.Quiet):
    """A registry's front that sends every reader of a blob on to a store elsewhere, as clouds do."""

    def do_GET(self):
        self.server.headers.append(dict(self.headers))
        if self.path.startswith("/v2/"):
            return self.answer(307, Location=self.server.to)
        return self.answer(200, self.server.content)


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


class Basic(Store):
    def do_GET(self):
        if "Authorization" not in self.headers:
            return self.answer(401, WWW_Authenticate='Basic realm="x"')
        return super().do_GET()


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


def test_a_host_that_speaks_no_https_is_said_in_words(plain, monkeypatch):
    with servers.serving(servers.Tunnel, to=port(plain), asked=[]) as tunnel:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{tunnel.server_port}")
        with closing(Registry("registry.test", clock=Clock(wait=lambda *_: None))) as registry:
            with pytest.raises(RegistryError, match="does not speak HTTPS. If it is to be spoken to over plain HTTP"):
                registry.tags("team/x")


def test_a_host_where_nothing_listens_is_said_in_words():
    waited = []
    clock = Clock(wait=lambda seconds, closed: waited.append(seconds))
    with closing(Registry(f"127.0.0.1:{servers.free_port()}", clock=clock)) as registry:
        with pytest.raises(RegistryError, match="refuses connections. Check that it runs"):
            registry.tags("team/x")
    assert waited == [0.5, 1.0, 2.0, 4.0]


def test_a_layer_that_is_shorter_than_it_says_is_refused(plain):
    blob = replace(Blob.of(b"0123456789"), open=lambda offset: [b"01234"[offset:]])
    with closing(Registry(plain)) as registry, pytest.raises(RegistryError, match="5 bytes shorter than it should be"):
        registry.upload("team/short", blob)


def test_what_is_no_digest_is_asked_of_nobody(plain):
    with closing(Registry(plain)) as registry, pytest.raises(ConfigError, match="is not a digest"):
        registry.has_blob("team/x", "sha256:../../x")


class Silent(servers.Quiet):
    def do_HEAD(self):
        self.server.reached.set()
        self.server.let_go.wait(60)


def test_closing_ends_what_waits_for_a_silent_registry_and_leaves_no_thread():
    blobs, manifest = servers.image(b"x")
    before = set(threading.enumerate())
    with servers.serving(Silent, reached=threading.Event(), let_go=threading.Event()) as silent:
        transfer = Transfer()
        failed = []

        def work():
            try:
                transfer.push(parse(f"127.0.0.1:{silent.server_port}/team/x:1"), blobs, manifest, MANIFEST)
            except RegistryError as wrong:
                failed.append(str(wrong))

        thread = threading.Thread(target=work)
        thread.start()
        assert silent.reached.wait(30)
        transfer.close()
        thread.join(30)
        silent.let_go.set()
    assert "was stopped" in failed[0]
    assert not [each for each in set(threading.enumerate()) - before if each.name.startswith("fairing-transfer")]


def test_an_index_without_platforms_says_so():
    from fairing.oci.registry import Document

    data = json.dumps({"schemaVersion": 2, "manifests": [{"digest": "x"}]}).encode()
    with pytest.raises(RegistryError, match="no platform that it names"):
        choose(Document(INDEX, data, "x"), "linux/amd64", "name")


def test_a_scope_is_asked_once_in_whatever_order_its_actions_are_written():
    asked = 'Bearer realm="https://t.test/",scope="repository:a:push,pull repository:b:pull"'
    flow = Authorization("r.test", lambda _: None, lambda: 0.0, lambda _: True).flow(
        Request("GET", "https://r.test/v2/a/tags/list"), ["repository:a:pull,push"]
    )
    first = next(flow)
    token = flow.send(Answer(401, {"WWW-Authenticate": asked}, first.url, None))
    assert parse_qs(urlsplit(token.url).query)["scope"] == ["repository:a:pull,push", "repository:b:pull"]
    flow.close()

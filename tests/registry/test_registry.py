# ruff: noqa: N802, SIM117, RUF043 - http.server's names; what is set up and what is expected; sentences
"""Images that go to registries and come from them, over connections that may fail."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import threading
from contextlib import closing
from dataclasses import replace

import pytest

from fairing.errors import ConfigError, RegistryError
from fairing.network import proxy_for
from fairing.oci.blob import Blob
from fairing.oci.connection import Clock, Settings
from fairing.oci.http import Answer, retry_after
from fairing.oci.reference import Reference, parse
from fairing.oci.registry import DOCKER_MANIFEST, Registry
from fairing.oci.transfer import Transfer, choose
from tests.conftest import needs
from tests.registry import servers
from tests.registry.servers import MANIFEST

pytestmark = pytest.mark.usefixtures("nobody")
INDEX = "application/vnd.oci.image.index.v1+json"


def test_an_image_arrives_as_it_was_and_skopeo_agrees(plain, tmp_path):
    skopeo = needs("skopeo")
    with Transfer() as transfer:
        _, _, manifest = servers.push(
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
        _, blobs, _ = servers.push(transfer, f"{name}:1", b"base", b"code 1")
        after, manifest = servers.image(b"base", b"code 2")
        believed = [replace(blob, known=blob.digest == blobs[0].digest) for blob in after]
        proxy.seen.clear()
        transfer.push(parse(f"{name}:2"), believed, manifest, MANIFEST)
        assert sorted(command for command, _ in proxy.seen) == ["POST", "POST", "PUT", "PUT", "PUT"]
    assert servers.stored(plain, "team/loop", "2") == manifest


def test_nothing_but_the_manifest_moves_when_all_is_known(plain):
    with servers.faulty(plain) as proxy, Transfer() as transfer:
        target, blobs, manifest = servers.push(transfer, f"127.0.0.1:{proxy.server_port}/team/same:1", b"base")
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
        _, _, manifest = servers.push(transfer, f"127.0.0.1:{proxy.server_port}/team/parts:1", content)
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


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("7", (7, 7)),
        ("0", (0, 0)),
        ("1.5", (1.5, 1.5)),
        ("9" * 400, (1e9, 1e9)),
        ("Fri, 31 Dec 2100 23:59:59 GMT", (1e9, 1e10)),
        ("Wed, 21 Oct 2015 07:28:00 GMT", (0, 0)),
        ("1e999", None),
        ("-1", None),
        ("soon", None),
        ("", None),
    ],
)
def test_how_long_to_wait_is_said_in_seconds_or_as_a_date(said, seconds):
    waits = retry_after(Answer(429, {"Retry-After": said}, "https://r.test", None))
    assert waits is None if seconds is None else seconds[0] <= waits <= seconds[1]


@pytest.mark.parametrize("relative", [True, False])
def test_uploads_go_where_a_registry_says_by_a_path_or_by_a_whole_address(tmp_path, relative):
    content = os.urandom(2500)
    with servers.registry(tmp_path, relative=relative) as host, servers.faulty(host) as proxy:
        name = f"127.0.0.1:{proxy.server_port}"
        with Transfer(Settings(chunk=1000)) as transfer:
            _, _, manifest = servers.push(transfer, f"{name}/team/parts:1", content, b"short")
        begun = [where for where in proxy.told if where]
        assert len(begun) >= 3
        assert all(where.startswith("/v2/" if relative else "http://") for where in begun)
        assert servers.stored(host, "team/parts", "1") == manifest


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
        target, _, manifest = servers.push(transfer, f"{name}:{machine}", machine.encode() * 9, architecture=machine)
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


def test_a_registry_with_its_own_authority_is_trusted_when_that_is_named(authority, tmp_path):
    with (
        servers.registry(tmp_path, tls=authority) as host,
        servers.serving(servers.Tunnel, to=port(host), asked=[]) as tunnel,
    ):
        name, proxy = "registry.test", f"http://127.0.0.1:{tunnel.server_port}"
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HTTPS_PROXY", proxy)
            with Transfer(Settings(ca=str(authority / "ca.pem"))) as transfer:
                servers.push(transfer, f"{name}/team/secure:1", b"secure" * 50_000)
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

"""What is sent for an image, and what is not: nothing goes twice, and nothing is asked twice."""

import base64
import hashlib
import json
import os
import random
import threading
import time
from dataclasses import replace

import pytest

from fairing import plugins, state
from fairing.errors import RegistryError
from fairing.oci import known, layout, transfer
from fairing.oci.blob import Blob
from fairing.oci.connection import Connection
from fairing.oci.reference import parse
from fairing.oci.transfer import Transfer
from fairing.spec import File
from tests.registry import bases, servers
from tests.registry.pushes import asked, build, read, recipe, to

pytestmark = pytest.mark.usefixtures("nobody", "home")
FAULTS = [*[None] * 4, "silence", "flipped request", "lost answer", "cut request"]


@pytest.fixture
def watched(plain):
    """A registry whose requests are counted, with an image in it that was built just now."""
    with servers.faulty(plain) as proxy:
        base = bases.push(f"{plain}/python:any")
        host = f"127.0.0.1:{proxy.server_port}"
        target = to(f"{host}/watched/{os.urandom(4).hex()}")
        build(recipe(base), target)
        proxy.seen.clear()
        yield proxy, target, base


def test_for_a_changed_cell_a_layer_a_configuration_and_a_manifest_are_sent(watched):
    proxy, target, base = watched
    for number in range(3):
        image = build(recipe(base, f"print({number})\n".encode()), target)
        assert asked(proxy) == ["POST", "POST", "PUT", "PUT", "PUT"]
        read(image.ref)
        proxy.seen.clear()


def test_nothing_is_asked_when_nothing_changed(watched):
    proxy, target, base = watched
    first = build(recipe(base), target)
    second = build(recipe(base), target)
    assert first == second
    assert asked(proxy) == []


def test_a_base_is_pinned_and_not_asked_for_again(plain, tmp_path):
    with servers.faulty(plain) as proxy:
        base = f"127.0.0.1:{proxy.server_port}/moving:1"
        bases.push(f"{plain}/moving:1")
        first = build(recipe(base), to(f"{plain}/team/moving"))
        bases.push(f"{plain}/moving:1", layers=(bases.ETC, bases.layer(("new", b"er"))))
        proxy.seen.clear()
        second = build(recipe(base, b"print(2)\n"), to(f"{plain}/team/moving"))
        assert proxy.seen == []
    assert len(read(first.ref)[0]["layers"]) == len(read(second.ref)[0]["layers"]) == 4


def test_a_base_of_the_same_registry_is_mounted_and_never_read(plain):
    big = bases.layer(("big", os.urandom(1 << 20)))
    bases.push(f"{plain}/near:1", layers=(big,))
    with servers.faulty(plain) as proxy:
        host = f"127.0.0.1:{proxy.server_port}"
        build(recipe(f"{host}/near:1"), to(f"{host}/team/near"))
        digest = f"sha256:{hashlib.sha256(big).hexdigest()}"
        moved = [
            (command, path) for command, path in proxy.seen if digest in path or digest.replace(":", "%3A") in path
        ]
    assert [command for command, _ in moved] == ["HEAD", "POST"]
    assert "mount=" in moved[1][1]


def test_a_base_of_another_registry_is_streamed_and_never_on_the_disk(plain, tmp_path):
    big = bases.layer(("big", os.urandom(1 << 20)))
    base = bases.push(f"{plain}/far:1", layers=(big,))
    (tmp_path / "other").mkdir()
    with servers.registry(tmp_path / "other") as other:
        image = build(recipe(base), to(f"{other}/team/far"))
        manifest, _ = read(image.ref)
    assert manifest["layers"][0]["digest"] == f"sha256:{hashlib.sha256(big).hexdigest()}"
    assert not layout.blob(state.store(), manifest["layers"][0]["digest"]).exists()


def test_a_registry_that_lost_its_blobs_gets_them_again(plain, tmp_path):
    base = bases.push(f"{plain}/python:any")
    port = servers.free_port()
    for number in range(2):
        (tmp_path / str(number)).mkdir()
        with servers.registry(tmp_path / str(number), port=port) as host:
            image = build(recipe(base, f"print({number})\n".encode()), to(f"{host}/team/lost"))
            read(image.ref)


def test_an_image_that_is_gone_is_pushed_again_after_a_while_or_when_somebody_says_so(plain, tmp_path):
    base = bases.push(f"{plain}/python:any")
    port = servers.free_port()
    target = to(f"127.0.0.1:{port}/team/gone")
    ref = ""
    for number in range(3):
        (tmp_path / str(number)).mkdir()
        with servers.registry(tmp_path / str(number), port=port):
            if number == 1:
                mark = known._mark(parse(ref), parse(ref).digest)
                then = time.time() - known.BELIEVED - 1
                os.utime(mark, (then, then))
            if number == 2:
                known.forget(ref)
            ref = build(recipe(base), target).ref
            read(ref)


def test_what_another_machine_pushed_is_not_sent_again(watched, tmp_path, monkeypatch):
    proxy, target, base = watched
    monkeypatch.setenv("FAIRING_HOME", str(tmp_path / "another"))
    build(recipe(base, b"print('of another')\n"), target)
    sent = [path for command, path in proxy.seen if command == "PUT" and "/blobs/" in path]
    assert len(sent) == 2  # the code and the configuration


def test_a_large_file_has_a_layer_of_its_own_which_is_sent_once(watched):
    proxy, target, base = watched
    big = File("data/big.bin", os.urandom(9 << 20))
    build(recipe(base, files=(big,)), target)
    proxy.seen.clear()
    image = build(recipe(base, b"print(2)\n", files=(big,)), target)
    assert asked(proxy) == ["POST", "POST", "PUT", "PUT", "PUT"]
    assert [layer.kind for layer in image.layers] == ["dependencies", "fairing", "files", "code"]


def test_pruning_keeps_what_an_image_in_a_registry_is_made_of(plain):
    from fairing.api import storage

    base = bases.push(f"{plain}/python:any")
    image = build(recipe(base), to(f"{plain}/team/pruned"))
    storage.prune(0, 0)
    assert all(layout.has(state.store(), layer.digest, layer.size) for layer in image.layers)
    then = time.time() - 8 * storage.DAY
    for mark in (state.store() / "pushed").glob("*/*"):
        os.utime(mark, (then, then))
    for pin in (state.store() / "bases").iterdir():
        os.utime(pin, (then, then))
    storage.prune(0)
    folders = [state.store() / name for name in ("pushed", "bases", "blobs/sha256", "trees")]
    assert [path for folder in folders for path in folder.rglob("*") if path.is_file()] == []


def test_whoever_waits_for_a_push_is_told_how_far_it_is(plain):
    told, heard = [], threading.Event()
    content = os.urandom(3 << 20)

    def watch(read):
        told.append(read)
        if read:
            heard.set()

    def slow(offset):
        yield content[offset : 1 << 20]
        assert heard.wait(60)
        yield content[1 << 20 :]

    blobs, manifest, kind = bases.image(layers=())
    blobs.append(replace(Blob.of(content), open=slow))
    with Transfer() as transfer:
        transfer.push(parse(f"{plain}/team/slow:1"), blobs, manifest, kind, watch)
    assert told[-1] in range(1 << 20, 2 << 20)


def test_what_was_told_of_a_push_that_failed_is_not_believed(plain):
    """Through faults of every kind: an error, and then the right image; or the right image at once."""
    base = bases.push(f"{plain}/python:any")
    chance = random.Random(11)
    failed = 0
    for number in range(24):
        with servers.faulty(plain) as proxy:
            target = to(f"127.0.0.1:{proxy.server_port}/team/faults{number}")
            made = recipe(base, f"print({number})\n".encode())
            build(made, to(f"{plain}/team/elsewhere"))  # what takes time is there
            plugins.builder("append").check(made, target)
            proxy.faults[:] = chance.choices(FAULTS, k=40)
            try:
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(Connection, "pause", lambda self, attempt, wrong: self.check_open())
                    image = build(made, target)
            except RegistryError:
                failed += 1
                proxy.faults.clear()
                image = build(made, target)
            read(f"{plain}/team/faults{number}@{image.digest}")
    assert 0 < failed < 24, failed


def test_who_one_is_is_asked_once_for_pushes_that_follow_each_other(plain, tmp_path, monkeypatch):
    base = bases.push(f"{plain}/python:any")
    (tmp_path / "docker").mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    with servers.with_tokens(tmp_path) as (host, tokens):
        auth = {"auths": {host: {"auth": base64.b64encode(b"me:secret").decode()}}}
        (tmp_path / "docker" / "config.json").write_text(json.dumps(auth))
        build(recipe(base), to(f"{host}/team/known"))
        asked = len(tokens.asked)
        image = build(recipe(base, b"print(2)\n"), to(f"{host}/team/known"))
        assert len(tokens.asked) == asked > 0
        read(image.ref)


def test_who_logs_in_after_a_refusal_is_let_in(plain, tmp_path, monkeypatch):
    base = bases.push(f"{plain}/python:any")
    (tmp_path / "docker").mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    with servers.with_tokens(tmp_path) as (host, _):
        for password in ("wrong", "secret"):
            auth = {"auths": {host: {"auth": base64.b64encode(f"me:{password}".encode()).decode()}}}
            (tmp_path / "docker" / "config.json").write_text(json.dumps(auth))
            if password == "wrong":
                with pytest.raises(RegistryError):
                    build(recipe(base), to(f"{host}/team/later"))
        read(build(recipe(base), to(f"{host}/team/later")).ref)


def test_a_process_that_is_forked_leaves_the_connections_of_its_parent_alone(watched):
    _, target, base = watched
    build(recipe(base, b"print(1)\n"), target)
    before = transfer._idle[0][2]
    child = os.fork()
    if child == 0:
        os._exit(0 if not transfer._idle else 1)
    assert os.waitpid(child, 0)[1] == 0
    build(recipe(base, b"print(2)\n"), target)
    assert transfer._idle[0][2] is before


def test_an_interrupted_push_ends_and_goes_well_the_next_time(plain):
    content = os.urandom(3 << 20)
    reached = threading.Event()

    def interrupt(read):
        if read:
            reached.set()
            raise KeyboardInterrupt

    def slow(offset):
        yield content[offset : 1 << 20]
        assert reached.wait(60)
        yield content[1 << 20 :]

    blobs, manifest, kind = bases.image(layers=())
    slowly = [*blobs, replace(Blob.of(content), open=slow)]
    target = parse(f"{plain}/team/interrupted:1")
    with pytest.raises(KeyboardInterrupt), transfer.opened() as first:
        first.push(target, slowly, manifest, kind, interrupt)
    with pytest.raises(RegistryError, match="is closed"):
        first.push(target, slowly, manifest, kind)
    with transfer.opened() as second:
        assert second is not first
        second.push(target, [*blobs, Blob.of(content)], manifest, kind)
        assert second.registry(plain).has_manifest("team/interrupted", "1")

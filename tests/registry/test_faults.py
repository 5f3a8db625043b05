"""A real registry behind a proxy that makes faults: whatever it does, the image is right, or an error says why not."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairing.errors import RegistryError
from fairing.oci.connection import Clock, Settings
from fairing.oci.reference import parse
from fairing.oci.transfer import Transfer
from tests.registry import servers
from tests.registry.servers import MANIFEST

SCHEDULES = st.lists(st.sampled_from([None, *servers.FAULTS]), max_size=24)
TRIES = settings(database=None)  # as many as the profile says: ``make bench`` has a thousand in all
numbers = itertools.count()


def patient():
    return Clock(wait=lambda *_: None)


def told(wrong, proxy):
    """See that an error has a cause, and says what, why, and what to do."""
    assert all((wrong.what, wrong.why, wrong.fix)), wrong
    assert any(proxy.made)


@TRIES
@given(SCHEDULES)
def test_a_push_through_faults_ends_in_the_right_image_or_in_an_error(plain, nobody, faults):
    tag = f"t{next(numbers)}"
    blobs, manifest = servers.image(tag.encode() * 2000, b"small" + tag.encode())
    with servers.faulty(plain) as proxy, Transfer(Settings(chunk=4000), patient()) as transfer:
        target = parse(f"127.0.0.1:{proxy.server_port}/team/faults:{tag}")
        proxy.faults[:] = faults
        try:
            transfer.push(target, blobs, manifest, MANIFEST)
        except RegistryError as wrong:
            told(wrong, proxy)
            proxy.faults.clear()
            assert servers.stored(plain, "team/faults", tag) in {None, manifest}
            transfer.push(target, blobs, manifest, MANIFEST)
    assert servers.stored(plain, "team/faults", tag) == manifest


@TRIES
@given(SCHEDULES)
def test_a_copy_through_faults_ends_in_the_right_image_or_in_an_error(plain, nobody, faults):
    tag = f"c{next(numbers)}"
    blobs, manifest = servers.image(tag.encode() * 2000, b"small" + tag.encode())
    with servers.faulty(plain) as proxy, Transfer(Settings(), patient()) as transfer:
        transfer.push(parse(f"{plain}/team/origin:{tag}"), blobs, manifest, MANIFEST)
        proxy.faults[:] = faults
        source = parse(f"127.0.0.1:{proxy.server_port}/team/origin:{tag}")
        try:
            digest = transfer.copy(source, parse(f"{plain}/team/copied:{tag}"))
        except RegistryError as wrong:
            told(wrong, proxy)
            assert servers.stored(plain, "team/copied", tag) is None
        else:
            assert servers.stored(plain, "team/copied", tag) == manifest
            assert transfer.registry(plain).manifest("team/copied", tag).digest == digest


@pytest.mark.parametrize("fault", servers.FAULTS)
def test_one_fault_alone_fails_no_push(plain, nobody, fault):
    for at in range(9):
        tag = f"o{next(numbers)}"
        blobs, manifest = servers.image(tag.encode() * 2000)
        with servers.faulty(plain) as proxy, Transfer(Settings(chunk=4000), patient()) as transfer:
            proxy.faults[:] = [*[None] * at, fault]
            transfer.push(parse(f"127.0.0.1:{proxy.server_port}/team/single:{tag}"), blobs, manifest, MANIFEST)
        assert servers.stored(plain, "team/single", tag) == manifest


@pytest.mark.parametrize("fault", [*servers.FAULTS, servers.STALLED])
def test_one_fault_alone_fails_no_copy(plain, nobody, fault):
    """It asks for a manifest, for two layers, and for a configuration."""
    tag = f"s{next(numbers)}"
    blobs, manifest = servers.image(tag.encode() * 2000, b"small" + tag.encode())
    patience = 0.5 if fault == servers.STALLED else 60.0
    with Transfer() as transfer:
        transfer.push(parse(f"{plain}/team/origin:{tag}"), blobs, manifest, MANIFEST)
    for at in range(4):
        with servers.faulty(plain) as proxy, Transfer(Settings(timeout=patience), patient()) as transfer:
            proxy.faults[:] = [*[None] * at, fault]
            source = parse(f"127.0.0.1:{proxy.server_port}/team/origin:{tag}")
            transfer.copy(source, parse(f"{plain}/team/{tag}{at}:{tag}"))
        assert servers.stored(plain, f"team/{tag}{at}", tag) == manifest

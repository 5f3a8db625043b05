"""The code beside an image that is there already."""

import marshal
import zlib

import pytest

import fairing
from fairing.errors import BuildError
from fairing.kube import probe
from tests.kube.test_job import objects


def test_an_image_that_lacks_packages_is_refused_by_their_names(there):
    import numpy

    def work():
        return numpy.arange(3).sum()

    with pytest.raises(BuildError, match=r"lacks what the code needs: numpy==.* repository="):
        fairing.train(work)
    assert objects(there, "jobs", "secrets", "configmaps") == []


def test_what_a_builder_cannot_do_is_said_by_name_before_anything_is_made(there, cluster):
    image = fairing.Image(cluster.image)
    for builder in ("inline", "append"):
        refusal = rf"'{builder}' cannot install Debian packages \(curl, git\)\. .* No installed builder can\."
        with pytest.raises(BuildError, match=refusal):
            fairing.train(print, image=image.apt("git", "curl"), builder=builder)
    with pytest.raises(BuildError, match=r"lacks what the code needs: tqdm==.* dependencies='start' .*'append'"):
        fairing.train(print, image=image.pip("tqdm"))
    with pytest.raises(BuildError, match=r"image='host' is this machine's own Python, which no other machine has"):
        fairing.train(print, image="host")
    assert objects(there) == []


def test_an_image_that_is_not_there_is_said_with_the_node_s_reason(there, cluster):
    with pytest.raises(BuildError, match=r"cannot be run on .*not found"):
        fairing.train(print, image=f"{cluster.registry}/none:1")


def test_an_image_is_asked_once_and_pinned(there, cluster, monkeypatch):
    fairing.train(print)
    job = fairing.submit(print)
    (image,) = {pod["spec"]["containers"][0]["image"] for pod in objects(there, "pods")} or {""}
    assert image.startswith(cluster.image.rpartition(":")[0]) and "@sha256:" in image
    job.wait()


def test_code_that_is_too_large_is_refused_with_the_way_out(there, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "big.bin").write_bytes(__import__("os").urandom(1 << 20))
    with pytest.raises(BuildError, match=r"too large to travel beside the image.*repository="):
        fairing.train(print, include=["big.bin"])


def test_a_run_compiles_nothing_of_the_standard_library_before_its_code_begins(there, cluster):
    def work():
        import sys

        def sources(specs):
            return {each.origin for each in specs if each and str(each.origin).endswith(".py")}

        loaded = sources(getattr(each, "__spec__", None) for each in tuple(sys.modules.values()))

        import os
        import subprocess

        library = os.__file__.removesuffix("os.py")
        program = "from __future__ import annotations; import sys; print(*sys.modules)"
        first = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout.split()
        begun = sources(sys.modules[name].__spec__ for name in first if name in sys.modules)
        return {path for path in loaded - begun if path.startswith(library)}, sys.pycache_prefix

    (loaded, prefix), held = fairing.train(work), probe.library(cluster.image)
    assert prefix is None and len(loaded) > 30
    assert not held or loaded - marshal.loads(zlib.decompress(held)).keys() == set()


def test_an_image_is_asked_where_runs_may_be_and_the_scheduler_s_reason_is_said(there, monkeypatch, tmp_path):
    monkeypatch.setenv("FAIRING_HOME", str(tmp_path / "home"))  # where no image was asked yet
    with pytest.raises(BuildError, match=r"could not be asked .* not what it asks of its node .* builder="):
        fairing.train(print, node_selector={"example.com/none": "here"}, start_timeout=2)
    assert objects(there, "pods") == []
    assert fairing.train(pow, (2, 5), node_selector={"kubernetes.io/os": "linux"}, tolerations="any") == 32


def test_an_image_on_a_base_that_was_asked_brings_its_bytecode_too(there, cluster):
    fairing.train(len, ("inline",))
    fairing.train(len, ("append",), builder="append")
    owners = [
        {owner["name"] for owner in each["metadata"]["ownerReferences"]}
        for each in objects(there, "configmaps")
        if "library" in each.get("binaryData", {})
    ]
    jobs = {each["metadata"]["name"] for each in objects(there, "jobs")}
    assert len(jobs) == 2 and owners == ([jobs] if probe.library(cluster.image) else [])

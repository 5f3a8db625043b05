"""What an image has in it, by what it says and by its files; nothing is run."""

import gzip
import random

import pytest

from fairing.oci import facts
from fairing.oci.facts import Facts
from tests.registry.bases import layer

PATH = "/usr/local/bin:/usr/bin:/bin"
LIBC = b"\0GNU C Library (Debian GLIBC 2.36-9+deb12u10) stable release version 2.36.\n"
PYTHON = (("./usr/bin/python3.12", b""), ("./usr/bin/python3", "python3.12"))


def found(*layers, known=None, path=PATH):
    return facts.found(known or Facts(), path, ([each] for each in layers))


@pytest.mark.parametrize(
    ("history", "labels", "libc"),
    [
        (["# debian.sh --arch 'amd64' out/ 'trixie' '@1760000000'", "RUN x"], {}, "glibc 2.41"),
        (["# debian.sh --arch 'amd64' out/ 'sid' '@1760000000'"], {}, ""),
        (["ADD alpine-minirootfs-3.22.1-x86_64.tar.gz / # buildkit"], {}, "musl 1.2"),
        (
            [],
            {"org.opencontainers.image.ref.name": "ubuntu", "org.opencontainers.image.version": "22.04"},
            "glibc 2.35",
        ),
        ([], {"org.opencontainers.image.ref.name": "ubuntu", "org.opencontainers.image.version": "7"}, ""),
        ([], {"org.opencontainers.image.version": "22.04"}, ""),
        ([], None, ""),
    ],
)
def test_what_official_images_say_is_taken_at_its_word(history, labels, libc):
    config = {"config": {"Labels": labels, "Env": None}, "history": [{"created_by": each} for each in history]}
    assert facts.told(config).libc == libc


def test_an_official_image_names_its_python_and_so_does_one_of_ours():
    assert facts.told({"config": {"Env": ["PYTHON_VERSION=3.13.1"]}}).python == "3.13.1"
    assert facts.told({"config": {"Labels": {"dev.fairing.python": "3.11.7"}}}).python == "3.11.7"
    assert facts.told({"config": {"Env": ["PYTHON_VERSION=latest"]}}).python == ""
    assert facts.told({}) == Facts()


@pytest.mark.parametrize(
    ("entries", "libc"),
    [
        ([("./usr/lib/x86_64-linux-gnu/libc.so.6", LIBC)], "glibc 2.36"),
        ([("lib64/libc.so.6", LIBC)], "glibc 2.36"),
        (
            [("lib/x86_64-linux-gnu/libc-2.31.so", b""), ("lib/x86_64-linux-gnu/libc.so.6", "libc-2.31.so")],
            "glibc 2.31",
        ),
        ([("lib/aarch64-linux-gnu/libc.so.6", "libc-2.28.so")], "glibc 2.28"),
        ([("lib/ld-musl-x86_64.so.1", b"")], "musl 1.2"),
        ([("usr/lib/python3/libc.so.6", LIBC)], ""),
        ([("usr/lib/x86_64-linux-gnu/libc.so.6", b"nothing of the kind")], ""),
    ],
)
def test_the_c_library_is_read_from_the_files(entries, libc):
    assert found(layer(*entries)).libc == libc


@pytest.mark.parametrize(
    ("entries", "path", "python", "interpreter"),
    [
        (PYTHON, PATH, "3.12", "python3"),
        ((*PYTHON, ("usr/local/bin/python", "../../bin/python3")), PATH, "3.12", "python"),
        ((*PYTHON, ("opt/conda/bin/python", "python3.10")), f"/opt/conda/bin:{PATH}", "3.10", "python"),
        ((*PYTHON, ("opt/conda/bin/python", "python3.10")), PATH, "3.12", "python3"),
        ((("usr/bin/python", "/etc/alternatives/python"), ("etc/alternatives/python", "/usr/bin/python3"), *PYTHON),
         PATH, "3.12", "python"),
        ((("usr/bin/python3", "python3"),), PATH, "", "python"),
        ((("usr/bin/python2.7", b""),), PATH, "", "python"),
    ],
)  # fmt: skip
def test_the_python_is_the_one_that_a_shell_would_find(entries, path, python, interpreter):
    facts = found(layer(*entries), path=path)
    assert (facts.python, facts.interpreter) == (python, interpreter)


def test_no_layer_is_read_that_need_not_be():
    def layers():
        yield [layer(("lib/ld-musl-x86_64.so.1", b""))]
        yield [layer(*PYTHON)]
        pytest.fail("another layer is read")

    assert facts.found(Facts(), PATH, layers()) == Facts("3.12", "python3", "musl 1.2")
    assert facts.found(Facts("3.12", libc="glibc 2.36"), PATH, layers()) == Facts("3.12", libc="glibc 2.36")


def test_what_is_known_is_not_read_over():
    assert found(layer(*PYTHON, ("lib/ld-musl-x86_64.so.1", b"")), known=Facts(libc="glibc 2.36")) == Facts(
        "3.12", "python3", "glibc 2.36"
    )


@pytest.mark.parametrize("broken", [b"", b"no gzip", gzip.compress(b"no tar" * 1000), layer(*PYTHON)[:40]])
def test_a_layer_that_cannot_be_read_tells_nothing_and_hides_no_other(broken):
    assert found(broken, layer(*PYTHON)).python == "3.12"


def test_no_more_is_read_than_is_worth_it(monkeypatch):
    monkeypatch.setattr(facts, "MOST", 100_000)
    read = []

    def pieces():
        data = layer(("big", random.Random(1).randbytes(1 << 20)))
        for at in range(0, len(data), 50_000):
            read.append(at)
            yield data[at : at + 50_000]

    assert facts.found(Facts(), PATH, [pieces()]) == Facts()
    assert len(read) <= 3

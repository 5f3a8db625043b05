from __future__ import annotations

import subprocess
import sys

import pytest

from fairing.errors import ConfigError
from fairing.oci.reference import Reference, host, parse, plain

DIGEST = "sha256:" + "3f" * 32


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("python", Reference("docker.io", "library/python", "latest")),
        ("python:3.11-slim", Reference("docker.io", "library/python", "3.11-slim")),
        ("team/name", Reference("docker.io", "team/name", "latest")),
        ("docker.io/python", Reference("docker.io", "library/python", "latest")),
        ("index.docker.io/team/name:1", Reference("docker.io", "team/name", "1")),
        ("localhost/name", Reference("localhost", "name", "latest")),
        ("[::1]:5000/a/b:1", Reference("[::1]:5000", "a/b", "1")),
        (f"registry.test:5000/team/name:tag@{DIGEST}", Reference("registry.test:5000", "team/name", "tag", DIGEST)),
        (f"ghcr.io/team/name@{DIGEST}", Reference("ghcr.io", "team/name", None, DIGEST)),
    ],
)
def test_a_name_is_taken_apart_as_docker_does(text, whole):
    assert parse(text) == whole
    assert parse(str(whole)) == whole


def test_a_digest_counts_more_than_a_tag():
    assert parse(f"python:3.11@{DIGEST}").version == DIGEST


def test_docker_hubs_api_has_a_host_of_its_own():
    assert host(parse("python").registry) == "registry-1.docker.io"
    assert host("ghcr.io") == "ghcr.io"


@pytest.mark.parametrize(
    "text",
    ["", ":", "a b", "Python", "python:", "python@sha256:12", "python:a@", "a//b", "https://ghcr.io/a",
     "x/../y", "a:b:c", "-/a", "ghcr.io/", "python\n", "ghcr.io:99999999/a", "a?b", "ghcr.io/a#b", "me@ghcr.io/a", "é"],
)  # fmt: skip
def test_what_is_no_name_is_refused_in_words(text):
    with pytest.raises(ConfigError, match="is not an image's name"):
        parse(text)


def test_plain_http_is_for_this_machine_and_named_hosts_alone():
    assert all(plain(each) for each in ("localhost", "localhost:5000", "127.0.0.1:5000", "[::1]:5000", "LOCALHOST:1"))
    assert not any(
        plain(each) for each in ("registry.test:5000", "10.0.0.1:5000", "x.local", "127.0.0.1.evil.test", "::2")
    )
    assert plain("registry.test:5000", ["registry.test:5000"])
    assert plain("registry.test:5000", ["registry.test"])
    assert not plain("registry.test:5000", ["registry.test:5001"])


def test_nothing_of_the_registry_is_imported_before_it_is_used():
    code = (
        "import sys, fairing; fairing.train; import fairing.oci.transfer;"
        "print([name for name in ('urllib3', 'docker', 'requests') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"

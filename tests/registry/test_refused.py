"""What would go wrong is refused before anything is made."""

from dataclasses import replace

import pytest

from fairing.errors import BuildError, ConfigError, RegistryError
from fairing.spec import Target
from tests.registry import bases, servers
from tests.registry.pushes import build, nothing_made, recipe, to

pytestmark = pytest.mark.usefixtures("nobody", "home")


def test_without_a_repository_it_says_what_to_set(plain):
    with pytest.raises(
        ConfigError,
        match=r"'there' has no repository .* Set repository='registry\.example.*without a registry, builder='inline'",
    ):
        build(recipe(bases.push(f"{plain}/python:any")), Target("there", "job", "append"))
    assert nothing_made()


@pytest.mark.parametrize("given", ["team/x:1", "team/x@sha256:" + "0" * 64])
def test_a_repository_with_a_tag_is_refused(plain, given):
    with pytest.raises(ConfigError, match=rf"has a tag or a digest.*Write repository='{plain}/team/x'"):
        build(recipe(f"{plain}/python:any"), to(f"{plain}/{given}"))


def test_a_base_for_another_platform_is_refused(plain):
    base = bases.index(f"{plain}/other:arm", "arm64", "s390x")
    with pytest.raises(RegistryError, match=r"not made for linux/amd64.*linux/arm64, linux/s390x"):
        build(recipe(base), to(f"{plain}/team/x"))
    assert nothing_made()


def test_a_base_with_another_python_is_refused(plain):
    base = bases.push(f"{plain}/snake:1", settings=bases.official("3.9.18"))
    with pytest.raises(BuildError, match=rf"has Python 3\.9\.18, and this kernel has .*python:{bases.MINOR}-slim"):
        build(recipe(base), to(f"{plain}/team/x"))
    assert nothing_made()


def test_a_base_that_is_not_there_is_refused(plain):
    with pytest.raises(RegistryError, match=r"cannot be read.*not there"):
        build(recipe(f"{plain}/absent:1"), to(f"{plain}/team/x"))
    assert nothing_made()


def test_a_registry_that_cannot_be_reached_is_said_before_anything_is_made(plain):
    base = bases.push(f"{plain}/python:any")
    with pytest.raises(RegistryError, match=r"cannot be pushed to .*refuses connections"):
        build(recipe(base), to(f"127.0.0.1:{servers.free_port()}/team/x"))
    assert nothing_made()


def test_who_may_not_push_is_told_before_anything_is_made(plain, tmp_path):
    base = bases.push(f"{plain}/python:any")
    with servers.with_tokens(tmp_path) as (host, _), pytest.raises(RegistryError, match=r"who you are.*Log in"):
        build(recipe(base), to(f"{host}/team/x"))
    assert nothing_made()


def test_a_base_that_is_broken_is_refused(plain):
    base = bases.push(f"{plain}/broken:1", rootfs={"type": "layers", "diff_ids": []})
    with pytest.raises(RegistryError, match="cannot be built upon"):
        build(recipe(base), to(f"{plain}/team/x"))
    assert nothing_made()


def test_debian_packages_are_refused_by_name(plain):
    made = replace(recipe(f"{plain}/python:any"), apt=("git",))
    with pytest.raises(BuildError, match=r"cannot install Debian packages \(git\)"):
        build(made, to(f"{plain}/team/x"))

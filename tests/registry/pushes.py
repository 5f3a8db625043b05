"""Builds images for a registry here, and reads them back as the registry has them."""

import hashlib
import json

from fairing import plugins, state
from fairing.image import Image
from fairing.oci.reference import parse
from fairing.oci.registry import Registry
from fairing.recipe.resolve import resolve
from fairing.spec import Bundle, Entry, File, Target
from tests.registry import bases

CODE = b"print('hello')\n"


def recipe(base, code=CODE, files=(), requires=(), env=(), platforms=()):
    entry = Entry("script", "main.py", hashlib.sha256(code).hexdigest(), "main.py")
    bundle = Bundle(entry, (File("main.py", code), *files), ("cloudpickle", *requires), (), bases.HERE)
    return resolve(bundle, Image(base).env(dict(env)).platform(*platforms), "registry")


def to(repository, **more):
    return Target("there", "job", "append", repository=repository, **more)


def build(made, target, said=None):
    heard = [] if said is None else said
    builder = plugins.builder("append")
    builder.check(made, target)
    return builder.build(made, target, "registry", lambda event: heard.append(getattr(event, "reason", event)))


def read(ref):
    """Return an image's manifest and configuration as the registry has them, each blob held against its digest."""
    name = parse(ref)
    registry = Registry(name.registry)
    document = registry.manifest(name.repository, name.version)
    content = document.content
    for each in [*content["layers"], content["config"]]:
        data = b"".join(registry.blob(name.repository, each["digest"], each["size"]))
        assert len(data) == each["size"]
    registry.close()
    return content, json.loads(data)


def nothing_made():
    return not [path for path in (state.store() / "trees", state.store() / "layers") if path.exists()]


def asked(proxy):
    found = sorted(command for command, _ in proxy.seen)
    proxy.seen.clear()
    return found

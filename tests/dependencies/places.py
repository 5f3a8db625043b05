"""Environments to try things in: made by uv, filled with wheels written here, off the network."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from importlib.metadata import distribution
from pathlib import Path

from tests.versions.lanes import ROOT, UV

MAKE = """
import pathlib, platform
from fairing.image import Image
from fairing.spec import Bundle, Entry, Target
from fairing.recipe import tree
from fairing.recipe.resolve import resolve
said = []
def recipe(*requires, explicit=(), **more):
    bundle = Bundle(Entry("function", "entry.pkl", "0", "f"), (), requires, explicit, platform.python_version(), **more)
    return resolve(bundle, Image(), "layers", said.append)
def make(recipe, folder="tree"):
    made = pathlib.Path(folder).absolute()
    made.mkdir()
    tree.make(recipe, made, said.append)
    return made
def texts():
    return [event.text for event in said]
"""
"""What a program starts with that resolves, or makes a tree, without a run."""
DEVELOPMENT = Path(sysconfig.get_path("purelib"))


def wheel(folder, name, version="1.0", files=None, requires=(), extras=(), scripts=None, data=None, tag="py3-none-any"):
    """Write a wheel: ``files`` by path, console ``scripts`` by name, ``data`` that goes to the environment's root."""
    stem = f"{name.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    headers = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
    headers += [f"Provides-Extra: {extra}" for extra in extras] + [f"Requires-Dist: {each}" for each in requires]
    content = {
        **({f"{name.replace('-', '_')}/__init__.py": f"VERSION = {version!r}\n"} if files is None else files),
        **{f"{stem}.data/data/{path}": text for path, text in (data or {}).items()},
        f"{info}/METADATA": "\n".join(headers) + "\n\nRequires-Dist: nothing-of-this-is-read\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    if scripts:
        lines = "".join(f"{script} = {place}\n" for script, place in scripts.items())
        content[f"{info}/entry_points.txt"] = f"[console_scripts]\n{lines}"
    record = ""
    for path, text in content.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(text.encode())}\n"
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / f"{stem}-{tag}.whl"
    with zipfile.ZipFile(made, "w") as archive:
        for path, text in {**content, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            archive.writestr(path, text)
    return made


def installed(folder, name):
    """Write the wheel that an installed distribution of pure Python came from."""
    found = distribution(name)
    made = folder / f"{name}-{found.version}-py3-none-any.whl"
    with zipfile.ZipFile(made, "w") as archive:
        for file in found.files:
            if "__pycache__" not in file.parts and not str(file).startswith(".."):
                archive.write(file.locate(), str(file))
    return made


class Place:
    """An environment with this checkout in it, and the development environment below its own packages."""

    def __init__(self, folder):
        self.folder = folder
        self.python = folder / "env" / "bin" / "python"
        self.home = folder / "home"
        self.work = folder / "work"
        self.work.mkdir(parents=True)
        (folder / "wheels").mkdir()
        subprocess.run([UV, "venv", "-q", "--python", sys.executable, folder / "env"], check=True)
        paths = [ROOT, ROOT / "builders", ROOT / "deployers", DEVELOPMENT]
        (self.site / "zz_development.pth").write_text("".join(f"{path}\n" for path in paths))

    @property
    def site(self):
        minor = "{}.{}".format(*sys.version_info[:2])
        return self.folder / "env" / "lib" / f"python{minor}" / "site-packages"

    def wheel(self, name, *args, **kwargs):
        return wheel(self.folder / "wheels", name, *args, **kwargs)

    def install(self, *what, copy=True):
        """Install off the network; as copies, so that what a test writes into is no other environment's."""
        command = [
            UV,
            "pip",
            "install",
            "-q",
            "--no-index",
            "--offline",
            "--no-build-isolation",
            "--python",
            self.python,
        ]
        env = {**os.environ, "UV_LINK_MODE": "copy"} if copy else None
        subprocess.run([*command, "--find-links", self.folder / "wheels", *what], check=True, env=env)

    def env(self, **more):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_", "PYTHON"))}
        return {**kept, "FAIRING_HOME": str(self.home), "PYTHONWARNINGS": "error", **more}

    def kernel(self, name):
        """Describe a kernel of the environment, and return the folder to find it by."""
        spec = self.folder / "jupyter" / "kernels" / name
        spec.mkdir(parents=True)
        argv = [str(self.python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        told = {"argv": argv, "display_name": name, "language": "python", "env": {"FAIRING_HOME": str(self.home)}}
        (spec / "kernel.json").write_text(json.dumps(told))
        return self.folder / "jupyter"

    def run(self, code, before=(), check=True, **env):
        """Run code in the environment and return what it put into ``answer``, as JSON carries it."""
        program = f"answer = None\n{code}\nimport json, sys\nsys.stdout.write('\\n' + json.dumps(answer))\n"
        (self.work / "program.py").write_text(program)
        ran = subprocess.run(
            [*before, self.python, "program.py"], cwd=self.work, env=self.env(**env), capture_output=True, text=True
        )
        self.output, self.errors = ran.stdout, ran.stderr
        if not check:
            return ran
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return json.loads(ran.stdout.splitlines()[-1])

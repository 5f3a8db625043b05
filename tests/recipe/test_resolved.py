"""Dependencies by uv: locked and installed for the run's platform, from where pip finds packages, passwords kept."""

import base64
import hashlib
import re
import socket
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.conftest import missing
from tests.dependencies.places import MAKE, installed
from tests.versions.lanes import UV

USER, PASSWORD = "ann", "s3cret-Pass/word"
QUOTED = "s3cret-Pass%2Fword"


class Index(SimpleHTTPRequestHandler):
    """A package index that asks for a password, and notes every process argument that holds one."""

    def do_GET(self):
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                arguments = process.read_bytes().decode(errors="replace")
            except OSError:
                continue
            if "compile" in arguments or "install" in arguments:
                self.server.seen.append(arguments)
        right = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {right}":
            self.send_response(401)
            self.send_header("WWW-Authenticate", "Basic")
            self.end_headers()
            return
        parts = self.path.strip("/").split("/")
        if parts[0] == "simple":
            self._page(parts[1])
        else:
            super().do_GET()

    def _page(self, name):
        links = "".join(
            f'<a href="/{each.name}#sha256={hashlib.sha256(each.read_bytes()).hexdigest()}">{each.name}</a>'
            for each in Path(self.directory).glob(f"{name.replace('-', '_')}-*.whl")
        )
        self.send_response(200 if links else 404)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(f"<!DOCTYPE html><html><body>{links}</body></html>".encode())

    def log_message(self, *args):
        pass


@pytest.fixture
def index(place):
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Index, directory=str(place.folder / "wheels")))
    server.seen = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def offline(place):
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(place.folder / "wheels"), "PIP_CONFIG_FILE": "/dev/null"}


def test_a_resolved_run_has_the_kernels_versions_though_newer_ones_are_to_be_had(place, offline):
    installed(place.folder / "wheels", "cloudpickle")
    place.install(place.wheel("below", "1.0", {"below.py": "N = 1\n"}))
    place.install(place.wheel("tool", files={"tool.py": "import below\n"}, requires=["below"]))
    place.wheel("below", "2.0", {"below.py": "N = 2\n"})
    answer = place.run(
        """
import fairing, tool
def f():
    from importlib.metadata import version
    return tool.below.N, version("below")
answer = fairing.train(f, dependencies="resolved")
""",
        **offline,
    )
    assert answer == [1, "1.0"]


def test_a_resolved_lock_has_hashes_and_no_address_and_no_comment(place, offline):
    place.install(place.wheel("tool", requires=["below"]), place.wheel("below"))
    lock = place.run(MAKE + "answer = recipe('tool', dependencies='resolved').lock", **offline)
    digest = {name: _sha256(place.folder / "wheels" / f"{name}-1.0-py3-none-any.whl") for name in ("below", "tool")}
    assert lock == "".join(f"{name}==1.0 \\\n    --hash=sha256:{digest[name]}\n" for name in ("below", "tool"))


def test_a_package_must_have_the_hashes_that_are_stated_for_it(place, offline):
    wheel = place.wheel("tool")
    code = (
        MAKE + "answer = recipe(explicit=('tool',), dependencies='resolved', indexes=('--hash tool sha256:{}',)).lock"
    )
    right = _sha256(wheel)
    assert place.run(code.format(right), **offline) == f"tool==1.0 \\\n    --hash=sha256:{right}\n"
    refused = place.run(code.format("0" * 64), check=False, **offline)
    assert "tool==1.0 has none of the hashes that the requirements state." in refused.stderr


def test_an_unchanged_set_is_resolved_once(place, offline):
    place.install(place.wheel("tool"))
    code = MAKE + "answer = recipe('tool', dependencies='resolved').lock"
    first = place.run(code, **offline)
    empty = place.folder / "bin"
    empty.mkdir()
    forbidden = "import uv\ndef none(): raise SystemExit('uv was asked')\nuv.find_uv_bin = none\n"
    assert place.run(forbidden + code, **offline) == first
    place.install(place.wheel("tool", "2.0"))
    again = place.run(forbidden + code, check=False, **offline)
    assert "uv was asked" in again.stderr


def test_what_is_installed_is_taken_without_asking_uv_or_the_network(place):
    place.install(place.wheel("tool"))
    answer = place.run("""
import fairing, tool
fairing.train(lambda: tool.VERSION)
import sys
answer = [name for name in ("uv", "fairing.recipe.uv", "packaging") if name in sys.modules]
""")
    assert answer == []


def test_an_editable_project_is_resolved_by_what_it_requires(place, offline):
    installed(place.folder / "wheels", "cloudpickle")
    place.install(place.wheel("below", "1.0", {"below.py": "N = 1\n"}))
    project = place.folder / "project"
    project.mkdir()
    (project / "mine.py").write_text("import below\n")
    (project / "pyproject.toml").write_text(
        "[build-system]\nrequires = ['hatchling']\nbuild-backend = 'hatchling.build'\n"
        "[project]\nname = 'mine'\nversion = '0.7'\ndependencies = ['below']\n"
        "[tool.hatch.build]\ndev-mode-dirs = ['.']\n"
    )
    place.install("--editable", str(project))
    code = "import fairing, mine\nanswer = fairing.train(lambda: mine.below.N, dependencies='resolved')"
    assert place.run(code, **offline) == 1


def test_what_is_stated_and_installed_is_taken_from_here(place, offline):
    place.install(place.wheel("tool", "1.5", extras=["x"], requires=['below; extra == "x"']), place.wheel("below"))
    answer = place.run(
        MAKE
        + """
texts = ("tool", "tool>=1,<2", "Tool[x]", "tool; sys_platform == 'win32'")
answer = [(made.source, [line.split("==")[0] for line in made.lock.splitlines() if line[0] != " "])
    for made in (recipe(explicit=(text,)) for text in texts)]
""",
        **offline,
    )
    assert answer == [
        ["installed", ["tool"]],
        ["installed", ["tool"]],
        ["installed", ["below", "tool"]],
        ["installed", []],
    ]


def test_what_is_stated_and_not_installed_is_resolved_with_all_the_rest(place, offline):
    installed(place.folder / "wheels", "cloudpickle")
    place.install(place.wheel("tool", "1.5"), place.wheel("below", "1.0"))
    place.wheel("tool", "2.0")
    place.wheel("below", "3.0")
    place.wheel("extra", "4.0", requires=["below"])
    answer = place.run(
        """
import fairing, tool
def f():
    import tool
    from importlib.metadata import version
    return [version(name) for name in ("tool", "extra", "below", "cloudpickle")]
answer = fairing.train(f, requirements=["tool==2", "extra"])
import cloudpickle
answer[3] = answer[3] == cloudpickle.__version__
""",
        **offline,
    )
    assert answer == ["2.0", "4.0", "1.0", True]


def test_a_resolved_tree_has_bytecode_and_scripts_of_its_own(place, offline):
    files = {"tool/__init__.py": "import sys\ndef main(): print(sys.prefix)\n"}
    place.install(place.wheel("tool", files=files, scripts={"tool-run": "tool:main"}))
    place.run(MAKE + "make(recipe('tool', dependencies='resolved'))", **offline)
    moved = place.work / "moved"
    (place.work / "tree").rename(moved)
    ran = subprocess.run([moved / "bin" / "tool-run"], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == str(moved)
    assert list(moved.rglob("tool/__pycache__/*.pyc"))


@pytest.mark.parametrize(
    ("requirement", "reason"),
    [
        ("no-such-package-anywhere>=3", "no-such-package-anywhere was not found"),
        ("tool==99", "tool==99"),
        ("tool @ https://example.invalid/tool-1.0.whl", "tool is required by its address"),
    ],
)
def test_a_requirement_that_does_not_resolve_is_refused_before_anything_is_made(requirement, reason, place, offline):
    place.install(place.wheel("tool"))
    ran = place.run(
        f"import fairing\nfairing.train(pow, args=(2, 3), requirements=[{requirement!r}])", check=False, **offline
    )
    last = ran.stderr.strip().splitlines()[-1]
    assert last.startswith("fairing.errors.DependencyError: ")
    assert reason in last
    assert len(last) < 800
    assert not (place.home / "store" / "trees").exists()
    assert not (place.home / "runs").exists()


def test_a_password_in_pips_configuration_is_used_and_seen_by_nobody(place, index):
    installed(place.folder / "wheels", "cloudpickle")
    place.wheel("hidden", "1.0", {"hidden.py": "N = 3\n"})
    address = f"http://{USER}:{QUOTED}@127.0.0.1:{index.server_port}/simple"
    answer = place.run(
        """
import fairing
def f():
    import hidden
    return hidden.N
job = fairing.submit(f, requirements=["hidden"])
answer = job.result(), str(job.report)
""",
        PIP_INDEX_URL=address,
        PIP_CONFIG_FILE="/dev/null",
        UV_CACHE_DIR=str(place.folder / "cache"),
    )
    assert answer[0] == 3
    assert index.seen
    secrets = (PASSWORD, QUOTED)
    shown = [*index.seen, answer[1], place.output, place.errors]
    assert not [text for text in shown for secret in secrets if secret in text]
    kept = [path for path in place.home.rglob("*") if path.is_file() and not path.is_symlink()]
    assert any("resolved" in path.parts for path in kept)
    assert not [path for path in kept for secret in secrets if secret.encode() in path.read_bytes()]


def test_a_password_is_in_no_error(place, index):
    address = f"http://{USER}:not-the-{QUOTED}@127.0.0.1:{index.server_port}/simple"
    ran = place.run(
        "import fairing\nfairing.train(pow, args=(2, 3), requirements=['hidden'])",
        check=False,
        PIP_INDEX_URL=address,
        PIP_CONFIG_FILE="/dev/null",
        UV_CACHE_DIR=str(place.folder / "cache"),
    )
    assert "cannot be resolved. " in ran.stderr
    assert "401 Unauthorized" in ran.stderr
    assert "not-the-" not in ran.stdout + ran.stderr
    assert not [text for text in index.seen if "not-the-" in text]


def test_an_index_of_a_requirements_file_is_used_and_its_password_kept(place, index):
    installed(place.folder / "wheels", "cloudpickle")
    place.wheel("hidden", "1.0", {"hidden.py": "N = 3\n"})
    (place.work / "needs.txt").write_text(
        f"--index-url http://{USER}:{QUOTED}@127.0.0.1:{index.server_port}/simple\nhidden  # of our own\n"
    )
    code = "import fairing\njob = fairing.submit(lambda: __import__('hidden').N, requirements='needs.txt')\n"
    answer = place.run(
        code + "answer = job.result(), str(job.report)",
        PIP_CONFIG_FILE="/dev/null",
        UV_CACHE_DIR=str(place.folder / "c"),
    )
    assert answer[0] == 3
    assert PASSWORD not in answer[1] + place.output and QUOTED not in answer[1] + place.output
    assert not [text for text in index.seen if QUOTED in text]


def test_pips_files_are_read_as_pip_reads_them(place):
    wheels = place.folder / "wheels"
    place.install(place.wheel("tool"))
    config = place.folder / "config" / "pip"
    config.mkdir(parents=True)
    (config / "pip.conf").write_text(f"[global]\nno-index = true\nfind-links =\n    /nowhere\n    {wheels}\n")
    (place.folder / "env" / "pip.conf").write_text("[install]\ntrusted_host = inner.example other.example\n")
    answer = place.run(
        """
from fairing.recipe import pip
import os
for name in ("SSL_CERT_FILE", "HTTPS_PROXY"):
    os.environ.pop(name, None)
found = pip.environment(["--extra-index-url https://more.example/simple"])
answer = {name: found.get(name) for name in ("UV_NO_INDEX", "UV_FIND_LINKS", "UV_INSECURE_HOST",
    "UV_EXTRA_INDEX_URL", "UV_DEFAULT_INDEX", "SSL_CERT_FILE", "HTTPS_PROXY")}
""",
        XDG_CONFIG_HOME=str(place.folder / "config"),
        PIP_INDEX_URL="https://index.example/simple",
        PIP_EXTRA_INDEX_URL="https://one.example/simple https://two.example/simple",
        PIP_CERT="/some/cert.pem",
        PIP_PROXY="proxy.example:3128",
    )
    assert answer == {
        "UV_NO_INDEX": "1",
        "UV_FIND_LINKS": f"/nowhere,{wheels}",
        "UV_INSECURE_HOST": "inner.example other.example",
        "UV_EXTRA_INDEX_URL": "https://more.example/simple https://one.example/simple https://two.example/simple",
        "UV_DEFAULT_INDEX": "https://index.example/simple",
        "SSL_CERT_FILE": "/some/cert.pem",
        "HTTPS_PROXY": "http://proxy.example:3128",
    }


def test_uvs_own_settings_win_over_pips(place):
    answer = place.run(
        "from fairing.recipe import pip\nanswer = pip.environment()['UV_FIND_LINKS']",
        PIP_FIND_LINKS="/of/pip",
        UV_FIND_LINKS="/of/uv",
    )
    assert answer == "/of/uv"


def test_another_platform_is_resolved_for_that_platform(place, offline):
    wheels = place.folder / "wheels"
    plain = place.wheel("tool")
    for tag in ("manylinux_2_28_aarch64", "manylinux_2_28_x86_64"):
        (wheels / plain.name.replace("none-any", f"none-{tag}")).write_bytes(plain.read_bytes() + b"")
    plain.unlink()
    place.wheel("arm-only")
    place.wheel("main", requires=["tool", 'arm-only; platform_machine == "aarch64"'])
    answer = place.run(
        """
from fairing.recipe import uv
import platform
def names(to):
    text = uv.lock(uv.Question(("main",), (), to, platform.python_version()))
    return [line.split("==")[0] for line in text.splitlines() if line[0] != " "]
answer = names("linux/arm64"), names("linux/amd64")
""",
        **offline,
    )
    assert answer == [["arm-only", "main", "tool"], ["main", "tool"]]


def test_a_package_of_the_real_index_resolves_and_runs(place, monkeypatch):
    asked = subprocess.run(
        [UV, "pip", "compile", "-q", "-", "--python", sys.executable],
        input="cloudpickle",
        capture_output=True,
        text=True,
    )
    if asked.returncode:
        missing("no package index can be reached")
    passed = {name: value for name, value in _pips().items() if name != "PIP_FIND_LINKS"}
    answer = place.run(
        """
import fairing
def f():
    import iniconfig
    return iniconfig.__name__
answer = fairing.train(f, requirements=["iniconfig"], dependencies="resolved")
""",
        **passed,
    )
    assert answer == "iniconfig"


def _pips():
    import os

    return {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_"))}


def _sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_index_that_cannot_be_reached_is_said_in_one_sentence(place):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # it never listens, and holds the port, so that nobody else does
        ran = place.run(
            "import fairing\nfairing.train(pow, args=(2, 3), requirements=['hidden'])",
            check=False,
            PIP_INDEX_URL=f"http://127.0.0.1:{silent.getsockname()[1]}/simple",
            PIP_CONFIG_FILE="/dev/null",
            UV_CACHE_DIR=str(place.folder / "cache"),
            UV_HTTP_RETRIES="0",
        )
    last = ran.stderr.strip().splitlines()[-1]
    assert re.search(r"resolved\. http://127\.0\.0\.1:\d+ cannot be reached: [^:]*refused.*\. Without a", last)

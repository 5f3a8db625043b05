"""A run sees its dependency tree and its code, and nothing of the kernel's own environment."""

import os
import subprocess
import sys
import sysconfig
import textwrap
import zipfile
from pathlib import Path

import pytest
import uv

import fairing
from fairing.spec import BuiltImage, Target
from tests.deployers.watch import folder, said

ROOT = Path(fairing.__file__).parents[1]


def wheel(place, name, version, **modules):
    """Write a wheel by hand; return its path."""
    path = place / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    files = {f"{name}/{module}.py": text for module, text in modules.items()}
    files[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    files[f"{info}/WHEEL"] = "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files[f"{info}/RECORD"] = "".join(f"{each},,\n" for each in (*files, f"{info}/RECORD"))
    with zipfile.ZipFile(path, "w") as packed:
        for each, text in files.items():
            packed.writestr(each, text)
    return path


class Kernel:
    """A throwaway environment with fairing in it, as a person's kernel has."""

    def __init__(self, place):
        self.place = place
        self.python = place / "venv" / "bin" / "python"
        self._uv("venv", "--python", sys.executable, str(place / "venv"))
        site = next((place / "venv" / "lib").glob("python*/site-packages"))
        seen = [sysconfig.get_paths()["purelib"], ROOT, ROOT / "builders", ROOT / "deployers"]
        (site / "fairing-of-this-checkout.pth").write_text("".join(f"{path}\n" for path in seen))

    def install(self, path):
        """Install or upgrade a wheel."""
        self._uv("pip", "install", "--python", str(self.python), "--no-index", "--no-deps", "--upgrade", str(path))

    def run(self, program, cwd=None, **variables):
        """Run a program that prints a handle last; return its job."""
        given = {**os.environ, **variables}
        out = subprocess.run(
            [self.python, "-c", textwrap.dedent(program)],
            cwd=cwd or self.place,
            env=given,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return fairing.attach(out.stdout.strip().splitlines()[-1])

    def _uv(self, *arguments):
        subprocess.run([uv.find_uv_bin(), "--offline", "--no-config", "--quiet", *arguments], check=True)


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    return Kernel(tmp_path_factory.mktemp("kernel"))


def test_a_package_of_the_kernel_that_was_not_captured_is_missing_in_the_run(kernel):
    kernel.install(wheel(kernel.place, "unseen", "1.0", __init__="here = True"))
    job = kernel.run("""
        import fairing, unseen
        def look(name):
            import importlib
            return importlib.import_module(name).here
        print(fairing.submit(look, args=("unseen",)).handle)
    """)
    with pytest.raises(ModuleNotFoundError, match="unseen"):
        job.result(trust=True)


def test_upgrading_a_package_in_the_kernel_does_not_disturb_a_run(kernel):
    kernel.install(wheel(kernel.place, "steady", "1.0", __init__="version = 1", late="version = 1"))
    job = kernel.run("""
        import fairing
        def wait():
            import os, steady
            os.mkfifo("gate")
            print("open", flush=True)
            with open("gate") as gate:
                gate.read()
            from steady import late
            return steady.version, late.version
        print(fairing.submit(wait).handle)
    """)
    said(job, "open")
    kernel.install(wheel(kernel.place, "steady", "2.0", __init__="version = 2", late="version = 2"))
    with (folder(job) / "work" / "gate").open("w"):
        pass
    assert job.result(trust=True) == (1, 1)


def test_pythonpath_and_the_user_site_are_not_seen(kernel, tmp_path):
    (tmp_path / "stray.py").write_text("here = True")
    user = tmp_path / "user" / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    user.mkdir(parents=True)
    (user / "strayed.py").write_text("here = True")
    (user / "usercustomize.py").write_text("import builtins; builtins.customized = True")
    job = kernel.run(
        """
        import fairing
        def look(names):
            import builtins, importlib.util, os, sys
            found = [name for name in names if importlib.util.find_spec(name)]
            kernel = [name for name in os.environ if name.startswith(("VIRTUAL_ENV", "CONDA", "JPY_", "PYTHONHOME"))]
            return found, hasattr(builtins, "customized"), kernel
        print(fairing.submit(look, args=(["stray", "strayed"],)).handle)
        """,
        PYTHONPATH=str(tmp_path),
        PYTHONUSERBASE=str(tmp_path / "user"),
        VIRTUAL_ENV=str(tmp_path),
        CONDA_PREFIX=str(tmp_path),
        JPY_PARENT_PID="1",
    )
    assert job.result(trust=True) == ([], False, [])


def test_the_folder_a_run_was_submitted_from_is_not_seen_and_may_be_renamed(kernel, tmp_path):
    project = tmp_path / "project"
    project.mkdir()
    (project / "aside.py").write_text("here = True")
    (project / "mine.py").write_text("def answer(): return 42")
    job = kernel.run(
        """
        import fairing, mine
        def look(name):
            import importlib.util, os
            os.mkfifo("gate")
            print("open", flush=True)
            with open("gate") as gate:
                gate.read()
            return mine.answer(), importlib.util.find_spec(name), os.listdir()
        print(fairing.submit(look, args=("aside",)).handle)
        """,
        cwd=project,
    )
    project.rename(tmp_path / "renamed")
    said(job, "open")
    with (folder(job) / "work" / "gate").open("w"):
        pass
    assert job.result(trust=True) == (42, None, ["gate"])


def test_the_working_folders_modules_shadow_nothing_of_the_runner():
    def look():
        import pathlib
        import signal

        if pathlib.Path("json.py").exists():
            return "second"
        for name in ("json", "secrets", "select", "fairing"):
            pathlib.Path(f"{name}.py").write_text("raise SystemExit('shadowed')")
        signal.raise_signal(signal.SIGKILL)
        return None

    assert fairing.train(look, retries=1) == "second"


def test_a_run_is_the_interpreter_of_its_kernel():
    def which():
        import sys

        return sys.version, sys.flags.no_user_site

    assert fairing.train(which) == (sys.version, 1)


def test_a_run_has_its_users_variables():
    def home():
        import os

        return os.environ["HOME"], os.environ["FAIRING_RUN"]

    job = fairing.submit(home)
    assert job.result() == (os.environ["HOME"], job.handle.parts[0])


def test_data_lies_in_the_working_folder_at_its_own_path():
    """What is named as data in an image is beside the code for modules, and in the working folder for ``open``."""
    import hashlib
    import pickle

    import cloudpickle

    from fairing import launch
    from fairing.image import Image
    from fairing.run.job import Job
    from fairing.spec import Bundle, Entry, File, Workload

    def read():
        with open("data/train.csv", "a+") as file:  # noqa: PTH123 - as people write it
            file.write("more\n")
            file.seek(0)
            return file.read()

    code = cloudpickle.dumps(read)
    entry = Entry("function", "entry.pkl", hashlib.sha256(code).hexdigest(), "read")
    files = (File("entry.pkl", code), File("data/train.csv", b"a,b\n"))
    bundle = Bundle(entry, files, ("cloudpickle",), (), sys.version.split()[0], data=("data/train.csv",))
    target = Target("local", "local", "append")
    workload = Workload("read", inputs=(File("arguments.pkl", pickle.dumps(((), {}))),))
    for _ in range(2):  # the first run wrote into its own copy
        job = Job(launch.launch(bundle, Image(), workload, target, lambda event: None))
        assert job.result(trust=True) == "a,b\nmore\n"
    assert isinstance(launch.build(bundle, Image(), target, lambda event: None), BuiltImage)

"""The user's own modules travel by source, transitively, and are imported in the run."""

import importlib
import importlib.util
import os
import sys
from pathlib import Path

import pytest

import fairing
from fairing.capture import modules
from fairing.capture.function import capture
from tests.conftest import missing


@pytest.fixture(autouse=True)
def fresh(project, monkeypatch):
    """A project on the path, whose modules are forgotten afterwards."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(project))
    importlib.invalidate_caches()
    yield project
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(project) in str(sys.modules[name].__file__):
            del sys.modules[name]


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    importlib.invalidate_caches()


def package(folder: Path, text: str = "") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "__init__.py").write_text(text)


def taken(captured):
    return sorted(file.path for file in captured.bundle.files if file.path != "entry.pkl")


def test_a_function_of_a_local_module_runs_from_its_source(project):
    write(project, helpers="from more import K\ndef scale(x):\n    return x * K\n", more="K = 3\n", unused="")
    from helpers import scale

    captured = capture(scale, (2,))
    assert taken(captured) == ["helpers.py", "more.py"]
    assert captured.report.modules == ("helpers", "more")
    assert fairing.train(scale, args=(2,)) == 6


def test_a_package_with_relative_imports_and_its_chain_of_inits(project):
    package(project / "pkg", "VERSION = 1\n")
    package(project / "pkg/deep")
    write(
        project,
        pkg__deep__model="from ..tools import double\nfrom . import near\ndef fit(x): return double(x) + near.ONE\n",
        pkg__deep__near="ONE = 1\n",
        pkg__tools="def double(x): return 2 * x\n",
        pkg__unused="1 / 0\n",
    )
    model = importlib.import_module("pkg.deep.model")

    def train(x):
        return model.fit(x)

    assert taken(capture(train, (2,))) == [
        "pkg/__init__.py",
        "pkg/deep/__init__.py",
        "pkg/deep/model.py",
        "pkg/deep/near.py",
        "pkg/tools.py",
    ]
    assert fairing.train(train, args=(2,)) == 5


def test_an_import_inside_a_function_that_never_ran_is_found(project):
    write(project, late="def value():\n    import later\n    return later.V\n", later="V = 4\n")

    def train():
        from late import value

        return value()

    assert taken(capture(train)) == ["late.py", "later.py"]
    assert "late" not in sys.modules
    assert fairing.train(train) == 4


def test_an_import_by_a_text_is_found(project):
    write(project, named="V = 5\n")

    def train():
        import importlib

        return importlib.import_module("named").V

    assert fairing.train(train) == 5


def test_other_texts_beside_an_import_by_a_text_are_no_modules(project):
    write(project, named="V = {'missing_one': 5}\n", missing_two="")

    def train():
        import importlib

        return importlib.import_module("named").V["missing_one"], "missing_two"

    report = fairing.preview(train)
    assert (report.modules, report.left_out) == (("named",), ())


def test_a_package_that_imports_its_parts_by_computed_names_is_taken_whole(project):
    package(
        project / "plugins",
        "import importlib, pkgutil\n"
        "ALL = [importlib.import_module(f'plugins.{m.name}').N for m in pkgutil.iter_modules(__path__)]\n",
    )
    write(project, plugins__a="N = 1\n", plugins__b="N = 2\n")

    def train():
        import plugins

        return plugins.ALL

    assert fairing.train(train) == [1, 2]


def test_a_src_layout(project, monkeypatch):
    package(project / "src/mine")
    write(project, src__mine__calc="def add(a, b): return a + b\n")
    monkeypatch.syspath_prepend(str(project / "src"))
    calc = importlib.import_module("mine.calc")
    captured = capture(calc.add, (1, 2))
    assert taken(captured) == ["src/mine/__init__.py", "src/mine/calc.py"]
    assert captured.bundle.roots == ("", "src")
    assert fairing.train(calc.add, args=(1, 2)) == 3


def test_a_module_outside_the_project_that_is_on_the_path_travels_too(project, tmp_path_factory, monkeypatch):
    other = tmp_path_factory.mktemp("other")
    write(other, shared_lib="def f(): return 'shared'\n")
    monkeypatch.syspath_prepend(str(other))
    shared = importlib.import_module("shared_lib")
    try:
        captured = capture(shared.f)
        (path,) = taken(captured)
        assert path.startswith("outside/")
        assert str(other.parent) not in path
        assert fairing.train(shared.f) == "shared"
    finally:
        del sys.modules["shared_lib"]


def test_a_namespace_package_of_the_project(project):
    write(project, space__inner="def f(): return 1\n")
    inner = importlib.import_module("space.inner")
    assert taken(capture(inner.f)) == ["space/inner.py"]
    assert fairing.train(inner.f) == 1


def test_installed_modules_do_not_travel_by_source_and_are_told_apart():
    def train():
        import numpy.linalg
        import yaml

        return numpy, yaml

    found = modules.collect([train.__code__], Path.cwd())
    assert found.files == ()
    assert {"numpy", "numpy.linalg", "yaml"} <= found.external
    assert "json" not in found.external


def test_a_folder_of_an_environment_inside_the_project_is_not_the_project_s(project):
    assert not modules.local(project / ".venv/lib/python3.11/site-packages/numpy/__init__.py")
    assert not modules.local(os.__file__)
    assert modules.local(project / "helpers.py")


def test_a_class_of_a_local_module_is_itself_when_it_returns(project):
    write(project, shapes="class Square:\n    side = 2\nclass TooBig(Exception): pass\ndef fail(): raise TooBig(3)\n")
    import shapes

    assert type(fairing.train(lambda: shapes.Square())) is shapes.Square
    with pytest.raises(shapes.TooBig):
        fairing.train(shapes.fail)


def test_a_module_made_by_code_travels_by_value():
    import types

    made = types.ModuleType("made_by_code")
    exec("def f(x): return x + y\ny = 2", made.__dict__)
    sys.modules["made_by_code"] = made
    try:
        assert fairing.train(made.f, args=(1,)) == 3
    finally:
        del sys.modules["made_by_code"]


def test_a_module_edited_since_it_was_imported_is_reported_and_the_file_is_what_runs(project):
    write(project, edited_one="def f():\n    return 'old'\n")
    import edited_one

    assert capture(edited_one.f).report.warnings == ()
    write(project, edited_one="def f():\n    return 'newer'\n")
    (warning,) = capture(edited_one.f).report.warnings
    assert warning.startswith("edited_one.py was edited after it was imported here")
    assert fairing.train(edited_one.f) == "newer"


def test_a_change_of_the_same_length_in_the_same_second_is_reported_too(project):
    write(project, edited_two="def f():\n    return 1\n")
    import edited_two

    file = project / "edited_two.py"
    at = file.stat().st_mtime_ns
    file.write_text("def f():\n    return 2\n")
    os.utime(file, ns=(at, at + 1))
    assert [each[:13] for each in capture(edited_two.f).report.warnings] == ["edited_two.py"]


def test_a_constant_that_was_changed_in_the_session_is_reported(project):
    write(project, settings_mod="DEPTH = 3\ndef f(): return DEPTH\n")
    import settings_mod

    settings_mod.DEPTH = 8
    assert capture(settings_mod.f).report.warnings == (
        "settings_mod.DEPTH was changed here: the run sees what settings_mod.py says.",
    )
    assert fairing.train(settings_mod.f) == 3


def test_the_project_is_found_from_its_folders(project):
    (project / "notebooks/deep").mkdir(parents=True)
    assert modules.project(project / "notebooks/deep") == project
    (project / "pyproject.toml").unlink()
    assert modules.project(project / "notebooks") in {project / "notebooks", *project.parents}


def test_the_project_may_be_gone_once_the_run_is_submitted(project):
    write(project, gone="def f():\n    from gone_too import V\n    return V\n", gone_too="V = 9\n")
    import gone

    job = fairing.submit(gone.f)
    project.rename(project.with_name("renamed"))
    try:
        assert job.result() == 9
    finally:
        project.with_name("renamed").rename(project)


def test_the_reason_for_a_requirement_names_the_module_that_imports_it(project):
    write(project, reader="import yaml\ndef f(): return yaml\n")
    import reader

    assert ("pyyaml", "import in reader") in capture(reader.f).report.requirements


def test_an_editable_install_travels_by_source(project, tmp_path_factory, monkeypatch):
    """A real one: built and installed by uv into a folder of its own."""
    import site
    import subprocess

    if importlib.util.find_spec("hatchling") is None:
        missing("hatchling is not installed")
    home = tmp_path_factory.mktemp("editable")
    package(home / "src/workshop")
    write(home, src__workshop__tools="def f(): return 'editable'\n")
    (home / "pyproject.toml").write_text(
        "[build-system]\nrequires = ['hatchling']\nbuild-backend = 'hatchling.build'\n"
        "[project]\nname = 'workshop'\nversion = '1'\n[tool.hatch.build]\ndev-mode-dirs = ['src']\n"
    )
    installed = tmp_path_factory.mktemp("installed") / "site-packages"
    uv = Path(sys.executable).with_name("uv")
    command = [uv, "pip", "install", "--quiet", "--offline", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--python", sys.executable, "--target", installed, "--editable", home], check=True)
    monkeypatch.setattr(sys, "path", [*sys.path])
    site.addsitedir(str(installed))
    tools = importlib.import_module("workshop.tools")
    try:
        captured = capture(tools.f)
        assert [path.rpartition("/workshop/")[2] for path in taken(captured)] == ["__init__.py", "tools.py"]
        assert fairing.train(tools.f) == "editable"
    finally:
        for name in ("workshop.tools", "workshop"):
            del sys.modules[name]

"""What code needs is found and is there in the run, at the kernel's versions: real environments, real runs."""

import json
import subprocess
import sys

import nbformat
import pytest
from nbclient import NotebookClient

from tests.conftest import missing, needs
from tests.versions.lanes import ROOT, UV


def test_an_import_in_an_earlier_cell_is_taken_along(place, monkeypatch):
    place.install(place.wheel("tiny-tools", "2.5", {"tinytools.py": "def twice(n): return 2 * n\n"}))
    cells = [
        "import fairing\nimport tinytools",
        "def double(n):\n    return tinytools.twice(n), tinytools.__file__",
        "value, file = fairing.train(double, args=(4,))\nvalue, '/trees/' in file",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    monkeypatch.setenv("JUPYTER_PATH", str(place.kernel("place")))
    NotebookClient(notebook, kernel_name="place", timeout=60).execute(cwd=str(place.work))
    (result,) = (each for each in notebook.cells[2].outputs if each.output_type == "execute_result")
    assert result.data["text/plain"] == "(8, True)"


def test_the_kernel_itself_is_no_engine_of_what_runs_in_it(place, monkeypatch):
    cells = [
        "import fairing\nfrom IPython.display import display",
        "def f():\n    display(1)",
        "[name for name, _ in fairing.submit(f).report.requirements]",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    monkeypatch.setenv("JUPYTER_PATH", str(place.kernel("place")))
    NotebookClient(notebook, kernel_name="place", timeout=60).execute(cwd=str(place.work))
    (result,) = (each for each in notebook.cells[2].outputs if each.output_type == "execute_result")
    assert result.data["text/plain"] == "['cloudpickle', 'ipython']"


def test_what_is_stated_for_a_notebook_or_a_script_is_taken_along(place):
    place.install(place.wheel("plugin", "3.0"))
    source = "from importlib.metadata import version\nassert version('plugin') == '3.0'"
    (place.work / "script.py").write_text(source)
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)]), place.work / "book.ipynb")
    for subject in ("book.ipynb", "script.py"):
        code = f"import fairing\njob = fairing.submit({subject!r}{{}})\njob.result()"
        assert place.run(code.format(""), check=False).returncode
        assert place.run(code.format(", requirements=['plugin']"), check=False).returncode == 0, place.errors


def test_a_name_imported_from_a_module_brings_its_package_and_what_that_requires(place):
    place.wheel("below", "3.1", {"below.py": "DEPTH = 31\n"})
    place.install(place.wheel("above", files={"above/__init__.py": "from below import DEPTH\n"}, requires=["below>=3"]))
    answer = place.run("""
from above import DEPTH
import fairing
def f():
    from above import DEPTH
    from importlib.metadata import version
    return DEPTH, version("above"), version("below")
answer = fairing.train(f)
""")
    assert answer == [31, "1.0", "3.1"]


def test_what_only_a_captured_value_needs_is_taken_along(place):
    place.install(place.wheel("shapes", files={"shapes.py": "class Square:\n    side = 3\n"}))
    answer = place.run("""
import fairing, importlib
square = importlib.import_module("shapes").Square()
def f():
    return square.side
job = fairing.submit(f)
answer = job.result(), [reason for name, reason in job.report.requirements if name == "shapes"]
""")
    assert answer == [3, ["captured shapes.Square"]]


def test_what_only_an_argument_needs_is_taken_along(place):
    place.install(place.wheel("shapes", files={"shapes.py": "class Square:\n    side = 3\n"}))
    answer = place.run("""
import fairing, shapes
answer = fairing.train(lambda square: square.side, args=(shapes.Square(),))
""")
    assert answer == 3


def test_nothing_that_is_not_needed_is_there_in_the_run(place):
    place.install(place.wheel("needed"), place.wheel("unneeded"))
    answer = place.run("""
import fairing, needed, unneeded
def f():
    import importlib.util
    needed
    return [bool(importlib.util.find_spec(name)) for name in ("needed", "unneeded", "pandas")]
answer = fairing.train(f)
""")
    assert answer == [True, False, False]


def test_of_a_shared_namespace_only_the_part_that_is_imported_is_taken(place):
    for part in ("one", "two"):
        place.wheel(f"shared-{part}", files={f"shared/{part}/__init__.py": f"PART = {part!r}\n"})
    place.install("shared-one", "shared-two")
    answer = place.run("""
import fairing
import shared.two
def f():
    import shared.one, importlib.util
    return shared.one.PART, bool(importlib.util.find_spec(".".join(["shared", "two"])))
job = fairing.submit(f)
answer = job.result(), [name for name, _ in job.report.requirements]
""")
    assert answer == [["one", False], ["cloudpickle", "shared-one"]]


def test_a_namespace_of_two_distributions_is_whole_in_the_run(place):
    for part in ("one", "two"):
        place.wheel(f"shared-{part}", files={f"shared/{part}.py": f"PART = {part!r}\n"})
    place.install("shared-one", "shared-two")
    answer = place.run("""
import fairing
from shared import one, two
answer = fairing.train(lambda: (one.PART, two.PART))
""")
    assert answer == ["one", "two"]


def test_a_namespace_in_a_namespace_is_found_without_being_imported_here(place):
    for part in ("one", "two"):
        place.wheel(f"deep-{part}", files={f"outer/inner/{part}/__init__.py": f"PART = {part!r}\n"})
    place.install("deep-one", "deep-two")
    answer = place.run("""
import fairing
def f():
    import outer.inner.one
    return outer.inner.one.PART
job = fairing.submit(f)
answer = job.result(), [name for name, _ in job.report.requirements], "outer" in __import__("sys").modules
""")
    assert answer == ["one", ["cloudpickle", "deep-one"], False]


def test_a_local_version_runs_as_it_is(place):
    place.install(place.wheel("patched-tool", "1.4+mine.2", {"ptool.py": "BUILD = 'mine'\n"}))
    answer = place.run("""
import fairing, ptool
def f():
    from importlib.metadata import version
    return ptool.BUILD, version("patched-tool")
answer = fairing.train(f)
""")
    assert answer == ["mine", "1.4+mine.2"]


def test_an_editable_install_travels_by_source_with_its_requirements_and_its_version(place):
    place.wheel("below", files={"below.py": "DEPTH = 31\n"})
    project = place.folder / "project"
    (project / "src" / "mine").mkdir(parents=True)
    (project / "src" / "mine" / "__init__.py").write_text(
        "from importlib.metadata import version\nVERSION = version('my-project')\n"
        "def depth():\n    import below\n    return below.DEPTH\n"
    )
    (project / "pyproject.toml").write_text(
        "[build-system]\nrequires = ['hatchling']\nbuild-backend = 'hatchling.build'\n"
        "[project]\nname = 'my-project'\nversion = '0.7'\ndependencies = ['below']\n"
        "[tool.hatch.build]\ndev-mode-dirs = ['src']\n[tool.hatch.build.targets.wheel]\npackages = ['src/mine']\n"
    )
    place.install("--editable", str(project))
    answer = place.run(f"""
import fairing, mine, pathlib
def f():
    return mine.VERSION, mine.depth(), mine.__file__
job = fairing.submit(f)
pathlib.Path({str(project)!r}).rename({str(place.folder / "away")!r})
answer = job.result(), [name for name, _ in job.report.requirements]
""")
    (version, depth, file), required = answer
    assert (version, depth) == ("0.7", 31)
    assert not file.startswith(str(place.folder / "project"))
    assert "my-project" in required


def test_a_distribution_of_the_first_entry_of_the_path_wins(place):
    place.install(place.wheel("cloudpickle", "99.0", {"cloudpickle_probe.py": "WHERE = 'first'\n"}))
    answer = place.run("""
from fairing.environment.index import distributions
answer = distributions()["cloudpickle"].version
""")
    assert answer == "99.0"


def test_a_module_that_is_nowhere_is_left_out_and_said(place):
    answer = place.run("""
import fairing
def f():
    try:
        import no_such_module_at_all
    except ImportError:
        return "went on"
job = fairing.submit(f)
answer = job.result(), dict(job.report.left_out)
""")
    assert answer == [
        "went on",
        {"no_such_module_at_all": "import in f, but no such module is installed here"},
    ]


def test_a_package_upgraded_while_the_run_goes_on_does_not_disturb_it(place):
    place.install(place.wheel("moving", "1.0", {"moving/__init__.py": "", "moving/late.py": "V = 1\n"}))
    place.wheel("moving", "2.0", {"moving/__init__.py": "", "moving/late.py": "V = 2\n"})
    answer = place.run(f"""
import fairing, moving, subprocess, pathlib
gate = pathlib.Path("gate").absolute()
import os; os.mkfifo(gate)
def f(gate):
    open(gate).read()
    from moving import late
    return late.V
job = fairing.submit(f, args=(str(gate),))
command = [{str(UV)!r}, "pip", "install", "-q", "--no-index", "--find-links", {str(place.folder / "wheels")!r}]
subprocess.run([*command, "--python", {str(place.python)!r}, "moving==2.0"], check=True)
gate.write_text("on")
answer = job.result(), fairing.train(lambda: __import__("moving").late.V if __import__("moving.late") else 0)
""")
    assert answer == [1, 2]


def test_everything_works_without_a_network(place):
    unshare = needs("unshare")
    if subprocess.run([unshare, "-rn", "true"], capture_output=True).returncode:
        missing("a network cannot be taken away here")
    place.install(place.wheel("tiny-tools", files={"tinytools.py": "N = 5\n"}))
    answer = place.run(
        "import fairing, tinytools\nanswer = fairing.train(lambda: tinytools.N)", before=(unshare, "-rn")
    )
    assert answer == 5


@pytest.mark.parametrize("name", ["pandas", "sklearn"])
def test_real_packages_are_taken_whole(name, place):
    pytest.importorskip(name)
    answer = place.run(f"""
import fairing, pandas, sklearn.linear_model, sys
table = pandas.DataFrame({{"x": [1.0, 2.0, 3.0], "y": [2.0, 4.0, 6.0]}})
def with_pandas():
    return float(table.y.sum())
def with_sklearn():
    from sklearn.linear_model import LinearRegression
    return round(float(LinearRegression().fit([[1], [2]], [2, 4]).coef_[0]), 3)
answer = fairing.train(with_{name})
""")
    assert answer == {"pandas": 12.0, "sklearn": 2.0}[name]


def test_a_parquet_file_is_read_with_the_engine_that_pandas_has_loaded(place):
    pytest.importorskip("pyarrow")
    answer = place.run("""
import fairing, pandas
pandas.DataFrame({"x": [1, 2, 3]}).to_parquet("table.parquet")
job = fairing.submit(lambda: int(pandas.read_parquet("table.parquet").x.sum()), include=["table.parquet"])
answer = job.result(), dict(job.report.requirements)["pyarrow"]
""")
    assert answer == [6, "loaded here, and pandas works with it"]


def test_an_engine_that_is_not_loaded_is_not_taken(place):
    place.wheel("engine")
    place.install(place.wheel("front", extras=["fast"], requires=['engine; extra == "fast"']), "engine")
    code = """
import sys
from fairing.capture.dependencies import find
{}
answer = [name for name, _ in find(["front"])]
"""
    assert place.run(code.format("")) == ["cloudpickle", "front"]
    assert place.run(code.format("import engine")) == ["cloudpickle", "engine", "front"]


@pytest.mark.parametrize("used", ["papermill", "kubernetes", "docker"])
def test_what_is_loaded_because_we_used_it_is_no_engine(place, used):
    place.wheel("engine")
    place.wheel(used, requires=["engine"])
    front = place.wheel("front", extras=["fast"], requires=['engine; extra == "fast"'])
    place.install(front, used)
    code = "import {}\nfrom fairing.capture.dependencies import find\nanswer = [name for name, _ in find(['front'])]"
    assert place.run(code.format("engine")) == ["cloudpickle", "engine", "front"]
    assert place.run(code.format(f"engine, {used}")) == ["cloudpickle", "front"]


def test_what_only_a_package_s_own_tests_need_is_no_engine_of_it(place):
    place.wheel("engine")
    place.install(place.wheel("front", extras=["test_extra"], requires=['engine; extra == "test_extra"']), "engine")
    code = (
        "import engine\nfrom fairing.capture.dependencies import find\nanswer = [name for name, _ in find(['front'])]"
    )
    assert place.run(code) == ["cloudpickle", "front"]


def test_extras_markers_and_circles_are_followed_as_an_installer_does(place):
    place.wheel("plain")
    place.wheel("windows-only")
    place.wheel("inner", requires=['plain; extra == "deep"', "circle"], extras=["deep"])
    place.wheel("circle", requires=["outer[full]"])
    requires = ['inner[deep]; extra == "full" and python_version >= "3"', 'windows-only; sys_platform == "win32"']
    place.install(place.wheel("outer", requires=requires, extras=["full"]), "outer[full]", "windows-only")
    answer = place.run("""
from fairing.environment.closure import closure
def names(*of): return [each.name for each in closure(of).found]
answer = names("outer"), names("Outer[Full]"), names("circle"), closure(["inner", "gone"]).absent
""")
    everything = ["circle", "inner", "outer", "plain"]
    assert answer == [["outer"], everything, everything, [["gone", ""]]]


def test_the_opcodes_of_a_pickle_tell_every_module_that_loading_it_imports():
    code = """
import collections, fractions, io, pickle, sys, decimal
import cloudpickle
from tests.opcodes import modules
class Noting(pickle.Unpickler):
    def find_class(self, module, name):
        seen.add(module)
        return super().find_class(module, name)
text = "a" * 300
def uses():
    return fractions.Fraction(1, 3), decimal, collections.OrderedDict(a=1), text
values = [uses, [fractions.Fraction(1, 3)] * 2, {text: [1.5, b"c" * 70000, 2**90, "numpy"]}]
values.append([(f"{number}" * 40, decimal.Decimal(number)) for number in range(3000)])
values.append([collections.Counter("ab")] * 3)
for value in values:
    for protocol in (2, 3, 4, 5):
        data = cloudpickle.dumps(value, protocol=protocol)
        seen = set()
        Noting(io.BytesIO(data)).load()
        assert seen <= set(modules(data)), (value, protocol)
        assert "numpy" not in modules(data)
assert "decimal" in modules(cloudpickle.dumps(uses))
print(json.dumps("fine"))
"""
    ran = subprocess.run([sys.executable, "-c", f"import json\n{code}"], cwd=ROOT, capture_output=True, text=True)
    assert ran.stdout.strip() and json.loads(ran.stdout) == "fine", ran.stderr

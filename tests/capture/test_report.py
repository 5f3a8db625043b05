"""What was taken is shown before anything is built: in one block of text, and in a cell."""

import html
import re

import pytest

import fairing
from fairing.capture import report as drawing
from fairing.capture.hints import hint
from fairing.errors import CaptureError
from fairing.spec import Global, Report

WHOLE = Report(
    entry="train",
    kind="function",
    files=(("data/train.csv", 12_345),),
    modules=("helpers", "pkg.model"),
    globals=(Global("depth", "int", 5), Global("table", "DataFrame", 3_400_000)),
    requirements=(("numpy", "import in train"), ("pandas", "captured pandas.DataFrame")),
    left_out=((".env", "looks like a secret: name it exactly to take it"),),
    warnings=("table (DataFrame) has 3.4 MB and travels each time.",),
)


def test_the_block_names_everything_in_aligned_lines():
    assert drawing.text(WHOLE) == (
        "train (function)\n"
        "  modules       helpers, pkg.model\n"
        "  names         table (DataFrame, 3.4 MB), depth (int, 5 bytes)\n"
        "  files         data/train.csv (12.3 kB)\n"
        "  requirements  numpy, pandas\n"
        "  left out      .env: looks like a secret: name it exactly to take it\n"
        "  warnings      table (DataFrame) has 3.4 MB and travels each time."
    )


def test_the_whole_report_gives_the_reason_of_each_requirement():
    assert "  requirements  numpy (import in train)\n                pandas (captured pandas.DataFrame)\n" in str(WHOLE)


def test_the_short_form_says_how_many_more_there_are_and_the_whole_names_them_all():
    many = Report("train", "function", modules=tuple(f"module_{at}" for at in range(40)))
    assert "and 34 more" in drawing.text(many)
    assert "module_39" not in drawing.text(many)
    assert "module_39" in str(many)
    assert max(map(len, str(many).splitlines())) <= drawing.WIDTH


def test_the_html_says_the_same_and_escapes_names():
    odd = Report("<lambda>", "function", files=(("<b>.csv", 1),))
    shown = drawing.html(odd)
    assert "<b>.csv" not in shown
    assert "&lt;lambda&gt;" in shown
    words = html.unescape(re.sub(r"<[^>]+>", " ", WHOLE._repr_html_()))
    for word in ("helpers", "3.4 MB", "data/train.csv", "import in train", "looks like a secret"):
        assert word in words


def test_a_preview_captures_and_runs_nothing(project, fairing_home):
    (project / "seen.txt").write_text("x")

    def train():
        (project / "ran").touch()

    def made():
        return {path for place in ("runs", "store/trees", "store/blobs") for path in (fairing_home / place).rglob("*")}

    before = made()
    report = fairing.preview(train, include=["seen.txt"])
    assert (report.entry, report.kind, report.files) == ("train", "function", (("seen.txt", 1),))
    assert not (project / "ran").exists()
    assert made() == before


def test_a_preview_and_a_build_need_no_arguments():
    def train(depth):
        return depth

    assert fairing.preview(train).entry == "train"
    assert fairing.build(train).entry.name == "train"
    with pytest.raises(CaptureError, match="it has no parameter 'deep'"):
        fairing.preview(train, kwargs={"deep": 8})


def test_a_preview_says_what_would_be_made_and_what_is_ready():
    from decimal import Decimal

    def train():
        return Decimal(1)

    fairing.train(train)
    assert fairing.preview(train).new[0] == ("dependencies", "1 package, ready")
    assert fairing.preview(train, dependencies="resolved").new[0] == ("dependencies", "found by uv before the run")
    assert "  build         dependencies: 1 package, ready\n                code: 1 file, " in str(
        fairing.preview(train)
    )


def test_the_report_is_shown_by_a_kernel_as_html_and_as_text(kernel):
    kernel("def shown(): return 1")
    kernel("from IPython.core.interactiveshell import InteractiveShell\nreport = fairing.preview(shown)")
    kernel("data, _ = get_ipython().display_formatter.format(report)")
    assert kernel.value("sorted(data)") == "['text/html', 'text/plain']"
    assert kernel.value("data['text/plain'].splitlines()[0]") == "shown (function)"


def test_a_job_keeps_the_whole_report():
    job = fairing.submit(pow, args=(2, 3))
    try:
        assert job.report.entry == "pow"
        assert str(job.report).startswith("pow (function)")
    finally:
        job.result()


@pytest.fixture
def files(project):
    (project / "data").mkdir()
    (project / "data/train.csv").write_text("a,b\n")
    return project


def test_a_missing_path_that_exists_here_gives_the_option(files):
    assert hint("data/train.csv") == "It is here: take it along with include=['data/train.csv']."
    assert hint("./data/train.csv") == hint("data/train.csv")
    assert hint(str(files / "data/train.csv")) == (
        "It is here: take it along with include=['data/train.csv'] and open it as 'data/train.csv'."
    )
    assert "include=['data']" in hint("data")


def test_a_missing_path_above_the_notebook_s_folder_gives_the_option(files, monkeypatch):
    (files / "notebooks").mkdir()
    monkeypatch.chdir(files / "notebooks")
    assert hint("../data/train.csv") == (
        "It is here: take it along with include=['data/train.csv'] and open it as 'data/train.csv'."
    )
    assert fairing.preview(len, args=([],), include=["data/train.csv"]).files == (("data/train.csv", 4),)


def test_a_missing_path_that_is_nowhere_gives_nothing(files):
    assert hint("data/other.csv") == ""
    assert hint("/nowhere/at/all") == ""


def test_a_missing_path_outside_the_project_says_so(files, tmp_path_factory):
    other = tmp_path_factory.mktemp("other") / "x.csv"
    other.write_text("x")
    assert "outside of the project" in hint(str(other))


def test_a_missing_module_that_is_installed_gives_the_option():
    assert hint("yaml") == "It is installed here: take it along with requirements=['pyyaml']."
    assert hint("no_such_module_at_all") == ""


def test_a_missing_module_of_yours_elsewhere_says_how_it_is_found(files, tmp_path_factory, monkeypatch):
    other = tmp_path_factory.mktemp("elsewhere")
    (other / "mine_alone.py").write_text("")
    monkeypatch.syspath_prepend(str(other))
    assert "import it in the function" in hint("mine_alone")


def test_a_run_that_misses_a_file_that_exists_here_names_the_option(files):
    def read():
        from pathlib import Path

        return Path("data/train.csv").read_text()

    with pytest.raises(FileNotFoundError) as caught:
        fairing.train(read)
    assert "include=['data/train.csv']" in str(caught.value.__cause__)


def test_a_run_that_misses_a_module_that_is_installed_here_names_the_option():
    def parse():
        import importlib

        return importlib.import_module("".join(("ya", "ml")))

    with pytest.raises(ModuleNotFoundError) as caught:
        fairing.train(parse)
    assert "requirements=['pyyaml']" in str(caught.value.__cause__)
    assert fairing.train(lambda: __import__("".join(("ya", "ml"))).safe_load("a: 1"), requirements=["pyyaml"]) == {
        "a": 1
    }


def test_a_run_that_misses_a_module_of_the_project_names_the_option(files, monkeypatch):
    (files / "by_computed_name.py").write_text("V = 3\n")
    monkeypatch.syspath_prepend(str(files))

    def load():
        import importlib

        return importlib.import_module("_".join(("by", "computed", "name"))).V

    with pytest.raises(ModuleNotFoundError) as caught:
        fairing.train(load)
    assert "include=['by_computed_name.py']" in str(caught.value.__cause__)
    assert fairing.train(load, include=["by_computed_name.py"]) == 3

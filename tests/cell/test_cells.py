"""A cell runs elsewhere as it would run here."""

import pytest

import fairing
from fairing.errors import CaptureError, RunFailed


@pytest.fixture
def notebook():
    """The names of a notebook, set by the text of cells; functions share them, as a kernel's do."""
    names = {"__name__": "__main__"}

    def cell(text):
        exec(text, names)
        return names

    cell.names = names
    return cell


def brought(names, text, *bring, **options):
    fairing.run_cell(text, names, bring, **options)
    return [names.get(name) for name in bring]


def test_functions_of_the_notebook_see_what_the_cell_sets(notebook):
    names = notebook("depth = 1\ndef read():\n    return depth\nclass Box:\n    def get(self):\n        return read()")
    assert brought(names, "depth = 9\na = read(), Box().get()", "a") == [(9, 9)]
    assert names["depth"] == 1


def test_classes_of_a_cell_come_back_and_work(notebook):
    names = notebook("")
    fairing.run_cell(
        "class Point:\n    x = 3\n    def up(self):\n        return self.x + 1\np = Point()", names, ["Point", "p"]
    )
    assert isinstance(names["p"], names["Point"])
    assert names["p"].up() == 4


def test_all_that_can_be_pickled_comes_back_on_a_star_and_the_rest_is_named(notebook, capsys):
    names = notebook("given = [1]")
    fairing.run_cell("import threading\na = given + [2]\nb = 'x'\nlock = threading.Lock()", names, ["*"])
    assert (names["a"], names["b"]) == ([1, 2], "x")
    assert "lock" not in names and "threading" not in names
    assert "Not brought back: lock (lock)." in capsys.readouterr().out


def test_without_asking_nothing_comes_back_and_the_last_line_says_what_was_set(notebook, capsys):
    names = notebook("a = 1")
    before = dict(names)
    fairing.run_cell("a = 2\nb = 3\n_hidden = 4\nprint('done')", names)
    assert names == before
    lines = capsys.readouterr().out.splitlines()
    said = lines.index("Not brought back: a (int), b (int).")
    assert lines[said - 1] == "done"


def test_only_what_the_cell_reads_travels(notebook):
    names = notebook("import threading\nlock = threading.Lock()\nsmall = 2")
    assert brought(names, "a = small", "a") == [2]
    with pytest.raises(CaptureError, match="lock"):
        fairing.run_cell("lock.acquire()", names)


def test_what_the_cell_sets_first_does_not_travel(notebook):
    names = notebook("import threading\nhandle = threading.Lock()")
    assert brought(names, "handle = 3\na = handle", "a") == [3]


@pytest.mark.parametrize(
    ("text", "shown"),
    [("6 * 7", True), ("6 * 7;", False), ("6 * 7  # a; comment", True), ("x = 42", False), ("None", False)],
)
def test_the_last_expression_is_shown_unless_a_semicolon_silences_it(notebook, capsys, text, shown):
    fairing.run_cell(text, notebook(""))
    assert ("42" in capsys.readouterr().out.split()) is shown


def test_await_works_at_the_top_and_tasks_live_to_the_last_line(notebook):
    names = notebook("async def later(x):\n    import asyncio\n    await asyncio.sleep(0)\n    return x + 1")
    text = "import asyncio\nt = asyncio.ensure_future(later(1))\na = await later(40)\nb = a + await t\nawait later(1)"
    assert brought(names, text, "a", "b") == [41, 43]


def test_a_cell_that_runs_its_own_loop_may(notebook):
    text = "import asyncio\nasync def f():\n    return 5\na = asyncio.run(f())"
    assert brought(notebook(""), text, "a") == [5]


def test_shell_lines_and_timing_work(notebook, capsys):
    text = (
        "who = 'me'\nlines = !echo {who} $n; echo two\n!echo shown-$who\n%env LEVEL=7\n"
        "%timeit -n 2 -r 2 n\n%time b = n + 1\nimport os\nc = os.environ['LEVEL']"
    )
    names = notebook("n = 3")
    assert brought(names, text, "lines", "b", "c") == [["me 3", "two"], 4, "7"]
    out = capsys.readouterr().out
    assert "shown-me" in out
    assert "per loop (2 runs, 2 loops each)" in out
    assert "Wall time" in out


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("%prun f()", "The magic %prun cannot run elsewhere"),
        ("x = 1\n%sql select 1", "The magic %sql cannot run elsewhere"),
        ("%%bash\nls", "The cell magic %%bash cannot run elsewhere"),
        ("%pip install pandas", "--requirements pandas"),
        ("get_ipython().kernel", r"get_ipython\(\) is this notebook's shell"),
        ("%fairing jobs", "The magic %fairing cannot run elsewhere"),
        ("", "no code"),
        ("x = (", "not Python"),
        ("return 3", "'return' outside function"),
    ],
)
def test_what_cannot_run_elsewhere_is_refused_in_words_before_the_run(notebook, text, says):
    before = len(fairing.jobs())
    with pytest.raises(CaptureError, match=says):
        fairing.run_cell(text, notebook("f = print"))
    assert len(fairing.jobs()) == before


def test_a_traceback_has_the_lines_of_the_cell_and_of_its_functions(notebook):
    with pytest.raises(ZeroDivisionError) as raised:
        fairing.run_cell("\ndef share(n):\n    return 1 / n\n\nshare(0)\n", notebook(""))
    assert isinstance(raised.value.__cause__, RunFailed)
    text = "\n".join(raised.value._render_traceback_())
    assert 'File "cell", line 5, in <module>' in text
    assert 'File "cell", line 3, in share' in text
    assert "return 1 / n" in text
    assert "fairing/runtime" not in text


def test_a_cell_that_leaves_with_a_code_has_failed(notebook):
    with pytest.raises(RunFailed):
        fairing.run_cell("import sys\nsys.exit(3)", notebook(""))
    fairing.run_cell("import sys\nsys.exit()", notebook(""))


def test_what_the_cell_pickles_by_name_is_found_in_main(notebook):
    text = "import pickle\nclass K:\n    pass\nsame = type(pickle.loads(pickle.dumps(K()))) is K"
    assert brought(notebook(""), text, "same") == [True]


def test_a_cell_reads_local_modules_and_takes_files(notebook, tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "local_helper_of_cells.py").write_text("VALUE = 5\n")
    (tmp_path / "data.txt").write_text("7")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    text = "import local_helper_of_cells\na = local_helper_of_cells.VALUE, open('data.txt').read()"
    assert brought(notebook(""), text, "a", include=["data.txt"]) == [(5, "7")]


def test_a_credential_in_the_text_of_a_cell_is_refused(notebook):
    with pytest.raises(CaptureError, match="cell"):
        fairing.run_cell("key = 'AKIA" + "Z7QX2M4N8P5R3T6V'\nprint(key)", notebook(""))


def test_a_cell_can_be_started_and_its_names_taken_later(notebook):
    job = fairing.run_cell("a = 1\nb = 2", notebook(""), ["a"], wait=False)
    assert job.result() == {"a": 1}

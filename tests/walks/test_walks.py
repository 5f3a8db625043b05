"""The five walks, as a person takes them: from what is in front of them to what comes back."""

import json
import logging
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

import fairing
from fairing.errors import ConfigError


def executed(*cells):
    """Run cells in a kernel of their own; return their outputs, cell by cell."""
    from nbclient import NotebookClient

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    return [cell.outputs for cell in notebook.cells]


def text(outputs):
    return "".join(output.get("text", "") for output in outputs)


def test_a_function_goes_out_and_its_output_value_and_files_come_back(target, capsys, tmp_path):
    def train(depth):
        print("depth", depth)
        Path("model.txt").write_text("leaf " * depth)
        return {"depth": depth}

    job = fairing.submit(train, kwargs={"depth": 3}, target=target)
    assert job.result() == {"depth": 3}
    assert "depth 3\n" in job.logs()
    (model,) = job.download("*.txt", to=tmp_path)
    assert model.read_text() == "leaf leaf leaf "


def test_a_cell_goes_out_and_the_names_asked_for_come_back(target):
    outputs = executed(
        "%load_ext fairing\nfactor = 7",
        f"%%fairing --target {target} -o product\nproduct = factor * 6\nprint('multiplied')",
        "product",
    )
    assert "multiplied\n" in text(outputs[1])
    assert outputs[2][0]["data"]["text/plain"] == "42"


def test_a_notebook_goes_out_by_papermill_and_comes_back_executed(target, tmp_path, monkeypatch):
    import papermill

    monkeypatch.setenv("FAIRING_TARGET", target)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("print('from the run')\n6 * 7")])
    nbformat.write(notebook, tmp_path / "in.ipynb")
    papermill.execute_notebook(tmp_path / "in.ipynb", tmp_path / "out.ipynb", engine_name="fairing", progress_bar=False)
    (cell,) = nbformat.read(tmp_path / "out.ipynb", as_version=4).cells
    assert [output.output_type for output in cell.outputs] == ["stream", "execute_result"]


def test_a_run_is_followed_from_another_process_by_its_handle(target):
    def train():
        print("seen from elsewhere")
        return 42

    job = fairing.submit(train, target=target)
    code = f"import fairing; job = fairing.attach({str(job.handle)!r}); print(job.result()); print(job.logs())"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == ["42", "seen from elsewhere", ""]


def test_a_bound_function_stays_here_when_called_and_runs_there_when_asked(target):
    import os

    @fairing.remote(target=target)
    def where():
        return os.getpid()

    assert where() == os.getpid() != where.remote()


def test_logging_comes_out_at_the_level_of_this_process(target):
    def train():
        logging.getLogger("model").info("fitted")

    root = logging.getLogger()
    before = root.level
    try:
        root.setLevel(logging.INFO)
        loud = fairing.submit(train, target=target)
        root.setLevel(logging.WARNING)
        quiet = fairing.submit(train, target=target)
    finally:
        root.setLevel(before)
    loud.wait(), quiet.wait()
    assert ("fitted" in loud.logs(), "fitted" in quiet.logs()) == (True, False)


def test_a_secret_is_there_in_the_run_and_stands_in_nothing_that_is_kept(target, monkeypatch, fairing_home):
    import os

    value = "planted-7f3a9c2e"
    monkeypatch.setenv("SERVICE_KEY", value)

    def train():
        return os.environ["SERVICE_KEY"][::-1]

    job = fairing.submit(train, secrets=["SERVICE_KEY"], target=target)
    assert job.result()[::-1] == value
    kept = [path for path in fairing_home.rglob("*") if path.is_file() and value.encode() in path.read_bytes()]
    assert kept == []


def test_a_secret_without_a_value_is_refused_before_anything_is_made(target):
    with pytest.raises(ConfigError, match="SERVICE_KEY"):
        fairing.submit(print, secrets=["SERVICE_KEY"], target=target)


def test_nothing_of_a_run_that_was_deleted_is_left(target, fairing_home):
    job = fairing.submit(json.dumps, args=([1],), target=target)
    assert job.result() == "[1]"
    job.delete()
    assert str(job.handle) not in [str(each.handle) for each in fairing.jobs(target=target)]

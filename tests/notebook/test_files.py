"""Notebook files, whatever is in them: taken, or refused in one sentence before anything is made."""

import json
from pathlib import Path

import nbformat
import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from nbformat import v4

import fairing
from fairing.api import start
from fairing.capture import ipynb
from fairing.capture import notebook as notebooks
from fairing.config.options import Options
from fairing.errors import CaptureError, ConfigError
from tests.notebook.conftest import write

JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(), inner, max_size=4),
    max_leaves=12,
)
LIKELY = some.fixed_dictionaries(
    {},
    optional={
        "nbformat": some.sampled_from([4, 3, 2, 1, 5, 0, -1, None, "4", 4.0]),
        "nbformat_minor": some.sampled_from([0, 4, 5, None, "5", -3, 10**30]),
        "metadata": JSON
        | some.fixed_dictionaries({"kernelspec": JSON, "language_info": JSON, "fairing": JSON})
        | some.just({"language_info": {"name": "R"}}),
        "worksheets": some.lists(some.fixed_dictionaries({"cells": some.lists(JSON, max_size=2)}), max_size=2),
        "cells": JSON
        | some.lists(
            JSON
            | some.fixed_dictionaries(
                {"cell_type": some.sampled_from(["code", "markdown", "raw", "heading", None])},
                optional={
                    "source": some.text() | some.lists(some.text() | JSON, max_size=3),
                    "metadata": JSON | some.fixed_dictionaries({"tags": JSON}),
                    "id": some.text() | JSON,
                    "outputs": JSON,
                    "attachments": JSON,
                },
            ),
            max_size=4,
        ),
    },
)


@settings(max_examples=300)
@given(LIKELY | JSON)
def test_any_json_is_a_notebook_or_is_refused_in_words(tmp_path_factory, document):
    path = tmp_path_factory.getbasetemp() / "fuzzed.ipynb"
    path.write_text(json.dumps(document))
    try:
        source = ipynb.read(path)
    except CaptureError as refused:
        assert "\n" not in str(refused).strip() and "fuzzed.ipynb" in str(refused)
        return
    nbformat.validate(nbformat.from_dict({**source.notebook, "metadata": {}}), relax_add_props=True)
    captured = notebooks.capture(source, None, Options())
    assert len(captured.document["cells"]) == len(source.notebook["cells"])
    again = ipynb.normal(json.loads(json.dumps(source.notebook)), "again.ipynb")
    assert json.dumps(again, sort_keys=True) == json.dumps(source.notebook, sort_keys=True)


@settings(max_examples=100)
@given(some.binary(max_size=200))
def test_any_bytes_are_a_notebook_or_are_refused_in_words(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "bytes.ipynb"
    path.write_bytes(data)
    with pytest.raises(CaptureError, match=r"^bytes\.ipynb is not a notebook"):
        ipynb.read(path)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"print('a script')", "is not a notebook: it is not JSON"),
        (b"[" * 100_000, "is not a notebook: it is not JSON"),
        (b"{}", "is not a notebook: it has no nbformat"),
        (b'{"nbformat": 4}', "is not a notebook: it has no list of cells"),
        (b'{"nbformat": 4, "cells": []}', "has no code"),
        (b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": " "}]}', "has no code"),
        (b'{"nbformat": 4, "cells": [{"cell_type": "what", "source": "1"}]}', "cell 1 is not a cell"),
        (
            b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": "1"}],'
            b'"metadata": {"language_info": {"name": "julia"}}}',
            "is written in julia",
        ),
    ],
    ids=["script", "deep", "empty", "no cells", "no cell", "no code", "no such cell", "another language"],
)
def test_what_is_no_notebook_is_refused_before_anything_is_made(tmp_path, fairing_home, data, words):
    path = tmp_path / "wrong.ipynb"
    path.write_bytes(data)
    before = sorted(fairing_home.glob("runs/*"))
    with pytest.raises(CaptureError, match=words):
        fairing.run_notebook(path)
    assert sorted(fairing_home.glob("runs/*")) == before
    assert [each.name for each in tmp_path.iterdir()] == ["wrong.ipynb"]


def test_a_missing_notebook_is_refused_with_those_that_are_there(tmp_path):
    write(tmp_path / "train.ipynb", "1")
    with pytest.raises(CaptureError, match=r"There is no notebook .*trian\.ipynb\. Beside it are: train\.ipynb\."):
        fairing.run_notebook(tmp_path / "trian.ipynb")


def test_an_output_that_cannot_be_written_is_refused_before_anything_is_made(tmp_path, fairing_home):
    before = sorted(fairing_home.glob("runs/*"))
    with pytest.raises(ConfigError, match="There is no folder"):
        fairing.run_notebook(write(tmp_path / "a.ipynb", "1"), output=tmp_path / "no" / "where.ipynb")
    assert sorted(fairing_home.glob("runs/*")) == before


def test_an_old_notebook_is_upgraded(tmp_path):
    old = {
        "nbformat": 3,
        "nbformat_minor": 0,
        "metadata": {"name": ""},
        "worksheets": [
            {
                "cells": [
                    {"cell_type": "heading", "level": 1, "source": ["A title"], "metadata": {}},
                    {
                        "cell_type": "code",
                        "input": ["a = 1", "print(a)"],
                        "language": "python",
                        "outputs": [],
                        "collapsed": False,
                        "metadata": {},
                    },
                ]
            }
        ],
    }
    path = tmp_path / "old.ipynb"
    path.write_text(json.dumps(old))
    cells = ipynb.read(path).notebook["cells"]
    assert [(cell["cell_type"], cell["source"]) for cell in cells] == [
        ("markdown", "# A title"),
        ("code", "a = 1\nprint(a)"),
    ]


def test_huge_outputs_are_not_shipped(tmp_path):
    nb = v4.new_notebook(cells=[v4.new_code_cell("1", outputs=[v4.new_output("stream", text="x" * 20_000_000)])])
    nbformat.write(nb, tmp_path / "big.ipynb")
    captured, _, _ = start.take_notebook(ipynb.read(tmp_path / "big.ipynb"), None, {})
    assert sum(len(file.read()) for file in (*captured.bundle.files, *captured.inputs)) < 10_000


def test_running_a_notebook_does_not_change_what_is_shipped_next_time(tmp_path):
    path = write(tmp_path / "a.ipynb", "print(1)")
    first, _, _ = start.take_notebook(ipynb.read(path), None, {})
    nb = nbformat.read(path, as_version=4)
    nb.cells[0].execution_count = 7
    nb.cells[0].outputs = [v4.new_output("stream", text="1\n")]
    nb.cells[0].metadata["execution"] = {"iopub.status.busy": "2026-01-01T00:00:00Z"}
    nb.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {}}
    nbformat.write(nb, path)
    second, _, _ = start.take_notebook(ipynb.read(path), None, {})
    assert first.bundle == second.bundle


def test_a_credential_in_a_cell_is_refused_and_can_be_allowed(tmp_path):
    path = write(tmp_path / "a.ipynb", "1", "key = 'AKIA" + "ABCDEFGHIJKLMNOP'")
    with pytest.raises(CaptureError, match=r"Cell 2 of a\.ipynb looks like an AWS access key"):
        fairing.preview(path)
    assert fairing.preview(path, allow=["cell 2"]).kind == "notebook"


def test_an_unknown_parameter_and_a_cell_that_is_not_python_are_said(tmp_path):
    path = write(tmp_path / "a.ipynb", ("depth = 1", ["parameters"]), "a = = 1")
    said = " ".join(fairing.preview(path, kwargs={"deep": 2}).warnings)
    assert "'deep'" in said
    assert "cell 2: " in said


def test_parameters_that_an_untagged_cell_takes_back_are_said(tmp_path, capfd):
    path = write(tmp_path / "a.ipynb", "1", "depth = 1\nwidth = [depth for each in range(3)]")
    again, first = fairing.preview(path, kwargs={"depth": 2, "each": 3}).warnings
    assert again == "Cell 2 sets 'depth' again, after the parameters. Tag it 'parameters' and they come after it."
    assert first == "No cell is tagged 'parameters': 'each' is set before the first."
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("value", [object(), {1, 2}, [Path("a")], {"a": b"b"}, numpy.int64(3)])
def test_a_parameter_that_no_notebook_can_hold_is_refused_before_anything_is_made(tmp_path, fairing_home, value):
    path = write(tmp_path / "a.ipynb", ("depth = 1", ["parameters"]))
    before = sorted(fairing_home.rglob("*"))
    with pytest.raises(CaptureError, match=r"parameter 'depth' cannot be written into a notebook.*int\(n\)"):
        fairing.run_notebook(path, {"depth": value})
    assert sorted(fairing_home.rglob("*")) == before


def test_options_in_the_notebooks_metadata_hold(tmp_path):
    path = write(tmp_path / "a.ipynb", "1", fairing={"worker": 2})
    with pytest.raises(ConfigError, match=r"no option 'worker' \(metadata of a\.ipynb\)\. Did you mean 'workers'"):
        fairing.preview(path)

"""Notebooks to run."""

import nbformat
import pytest
from nbformat import v4


def notebook(*cells, **metadata):
    """A notebook of code cells; a pair is a cell with its tags."""
    made = v4.new_notebook(metadata=metadata)
    for number, cell in enumerate(cells):
        source, tags = cell if isinstance(cell, tuple) else (cell, [])
        made.cells.append(v4.new_code_cell(source, id=f"cell-{number}", metadata={"tags": tags} if tags else {}))
    return made


def write(path, *cells, **metadata):
    """Write a notebook of code cells, and return its path."""
    nbformat.write(notebook(*cells, **metadata), path)
    return path


def text(cell, stream="stdout"):
    """What a cell wrote to a stream."""
    return "".join(each["text"] for each in cell.outputs if each["output_type"] == "stream" and each["name"] == stream)


def last(cell):
    """The text of a cell's last output."""
    return cell.outputs[-1]["data"]["text/plain"]


@pytest.fixture
def write_notebook(tmp_path):
    """Write a notebook into the test's folder."""

    def make(*cells, name="work.ipynb", **metadata):
        return write(tmp_path / name, *cells, **metadata)

    return make

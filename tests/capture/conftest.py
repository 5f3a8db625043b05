"""A real kernel, in a folder of its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from jupyter_client.manager import start_new_kernel


class Kernel:
    """Runs cells, and gives what they printed; an error is raised with its traceback."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manager, self.client = start_new_kernel(kernel_name="python3", cwd=str(folder), env={**os.environ})

    def __call__(self, code: str) -> str:
        said: list[str] = []
        reply = self.client.execute_interactive(
            code, timeout=60, output_hook=lambda message: said.append(message["content"].get("text", ""))
        )
        if reply["content"]["status"] == "error":
            raise CellError(reply["content"]["ename"], "\n".join(reply["content"]["traceback"]))
        return "".join(said)

    def value(self, expression: str) -> str:
        """Return the text of an expression's value, whatever else its cell shows."""
        self(f"_shown = {expression}")
        return self("print(_shown)").rstrip("\n")

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


class CellError(Exception):
    """A cell raised."""


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    """One kernel for the tests of a file; each uses names of its own."""
    kernel = Kernel(tmp_path_factory.mktemp("kernel"))
    kernel("import fairing")
    yield kernel
    kernel.close()


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty project, which is the working folder."""
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path

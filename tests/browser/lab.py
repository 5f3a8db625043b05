"""A real JupyterLab, and a browser without a window in front of it."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import nbformat
from playwright.sync_api import Page, sync_playwright


@contextmanager
def server(folder: Path):
    """Start JupyterLab on a folder; give the address to open."""
    token, runtime = secrets.token_hex(16), folder / "runtime"
    env = {**os.environ, "JUPYTER_RUNTIME_DIR": str(runtime), "JUPYTER_CONFIG_DIR": str(folder / "config")}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--port=0", "--ip=127.0.0.1"]
    options = [f"--IdentityProvider.token={token}", "--LabApp.news_url=None", "--LabApp.check_for_updates_class="]
    options[2] = "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"
    with (folder / "lab.log").open("w") as log:
        lab = subprocess.Popen([*command, *options, f"--notebook-dir={folder}"], env=env, stdout=log, stderr=log)
        try:
            yield f"{_address(runtime, lab.pid)}lab/tree/{{}}?token={token}"
        finally:
            lab.terminate()
            lab.wait(30)


@contextmanager
def browser(chromium: str):
    """Start a browser; give a page of it."""
    with sync_playwright() as started:
        launched = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = launched.new_page(viewport={"width": 1100, "height": 1400})
        page.set_default_timeout(60_000)
        yield page
        launched.close()


def write(path: Path, *sources: str) -> None:
    """Write a notebook."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, path)


def run_all(page: Page, address: str, name: str) -> None:
    """Open a notebook and run its cells, to the end or to the first that fails."""
    page.goto(address.format(name))
    page.wait_for_selector(".jp-Notebook .jp-CodeCell")
    page.wait_for_selector("text=/ \\| Idle$/")  # before there is a kernel, running asks for one
    page.click("text=Run >> nth=0")
    page.click("text=Run All Cells >> nth=0")


def _address(runtime: Path, pid: int) -> str:
    """Wait for the server; return where it is."""
    import json

    file, deadline = runtime / f"jpserver-{pid}.json", time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            url = json.loads(file.read_text())["url"]
            urllib.request.urlopen(f"{url}api", timeout=5).close()
        except (OSError, ValueError, urllib.error.URLError):
            time.sleep(0.1)  # the server says nowhere else when it is ready
            continue
        return str(url)
    raise AssertionError("JupyterLab did not start")

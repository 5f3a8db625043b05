"""From a call to its value, as in a notebook whose kernel has its libraries loaded."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import fairing
from tests.benchmarks.pairs import Pair

PLAIN = """
def work():
    print("turn", {turn})
    return {turn}
"""
GIGABYTE = """
import fairing_gigabyte

def work():
    return {turn}, fairing_gigabyte
"""
LIBRARIES = """
import matplotlib.pyplot as plt
import pandas as pd
from sklearn.linear_model import LinearRegression

def work():
    frame = pd.DataFrame({{"x": [1, 2, 3], "y": [2, 4, {turn}]}})
    model = LinearRegression().fit(frame[["x"]], frame["y"])
    figure = plt.figure()
    plt.close(figure)
    print("turn", {turn}, model.coef_)
    return {turn}
"""


def pairs(home: Path) -> Iterator[Pair]:
    """Give the comparisons."""
    turns = itertools.count()
    for name, source in (("no imports", PLAIN), ("scikit-learn, pandas, matplotlib", LIBRARIES)):
        yield Pair(
            f"second run of a changed function ({name})",
            lambda source=source: _train(source, next(turns)),
            lambda source=source: _python(source, next(turns)),
            "`python -c` of the same code",
            plus=0.250,
        )
    yield Pair(
        "first run ever (scikit-learn, pandas, matplotlib)",
        lambda: _train(LIBRARIES, next(turns)),
        lambda: _python(LIBRARIES, next(turns)),
        "`python -c` of the same code",
        plus=1.500,
        clean=lambda: _forget(home),
    )
    yield _resolved(home, turns)
    yield _digest(home, turns)


def _train(source: str, turn: int, **options: Any) -> None:
    work = _function(source, turn)
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        value = fairing.train(work, **options)
    if value != turn:
        raise AssertionError(f"the run returned {value!r}, not {turn}")


def _function(source: str, turn: int) -> Callable[[], int]:
    """Define the function as a cell would: in ``__main__``, with its imports as globals."""
    cell = sys.modules["__main__"].__dict__
    exec(source.format(turn=turn), cell)
    return cell["work"]  # type: ignore[no-any-return]


def _python(source: str, turn: int) -> None:
    subprocess.run([sys.executable, "-c", source.format(turn=turn) + "\nwork()"], check=True, stdout=subprocess.DEVNULL)


def _forget(home: Path) -> None:
    for kept in home.iterdir():
        shutil.rmtree(kept, ignore_errors=True)


def _resolved(home: Path, turns: Iterator[int]) -> Pair:
    """Resolved by uv instead of linked from what is installed; the uv cache is warm in both."""
    uv = Path(sys.executable).with_name("uv")
    wanted = ["scikit-learn", "pandas", "matplotlib", "cloudpickle"]
    versions = [f"{name}=={fairing_version(name)}" for name in wanted]

    def peer() -> None:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([uv, "pip", "install", "--quiet", "--target", folder, *versions], check=True)
            subprocess.run([sys.executable, "-m", "compileall", "-q", folder], check=False)
            subprocess.run(
                [sys.executable, "-c", LIBRARIES.format(turn=next(turns)) + "\nwork()"],
                check=True,
                stdout=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": folder},
            )

    return Pair(
        "first run, resolved by uv (warm uv cache)",
        lambda: _train(LIBRARIES, next(turns), dependencies="resolved"),
        peer,
        "`uv pip install --target`, compileall, `python -c`",
        times=1.5,
        rounds=3,
        clean=lambda: _forget(home),
    )


def fairing_version(name: str) -> str:
    """Return the version of a distribution that is installed here."""
    from importlib.metadata import version

    return version(name)


def _digest(home: Path, turns: Iterator[int]) -> Pair:
    """From the call to the digest, with a gigabyte of dependencies that are there and have not changed."""
    site = _gigabyte(home.parent / f"{home.name}-gigabyte")
    sys.path.append(str(site))

    def build() -> None:
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            image = fairing.build(_function(GIGABYTE, next(turns)))
        (tree,) = (layer.folder for layer in image.layers if layer.kind == "dependencies")
        if tree is None or not next(tree.rglob("fairing_gigabyte/part0.bin"), None):
            raise AssertionError("the gigabyte is not among the dependencies")

    return Pair(
        "call to digest, 1 GB of dependencies ready",
        build,
        lambda: None,
        "nothing",
        plus=0.100,
    )


def _gigabyte(site: Path) -> Path:
    """Make an installed distribution of ten thousand files and one gigabyte."""
    package = site / "fairing_gigabyte"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    record = ["fairing_gigabyte/__init__.py,,"]
    for index in range(10_000):
        (package / f"part{index}.bin").write_bytes(index.to_bytes(4, "big") * 26_000)
        record.append(f"fairing_gigabyte/part{index}.bin,,104000")
    information = site / "fairing_gigabyte-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: fairing-gigabyte\nVersion: 1.0\n")
    (information / "RECORD").write_text("\n".join([*record, "fairing_gigabyte-1.0.dist-info/RECORD,,"]) + "\n")
    return site

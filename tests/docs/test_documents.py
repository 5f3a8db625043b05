"""What is written for people holds: the README's code runs, its links lead somewhere, docstring examples are true."""

import doctest
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import fairing
from fairing.config.accelerators import KINDS
from fairing.config.options import ABOUT, NAMES, options
from fairing.pod import Pod

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


def test_the_first_block_of_the_readme_runs_as_written(tmp_path):
    (block, *_) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    script = tmp_path / "first.py"
    script.write_text(block + "\nassert model['depth'] == 8")
    ran = subprocess.run([sys.executable, script], capture_output=True, text=True, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert "training with depth 8" in ran.stdout


def test_the_readme_names_both_test_commands_on_its_first_screen():
    first = (ROOT / "README.md").read_text().splitlines()[:40]
    assert any("make test " in line for line in first)
    assert any("make test-all" in line for line in first)


def test_links_between_documents_lead_somewhere():
    broken = [
        (page.name, link)
        for page in PAGES
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
        if not (page.parent / link).exists()
    ]
    assert not broken


def test_every_name_of_ours_that_a_text_says_is_there():
    """A module that moved is found by nobody who reads its old name."""
    sources = [path for folder in ("fairing", "builders", "deployers") for path in (ROOT / folder).rglob("*.py")]
    files = {"fairing.toml", *re.findall(r'entry-points\."([\w.]+)"', (ROOT / "pyproject.toml").read_text())}
    for page in [*PAGES, *sources]:
        for name in set(re.findall(r"`(fairing(?:_\w+)?(?:\.\w+)+)", page.read_text())) - files:
            assert pkgutil.resolve_name(name) is not None, (page, name)


def test_the_examples_in_docstrings_are_true():
    failed = 0
    for module in pkgutil.walk_packages(fairing.__path__, "fairing."):
        if not module.name.endswith("__main__") and "supervisor" not in module.name:
            failed += doctest.testmod(importlib.import_module(module.name)).failed
    assert not failed


def test_the_architecture_says_where_every_module_is():
    places = (ROOT / "docs" / "architecture.md").read_text().partition("## Where things are")[2].partition("\n## ")[0]
    named = set(re.findall(r"\w+", places))
    modules = {path.stem for path in (ROOT / "fairing").rglob("*.py")} - {"__init__"}
    assert not modules - named


def test_every_public_name_is_there():
    for name in fairing.__all__:
        assert getattr(fairing, name) is not None


def test_the_lock_has_hashes_and_no_address():
    lock = (ROOT / "requirements" / "dev.txt").read_text()
    assert "--hash=sha256:" in lock
    assert "://" not in lock
    assert "--index" not in lock


def test_the_table_of_options_has_each_of_them_with_an_example_that_reads():
    page = (ROOT / "docs" / "options.md").read_text().partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in page.splitlines() if line[:3] == "| `"]
    assert [row[0].strip("`") for row in rows] == list(NAMES)
    for name, about, local, _, example in rows:
        name = name.strip("`")
        assert about == ABOUT[name]
        given = eval(f"dict({example.strip('`')})")
        assert getattr(options(given), name) is not None, example
        clusters_own = {*Pod.__dataclass_fields__, "storage", "tpu", "resources"}
        assert local != "yes" or name not in clusters_own, name


def test_every_kind_of_gpu_that_is_known_by_name_is_written_down():
    text = (ROOT / "docs" / "options.md").read_text()
    assert all(re.search(rf"[` ]{kind}[` \n]", text) for kind in KINDS)

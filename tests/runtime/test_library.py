"""Bytecode that is given to a run for what its image has none of."""

import importlib
import marshal
import os
import subprocess
import sys
import zlib

PROGRAM = """
import sys
from fairing.runtime import library
library.use({given!r})
sys.path.insert(0, {folder!r})
import fits, stale
library.leave()
import later
print(fits.said, stale.said, sys.pycache_prefix, later.__cached__.startswith({folder!r}))
"""


def bytecode(path, said, size):
    code = compile(f"said = {said!r}", str(path), "exec")
    return bytes(importlib._bootstrap_external._code_to_timestamp_pyc(code, int(path.stat().st_mtime), size))


def test_what_fits_a_source_is_taken_and_what_does_not_is_compiled(tmp_path):
    sources = {name: tmp_path / f"{name}.py" for name in ("fits", "stale", "later")}
    for path in sources.values():
        path.write_text("said = 'source'")
    size = sources["fits"].stat().st_size
    held = {
        str(sources["fits"]): bytecode(sources["fits"], "bytecode", size),
        str(sources["stale"]): bytecode(sources["stale"], "bytecode", size + 1),
    }
    given = tmp_path / "library"
    given.write_bytes(zlib.compress(marshal.dumps(held)))
    program = PROGRAM.format(given=str(given), folder=str(tmp_path))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, env=environment)
    assert done.stdout == "bytecode source None True\n"


def test_a_run_without_any_starts_as_ever(tmp_path):
    program = f"from fairing.runtime import library; library.use({str(tmp_path / 'none')!r}); library.leave()"
    subprocess.run([sys.executable, "-c", program], check=True)

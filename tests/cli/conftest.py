import os
import subprocess
import sys

import pytest


@pytest.fixture
def fairing(tmp_path):
    """Run the command in a folder of its own."""
    (tmp_path / "pyproject.toml").write_text("")
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("FAIRING_") or name == "FAIRING_HOME"
    }
    environment |= {"XDG_CONFIG_HOME": str(tmp_path / "config"), "COLUMNS": "200", "NO_COLOR": "1"}

    def run(*words, text=True, **more):
        return subprocess.run(
            [sys.executable, "-c", "from fairing.cli import main; main()", *words],
            capture_output=True,
            text=text,
            cwd=tmp_path,
            env={**environment, **more},
        )

    run.folder = tmp_path
    return run

import atexit
import sys
import warnings

import pytest

import fairing


@pytest.fixture(scope="session")
def session_shell():
    """A real shell of IPython, its history in memory."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    main, hook = sys.modules["__main__"], sys.displayhook
    settings = Config()
    settings.HistoryManager.hist_file = ":memory:"
    settings.InteractiveShell.colors = "nocolor"
    shell = InteractiveShell(config=settings)
    sys.modules["__main__"] = main
    yield shell
    atexit.unregister(shell.atexit_operations)
    shell.atexit_operations()
    sys.modules["__main__"], sys.displayhook = main, hook


@pytest.fixture
def shell(session_shell, tmp_path, monkeypatch):
    """The shell, with the extension loaded and the names of a fresh notebook."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    session_shell.reset(new_session=False)
    fairing.use()
    main = sys.modules["__main__"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        session_shell.run_line_magic(
            "reload_ext" if "fairing" in session_shell.extension_manager.loaded else "load_ext", "fairing"
        )
    yield session_shell
    fairing.use()
    sys.modules["__main__"] = main


@pytest.fixture
def run(shell):
    """Run a cell as a person does; its value, or its error."""

    def run(text):
        done = shell.run_cell(text, store_history=True)
        done.raise_error()
        return done.result

    return run

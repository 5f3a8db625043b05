"""Takes a script as it is on disk, with the modules of its project that it imports."""

from __future__ import annotations

import ast
import hashlib
import platform
from pathlib import Path

from fairing.errors import CaptureError
from fairing.options import Options
from fairing.spec import Bundle, Captured, Entry, File, Report


def capture(path: str, arguments: tuple[str, ...], settled: Options) -> Captured:
    """Take a script and the arguments to run it with.

    Raises:
        CaptureError: There is no such file, it is not Python, or an argument is not text.
    """
    script = Path(path)
    source = _source(script)
    wrong = next((each for each in arguments if not isinstance(each, str)), None)
    if wrong is not None:
        raise CaptureError(f"{wrong!r} cannot stand on a command line.", fix="Pass texts: args=['--depth', '8'].")
    entry = Entry("script", script.name, hashlib.sha256(source).hexdigest(), script.stem, arguments)
    bundle = Bundle(entry, (File(script.name, source),), ("cloudpickle",), (), platform.python_version())
    return Captured(bundle, (), Report(script.name, "script"))


def _source(script: Path) -> bytes:
    if not script.is_file():
        near = sorted(each.name for each in script.parent.glob("*.py"))[:5] if script.parent.is_dir() else []
        raise CaptureError(
            f"There is no file {str(script)!r}.",
            fix=f"There: {', '.join(near)}." if near else f"Paths are relative to {Path.cwd()}.",
        )
    source = script.read_bytes()
    try:
        ast.parse(source, script.name)
    except (SyntaxError, ValueError) as wrong:
        raise CaptureError(f"{script} is not Python.", why=f"{wrong}.") from None
    return source

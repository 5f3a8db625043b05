"""Takes a script as it is on disk, with the modules of its project that it imports and the packages that both need."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

from fairing.capture import credentials, files, imports, modules, needs
from fairing.capture.bundle import bundle
from fairing.config.options import Options
from fairing.errors import CaptureError
from fairing.spec import Captured, Entry, File, Report


def capture(path: str, arguments: tuple[str, ...], said: Options) -> Captured:
    """Take a script and the arguments to run it with.

    Args:
        path: The script.
        arguments: Its command line.
        said: What else to take along, and what to allow.

    Raises:
        CaptureError: There is no such file, it is not Python, an argument is not text, or it would take a credential
            along.
    """
    script = Path(path).resolve()
    source, code = _read(path)
    wrong = next((each for each in arguments if not isinstance(each, str)), None)
    if wrong is not None:
        raise CaptureError(f"{wrong!r} cannot stand on a command line.", fix="Pass texts: ['--depth', '8'].")
    credentials.refuse(script.name, _suspects(script.name, code, arguments), said.allow or ())
    root = modules.project(script.parent)
    with modules.importable(script.parent):
        found = modules.collect(imports.of_source(source.decode("utf-8", "replace")), root)
    credentials.refuse("your project", found.suspects, said.allow or ())
    data = files.take(said.include or (), root, Path.cwd())
    needed = needs.needs(found.external, said, root)
    entry = Entry("script", _place(script, root), hashlib.sha256(source).hexdigest(), script.stem, arguments)
    taken = bundle(entry, File(entry.path, source), found, data, needed)
    report = Report(
        entry=script.name,
        kind="script",
        files=data.sizes(),
        modules=found.names,
        requirements=needed.reasons,
        left_out=(*data.left_out, *needed.left_out),
        warnings=found.warnings,
    )
    return Captured(taken, (), report)


def _read(path: str) -> tuple[bytes, CodeType]:
    script = Path(path)
    if script.is_dir():
        raise CaptureError(f"{path} is a folder.", fix="Name the script in it.")
    if not script.is_file():
        near = sorted(each.name for each in script.parent.glob("*.py"))[:5] if script.parent.is_dir() else []
        raise CaptureError(
            f"There is no file {path!r}.",
            fix=f"There: {', '.join(near)}." if near else f"Paths are relative to {Path.cwd()}.",
        )
    source = script.read_bytes()
    try:
        return source, compile(source, script.name, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as wrong:
        raise CaptureError(f"{path} is not Python.", why=f"{wrong}.") from None


def _place(script: Path, root: Path) -> str:
    """Return where the script lies in the code layer: as in its project, so that files beside it are beside it."""
    return script.relative_to(root).as_posix() if script.is_relative_to(root) else script.name


def _suspects(name: str, code: CodeType, arguments: tuple[str, ...]) -> Iterator[credentials.Suspect]:
    yield from credentials.in_code(code, name)
    for argument in arguments:
        yield from credentials.suspects("", argument)

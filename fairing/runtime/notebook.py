"""Runs a captured notebook, cell by cell, in a kernel of this run's own interpreter, and tells what each cell puts out.

The notebook is the entry; beside the image travels ``notebook.json``, whose fields are all optional:

    injected         [index, source]: a cell that holds parameters, which are in no layer
    cell_timeout     seconds that a cell may take
    start_timeout    seconds that the kernel may take to start

The executed notebook is left in the spool, also when a cell fails or the run is cancelled; only a run that is killed
outright leaves none.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import os
import platform
import resource
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fairing.runtime.frames import LOG_LIMIT, inlined
from fairing.runtime.tell import Teller

NAME = "notebook.ipynb"

ROOM = 80
"""Characters that the names of sockets may begin with; a socket's path has about 100 at most."""

_FOLDERS = ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_CONFIG_PATH", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")


def run(spec: dict[str, Any], data: bytes, tell: Teller) -> int:
    """Execute the notebook; tell its cells' outputs as they come, then the executed notebook or the failure."""
    settings = _settings(spec)
    notebook = json.loads(data)
    if settings.get("injected"):
        index, source = settings["injected"]
        notebook["cells"][index]["source"] = source
    own = Path(spec["spool"]) / "jupyter"
    own.mkdir(mode=0o700, exist_ok=True)
    environment = _environment(spec["entry"]["name"], own)
    from fairing.runtime import kernel  # here, since only notebooks have nbclient, and it reads those variables

    with _sockets(own, Path(spec["work"])) as sockets:
        mine = kernel.Kernel(transport="ipc", ip=sockets, connection_file=str(own / "kernel.json"))
        client = kernel.Client(notebook, mine, tell, settings)
        failed = _executed(client, spec, environment, tell)
    executed = (Path(spec["spool"]) / NAME).read_bytes()
    if client.cancelled:
        return 128 + signal.SIGTERM
    if failed is None:
        tell("result", {"payload": _payload(spec, executed, len(notebook["cells"]))})
        return 0
    return _ended(failed["code"])


def _executed(client: Any, spec: dict[str, Any], environment: dict[str, str], tell: Teller) -> dict[str, Any] | None:
    """Run every cell and leave the executed notebook in the spool; return how it failed, if it did."""
    try:
        return asyncio.run(_execute(client, spec, environment, tell))
    except Exception as error:  # noqa: BLE001 - whatever keeps a kernel from starting or answering is told
        failed = {"ename": type(error).__name__, "evalue": str(error), "code": 1}
        failed["traceback"] = traceback.format_exception(type(error), error, error.__traceback__)
        tell("failure", failed)
        return failed
    finally:
        executed = json.dumps(client.executed(), indent=1, ensure_ascii=False).encode("utf-8", "replace")
        (Path(spec["spool"]) / NAME).write_bytes(executed)


async def _execute(
    client: Any, spec: dict[str, Any], environment: dict[str, str], tell: Teller
) -> dict[str, Any] | None:
    """Run every cell; return how it failed, if it did. A SIGTERM interrupts the running cell, so ``finally:`` runs."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, client.stop)
    total = len(client.nb.cells)
    try:
        await client.begin(cwd=spec["work"], env=environment)
        for index in range(total):
            if client.cancelled or client.left:
                return None
            tell("progress", {"task": spec["entry"]["name"], "done": index, "total": total, "unit": "cell"})
            failed: dict[str, Any] | None = await client.cell(index)
            if failed is not None:
                return failed
        tell("progress", {"task": spec["entry"]["name"], "done": total, "total": total, "unit": "cell"})
        return None
    finally:
        await client.finish()


def _ended(code: int) -> int:
    """End as the kernel ended: what watches over this process knows what a death by a signal means."""
    if code < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with contextlib.suppress(OSError, ValueError):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code or 1


def _settings(spec: dict[str, Any]) -> dict[str, Any]:
    try:
        settings: dict[str, Any] = json.loads((Path(spec["inputs"]) / "notebook.json").read_bytes())
    except FileNotFoundError:
        return {}
    return settings


@contextlib.contextmanager
def _sockets(own: Path, work: Path) -> Iterator[str]:
    """Give how the names of the kernel's sockets begin: seen from the working folder, where both sides start."""
    near = os.path.relpath(own / "kernel", work)
    if len(near) < ROOM:
        yield near
        return
    with tempfile.TemporaryDirectory(prefix="fairing-", ignore_cleanup_errors=True) as folder:
        yield str(Path(folder) / "kernel")


def _environment(name: str, own: Path) -> dict[str, str]:
    """Return the kernel's environment: this run's modules, and nothing of the person's own Jupyter and IPython."""
    os.environ.update(dict.fromkeys(_FOLDERS, str(own)), JUPYTER_PLATFORM_DIRS="1")
    elsewhere = (sys.prefix, sys.base_prefix)
    # Where it is set, ipykernel does not catch what children and C code print; here no test is running.
    inherited = {key: value for key, value in os.environ.items() if key != "PYTEST_CURRENT_TEST"}
    return {
        **inherited,
        "FAIRING_NOTEBOOK": name,
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path and not path.startswith(elsewhere)),
    }


def _payload(spec: dict[str, Any], executed: bytes, cells: int) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "codec": "json",
        "size": len(executed),
        "sha256": hashlib.sha256(executed).hexdigest(),
        "python": platform.python_version(),
        "summary": f"a notebook of {cells} cells",
    }
    if len(executed) <= inlined(int(spec.get("log_limit", LOG_LIMIT))):
        return {**fields, "inline": base64.b64encode(executed).decode()}
    return {**fields, "path": f"spool/{NAME}"}

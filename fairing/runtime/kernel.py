"""A notebook's kernel: this run's own interpreter, driven by nbclient, each of its messages told as it comes."""

from __future__ import annotations

import asyncio
import logging
import re
import signal
import sys
import time
from typing import Any

import nbformat
import zmq
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import ensure_async
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionComplete, CellExecutionError, CellTimeoutError, DeadKernelError

from fairing.runtime import widgets
from fairing.runtime.cells import ERROR, Cells
from fairing.runtime.tell import Teller

PIECE = 48 * 1024
"""Characters of text in one event."""

_MISSES = frozenset({"ModuleNotFoundError", "FileNotFoundError"})
_MISSING = re.compile(r"(?:No module named|No such file or directory:) '([^']+)'")
_OTHERS = ("comm", "status", "execute_input")

_LATE = frozenset({"stream", "display_data", "update_display_data", "clear_output", "comm_open", "comm_msg"})

_FIRST = "__import__('fairing.runtime.unanswered', fromlist=['refuse_in']).refuse_in(get_ipython().kernel)"

REDRAW = 0.5
"""Seconds between two states of a widget."""


class Kernel(AsyncKernelManager):
    """Starts this very interpreter; no kernel has to be installed by a name."""

    @property
    def kernel_spec(self) -> KernelSpec:
        """Return how the kernel is started."""
        command = [
            sys.executable,
            "-m",
            "ipykernel_launcher",
            "-f",
            "{connection_file}",
            f"--IPKernelApp.exec_lines={_FIRST}",
        ]
        return KernelSpec(argv=command, display_name="Python", language="python")


class Client(NotebookClient):  # type: ignore[misc]  # nbclient's types are not looked at
    """Runs cells; tells their outputs, and keeps them in the notebook as the side that watches does.

    Args:
        notebook: The notebook.
        kernel: Its kernel, not yet started.
        tell: Takes events.
        settings: What ``notebook.json`` says.
    """

    def __init__(self, notebook: dict[str, Any], kernel: Kernel, tell: Teller, settings: dict[str, Any]) -> None:
        log = logging.getLogger("fairing.notebook")
        log.addHandler(logging.NullHandler())
        log.propagate = False
        super().__init__(
            nbformat.from_dict(notebook),
            km=kernel,
            timeout=settings.get("cell_timeout"),
            startup_timeout=settings.get("start_timeout") or 60,
            log=log,
        )
        self._tell = tell
        self._cells = Cells(self.nb, nbformat.from_dict)
        self._error: dict[str, Any] | None = None
        self._shown: dict[str, tuple[int, dict[str, Any], dict[str, Any]]] = {}
        self._changed: set[str] = set()
        self._asked: dict[str, int] = {}
        self._drawn = 0.0
        self.cancelled = False
        """Whether the run was asked to end."""
        self.left = False
        """Whether a cell ended the run in good order, with ``sys.exit()``."""

    async def begin(self, cwd: str, env: dict[str, str]) -> None:
        """Start the kernel."""
        await self.async_start_new_kernel(cwd=cwd, env=env)
        await self.async_start_new_kernel_client()
        info = await self.async_wait_for_reply(await ensure_async(self.kc.kernel_info()))
        self.nb.metadata["language_info"] = info["content"]["language_info"]

    async def cell(self, index: int) -> dict[str, Any] | None:
        """Run a cell; if it ends the run, return the fields of the failure; it is told unless a signal did it."""
        cell = self.nb.cells[index]
        self._cells.start(index)
        self._error = None
        self._say(index, "cellstatus", state="started")
        failed = None
        try:
            await self.async_execute_cell(cell, index)
        except CellExecutionError as error:
            failed = self._error or {"ename": error.ename, "evalue": error.evalue, "traceback": []}
        except CellTimeoutError:
            failed = {"ename": "TimeoutError", "evalue": f"the cell took longer than {self.timeout:g} s"}
        except DeadKernelError:
            failed = await self._death()
        self._draw()
        self._cells.settle(index)
        self._say(
            index, "cellstatus", state="failed" if failed else "done", execution_count=cell.get("execution_count")
        )
        if failed is None or (ending := self._ending(index, failed)) is None:
            return None
        if ending["code"] >= 0:
            self._tell("failure", ending)
        return ending

    async def finish(self) -> None:
        """End the kernel."""
        self.set_widgets_metadata()
        if self.km is not None and self.km.has_kernel:
            await self._async_cleanup_kernel()

    def stop(self) -> None:
        """Interrupt the running cell, and run no other."""
        self.cancelled = True
        if self.km is not None and self.km.has_kernel:
            self._interrupting = asyncio.ensure_future(self.km.interrupt_kernel())

    def executed(self) -> dict[str, Any]:
        """Return the notebook as it is now."""
        self._cells.settle()
        return dict(self.nb)

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        """Tell a message of the kernel."""
        kind, content = msg["msg_type"], msg["content"]
        if content.get("execution_count") is not None:
            self._cells.count(cell_index, content["execution_count"])
        if self.output_hook_stack[msg["parent_header"].get("msg_id")] or kind.startswith(_OTHERS):
            return self._other(msg, cell, cell_index)
        if kind == "stream":
            for piece in _pieces(content["text"]):
                self._say(cell_index, "text", stream=content["name"], text=piece)
        elif kind in {"display_data", "execute_result", "update_display_data"}:
            self._display(cell_index, kind, content)
        elif kind == "clear_output":
            self._say(cell_index, "clear", wait=bool(content.get("wait")))
        elif kind == "error":
            self._raised(cell_index, content)
        return None

    async def _async_poll_output_msg(self, parent_msg_id: str, cell: Any, cell_index: int) -> None:
        """Take a cell's messages until it is done; nbclient drops those of a cell before, as of a thread it started."""
        self._asked[parent_msg_id] = cell_index
        while True:
            msg = await ensure_async(self.kc.iopub_channel.get_msg(timeout=None))
            index = self._asked.get(msg["parent_header"].get("msg_id"))
            try:
                if index == cell_index or (index is not None and msg["msg_type"] in _LATE):
                    self.process_message(msg, self.nb.cells[index], index)
            except CellExecutionComplete:
                return

    def _other(self, msg: dict[str, Any], cell: Any, index: int) -> Any:
        try:
            return super().process_message(msg, cell, index)
        except CellExecutionComplete:
            self._draw()
            raise
        finally:
            # An output widget is answered past the loop that waits for the cell's reply on that socket, which may then
            # lie there unseen; asking the socket for its events wakes who waits.
            self.kc.shell_channel.socket.get(zmq.EVENTS)
            if msg["msg_type"] == "comm_msg" and self._shown:
                self._changed.add(msg["content"]["comm_id"])
                if time.monotonic() - self._drawn >= REDRAW:
                    self._draw()

    def _display(self, index: int, kind: str, content: dict[str, Any]) -> None:
        data, metadata = content["data"], content.get("metadata") or {}
        display_id = (content.get("transient") or {}).get("display_id")
        model = (data.get(widgets.VIEW) or {}).get("model_id")
        if model is not None:
            display_id = display_id or f"widget-{model}"
            self._shown[display_id] = (index, data, metadata)
            data = widgets.bundle(self.widget_state, model, data)
        result = content.get("execution_count") if kind == "execute_result" else None
        self._say(
            index,
            "display",
            data=data,
            metadata=metadata,
            display_id=display_id,
            update=kind == "update_display_data",
            result=result,
        )

    def _draw(self) -> None:
        """Tell what changed widgets show now."""
        self._drawn = time.monotonic()
        changed, self._changed = self._changed, set()
        if not changed:
            return
        for display_id, (index, data, metadata) in self._shown.items():
            model = data[widgets.VIEW]["model_id"]
            if changed & widgets.parts(self.widget_state, model):
                now = widgets.bundle(self.widget_state, model, data)
                self._say(index, "display", data=now, metadata=metadata, display_id=display_id, update=True)

    def _raised(self, index: int, content: dict[str, Any]) -> None:
        error = self._error = {key: content[key] for key in ("ename", "evalue", "traceback")}
        if "raises-exception" in self.nb.cells[index].metadata.get("tags", []):
            self._say_error(index, error)

    def _say_error(self, index: int, error: dict[str, Any]) -> None:
        text = "\n".join(error["traceback"]) or f"{error['ename']}: {error['evalue']}"
        self._say(index, "display", data={"text/plain": text, ERROR: error}, metadata={})

    def _ending(self, index: int, failed: dict[str, Any]) -> dict[str, Any] | None:
        """Put the error that ends the run into its cell; return the failure to tell, if it is one."""
        error = {"ename": failed["ename"], "evalue": failed["evalue"], "traceback": failed.get("traceback", [])}
        leaving = failed["ename"] == "SystemExit"
        self.left = leaving and failed["evalue"] in {"", "0", "None"}
        if self.cancelled or self.left:
            self._say_error(index, error)
            return None
        self._cells.error(index, **error)
        code = int(failed["evalue"]) if leaving and failed["evalue"].isdecimal() else 1
        missing = _MISSING.search(failed["evalue"]) if failed["ename"] in _MISSES else None
        return {"code": code, **failed, "cell": index, "missing": missing[1] if missing else None}

    async def _death(self) -> dict[str, Any]:
        """Say how a kernel ended that is gone."""
        provisioner = self.km.provisioner if self.km is not None else None
        code = await provisioner.poll() if provisioner is not None else None
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            return {"ename": "signal", "evalue": name, "code": code}
        return {"ename": "exit", "evalue": "the kernel ended", "code": code or 1}

    def _say(self, index: int, kind: str, **fields: Any) -> None:
        """Tell an event of a cell, and do to the notebook what whoever watches does to theirs."""
        if kind == "text":
            self._cells.text(index, fields["stream"], fields["text"])
        elif kind == "display":
            self._cells.display(index, **fields)
        elif kind == "clear":
            self._cells.clear(index, fields["wait"])
        self._tell(kind, {"cell": index, **fields})


def _pieces(text: str) -> list[str]:
    """Cut text into pieces, at line ends where there are some."""
    pieces = []
    while len(text) > PIECE:
        cut = text.rfind("\n", 0, PIECE) + 1 or PIECE
        pieces.append(text[:cut])
        text = text[cut:]
    return [*pieces, text] if text else pieces

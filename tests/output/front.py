"""A real kernel, and a front end that keeps outputs as JupyterLab does: merged streams, returns, ids, clearing."""

from __future__ import annotations

import re
import sys
import time
from queue import Empty

from jupyter_client.manager import KernelManager

PATIENCE = 60


class Cell:
    """What one cell shows."""

    def __init__(self):
        self.outputs = []
        self.error = None
        self.reply = None
        self.updates = 0
        self.raw = ""
        self._clearing = False

    @property
    def text(self):
        """Both streams, in order."""
        return "".join(output["text"] for output in self.outputs if output["type"] == "stream")

    @property
    def streams(self):
        return [(output["name"], output["text"]) for output in self.outputs if output["type"] == "stream"]

    @property
    def displays(self):
        return [output["data"] for output in self.outputs if output["type"] == "display"]

    @property
    def cards(self):
        return [data for data in self.displays if "border-left:3px" in data.get("text/html", "")]

    def stream(self, name, text):
        self._settle()
        last = self.outputs[-1] if self.outputs else None
        if last and last["type"] == "stream" and last["name"] == name:
            last["text"] = redrawn(last["text"] + text)
        else:
            self.outputs.append({"type": "stream", "name": name, "text": redrawn(text)})

    def display(self, data, display_id=None):
        self._settle()
        self.outputs.append({"type": "display", "data": data, "id": display_id})

    def clear(self, wait):
        self._clearing = True
        if not wait:
            self._settle()

    def _settle(self):
        if self._clearing:
            self.outputs, self._clearing = [], False


class Front:
    """A kernel with its cells."""

    def __init__(self, env=None, cwd=None):
        self.manager = KernelManager(kernel_name="python3")
        self.manager.kernel_spec.argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        self.manager.start_kernel(env=env, cwd=cwd)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=PATIENCE)
        self.cells = {}

    def send(self, code, allow_stdin=True):
        """Execute a cell; return it at once."""
        message = self.client.execute(code, allow_stdin=allow_stdin, stop_on_error=True)
        cell = self.cells[message] = Cell()
        return cell

    def run(self, code, allow_stdin=True):
        """Execute a cell; return it when it is done."""
        cell = self.send(code, allow_stdin)
        self.until(lambda: cell.reply is not None)
        return cell

    def until(self, done):
        """Take messages until something holds."""
        deadline = time.monotonic() + PATIENCE
        while not done():
            assert time.monotonic() < deadline, "the kernel did not get there"
            try:
                self._take(self.client.get_iopub_msg(timeout=0.2))
            except Empty:
                continue

    def interrupt(self):
        self.manager.interrupt_kernel()

    def close(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()

    def _take(self, message):
        kind, content = message["header"]["msg_type"], message["content"]
        cell = self.cells.get(message["parent_header"].get("msg_id"))
        if cell is None:
            return
        if kind == "stream":
            cell.raw += content["text"]
            cell.stream(content["name"], content["text"])
        elif kind in {"display_data", "execute_result"}:
            cell.display(content["data"], content.get("transient", {}).get("display_id"))
        elif kind == "update_display_data":
            cell.updates += 1
            for each in self.cells.values():
                for output in each.outputs:
                    if output.get("id") == content["transient"]["display_id"]:
                        output["data"] = content["data"]
        elif kind == "clear_output":
            cell.clear(content["wait"])
        elif kind == "error":
            cell.error = content
        elif kind == "status" and content["execution_state"] == "idle":
            self._replied(message["parent_header"]["msg_id"])
            cell.reply = cell.error["ename"] if cell.error else "ok"

    def _replied(self, request):
        """Wait for the reply as well: ipykernel 7.0 to 7.2 lose a request that comes while they send one.

        https://github.com/ipython/ipykernel/pull/1529
        """
        while self.client.get_shell_msg(timeout=PATIENCE)["parent_header"].get("msg_id") != request:
            pass


def redrawn(text):
    r"""Do what JupyterLab does with ``\r``: overwrite, without erasing."""
    lines = []
    for line in text.split("\n"):
        shown = ""
        for part in line.split("\r"):
            shown = part + shown[len(part) :]
        lines.append(shown)
    return "\n".join(lines)


def plain(text):
    """Return text without colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)

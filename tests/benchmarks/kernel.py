"""A kernel as a front end has it: how long a cell takes until a text is in its output."""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jupyter_client.manager import start_new_kernel

PATIENCE = 120.0
"""Seconds that a cell may take."""


class Kernel:
    """A kernel, and its front end."""

    def __init__(self, manager: Any, client: Any) -> None:
        self._manager = manager
        self._client = client
        self.output = ""
        """What the last cell has printed."""

    @property
    def process(self) -> int:
        """Its process."""
        return int(self._manager.provisioner.pid)

    def run(self, code: str, text: str = "") -> float:
        """Run a cell to its end; return the seconds until the text was in its output, else until its end."""
        began = time.perf_counter()
        self.output = ""
        asked = self._client.execute(code)
        seen = 0.0
        while True:
            try:
                message = self._client.get_iopub_msg(timeout=PATIENCE)
            except queue.Empty:
                raise AssertionError(f"nothing more came of this cell in {PATIENCE} s: {code}") from None
            if message["parent_header"].get("msg_id") != asked:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "stream":
                self.output += content["text"]
                if text and not seen and text in content["text"]:
                    seen = time.perf_counter() - began
            if kind == "error":
                raise AssertionError("\n".join(content["traceback"]))
            if kind == "status" and content["execution_state"] == "idle":
                break
        if text and not seen:
            raise AssertionError(f"{text!r} was not in the output of this cell: {code}")
        return seen or time.perf_counter() - began


@contextmanager
def started(variables: dict[str, str]) -> Iterator[Kernel]:
    """Give a kernel with these variables; at the end it is gone."""
    manager, client = start_new_kernel(kernel_name="python3", env={**os.environ, **variables})
    try:
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)

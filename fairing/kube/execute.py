"""Runs a command in a container, through the API server.

One web socket; the first byte of each message is its channel: 1 is the command's stdout, 2 its stderr, 3 how it ended.
https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.37/#podexecoptions-v1-core
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

from fairing.errors import DeployError
from fairing.kube.connection import Connection
from fairing.kube.login import Identity
from fairing.network import connected

_PROTOCOL = "v4.channel.k8s.io"


class Forbidden(DeployError):
    """The user may not execute in pods."""


class Output:
    """What a command in a container writes to its stdout, in pieces.

    Args:
        connection: The way to the cluster.
        pod: The path of the pod.
        container: The container's name.
        command: The command and its arguments.
        quiet: Seconds without a byte after which the connection counts as cut; never, if ``None``.

    Raises:
        Forbidden: While it is read: the user may not do that there.
        DeployError: While it is read: the command cannot be run there, or fails.
    """

    def __init__(
        self, connection: Connection, pod: str, container: str, command: Sequence[str], quiet: float | None = None
    ) -> None:
        self._connection = connection
        self._pod = pod
        self._query = [("container", container), ("stdout", "true"), ("stderr", "true")]
        self._query += [("command", word) for word in command]
        self._quiet = quiet
        self._socket: Any = None

    def __iter__(self) -> Iterator[bytes]:
        from websocket import ABNF, WebSocketException

        errors = b""
        try:
            self._socket = self._opened()
            self._socket.settimeout(self._quiet)
            while True:
                kind, frame = self._socket.recv_data_frame(True)
                if kind == ABNF.OPCODE_CLOSE:  # how the command ended comes before that
                    raise WebSocketException("the connection was cut")
                channel, data = frame.data[:1], frame.data[1:]
                if channel == b"\x01" and data:
                    yield data
                elif channel == b"\x02":
                    errors += data
                elif channel == b"\x03":
                    _check(json.loads(data), errors)
                    return
        except (WebSocketException, OSError, ValueError) as wrong:
            kind_ = Forbidden if getattr(wrong, "status_code", None) == 403 else DeployError
            raise kind_(
                f"The pod {self._pod.rpartition('/')[2]} cannot be asked.", why=f"{str(wrong).splitlines()[0]}."
            ) from wrong
        finally:
            self.close()

    def close(self) -> None:
        """End it, from any thread."""
        if self._socket is not None:
            with suppress(OSError, AttributeError):  # whoever reads from it is woken by this alone
                self._socket.sock.shutdown(socket.SHUT_RDWR)
            self._socket.shutdown()

    def _opened(self) -> Any:
        from websocket import WebSocketBadStatusException

        login = self._connection.login
        who = login.now()
        try:
            return self._asked(who)
        except WebSocketBadStatusException as refused:
            if refused.status_code != 401:
                raise
            return self._asked(login.renewed(who))

    def _asked(self, who: Identity) -> Any:
        """Open the socket, over a connection that is made as all others are: through its proxy, and as trusted."""
        from websocket import WebSocket

        url = f"{who.found.host}{self._pod}/exec?{urlencode(self._query)}"
        header = [f"Authorization: {who.found.token}"] if who.found.token else []
        opened: Any = WebSocket(skip_utf8_validation=True)
        way = connected(who.pools, url)
        try:
            opened.connect(url.replace("http", "ws", 1), socket=way, header=header, subprotocols=[_PROTOCOL])
        except BaseException:
            way.close()
            raise
        return opened


def _check(status: dict[str, Any], errors: bytes) -> None:
    if status.get("status") != "Success":
        why = errors.decode("utf-8", "replace").strip() or str(status.get("message", ""))
        raise DeployError("A command in the pod failed.", why=f"{why.splitlines()[-1] if why else 'It said nothing'}.")

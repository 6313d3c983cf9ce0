"""The server of `uerl-shm serve`: predictions of an ONNX policy over HTTP, JSON in and out."""

from __future__ import annotations

import json
import socket
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

import numpy as np

from uerl_shm.cli import serve_input
from uerl_shm.cli.http_server import TIMEOUT_S, BoundedServer
from uerl_shm.cli.output import warn
from uerl_shm.errors import SpecError

if TYPE_CHECKING:
    from uerl_shm.onnx_policy import OnnxPolicy

SMALLEST_LIMIT = 1 << 20  # bytes of a body that is always allowed
LARGEST_LIMIT = 16 << 20  # unless one row needs more
CHARACTERS = 26  # of a number in JSON, at most: -1.7976931348623157e+308, and a comma
_CHUNK_BYTES = 1 << 16
_PATHS = {"/": "GET", "/healthz": "GET", "/predict": "POST"}


class Server(BoundedServer):
    """Serves a policy.

    Args:
        policy: What answers.
        host: Address to listen on.
        port: 0: one that is free.

    Attributes:
        max_body_bytes: Longest request.

    Raises:
        SpecError: The address or the port cannot be used.
    """

    def __init__(self, policy: OnnxPolicy, host: str, port: int) -> None:
        self.policy = policy
        numbers = sum(spec.nbytes // spec.dtype.itemsize for spec in policy.observation.values())
        row_bytes = SMALLEST_LIMIT + CHARACTERS * numbers
        rows_bytes = serve_input.MAX_ROWS * CHARACTERS * numbers
        self.max_body_bytes = max(row_bytes, min(rows_bytes, LARGEST_LIMIT))
        try:
            super().__init__((host, port), Handler)
        except (OSError, OverflowError) as error:
            raise SpecError(
                f"port {port} of {host} cannot be used ({error}), expected a free one of this "
                "machine: --port 0 takes one that is free"
            ) from None

    def describe(self) -> dict[str, Any]:
        """Return what it expects and gives."""
        policy = self.policy
        told: dict[str, Any] = {
            "predict": 'POST /predict {"observation": {NAME: values, or a list of rows of them}}',
            "observation": {name: spec.to_json() for name, spec in policy.observation.items()},
            "action": {name: spec.to_json() for name, spec in policy.action.items()},
            "max_rows": serve_input.MAX_ROWS,
            "max_body_bytes": self.max_body_bytes,
        }
        return told if policy.spec is None else {**told, "spec": policy.spec}

    def predict(self, body: bytes) -> dict[str, Any]:
        """Return the answer to a request.

        Raises:
            SpecError: The request is wrong.
        """
        arrays, many = serve_input.read(body, self.policy.observation)
        actions = self.policy.act(arrays)
        if not all(np.isfinite(array).all() for array in actions.values()):
            raise FloatingPointError("policy gives NaN, or infinite actions")
        rows = {name: array if many else array[0] for name, array in actions.items()}
        return {"action": {name: array.tolist() for name, array in rows.items()}}

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Let go of a client; what went wrong is one line."""
        error = sys.exc_info()[1]
        if not isinstance(error, (ConnectionError, socket.timeout)):
            warn(f"uerl-shm: {client_address[0]}: {type(error).__name__}: {error}")


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "uerl-shm", ""
    timeout = TIMEOUT_S

    def do_GET(self) -> None:
        """Answer how it is, or what it expects."""
        path = self.path.partition("?")[0]
        # Nobody reads a body here, and the next request must not begin with it.
        self.close_connection |= "Content-Length" in self.headers
        if path == "/":
            self._send(self.server.describe())
        elif path == "/healthz":
            self._send({"status": "ok"})
        else:
            self._refuse_path(path)

    def do_POST(self) -> None:
        """Answer a request for actions."""
        path = self.path.partition("?")[0]
        if path != "/predict":
            self._refuse_path(path)
            return
        num_bytes = self._length()
        if num_bytes is None:
            return
        body = self.rfile.read(num_bytes)
        if len(body) < num_bytes:
            self._refuse(HTTPStatus.BAD_REQUEST, f"body ended after {len(body)} of its bytes")
            return
        try:
            answer = self.server.predict(body)
        except SpecError as error:
            self._send({"error": str(error)}, HTTPStatus.BAD_REQUEST)
        # Whatever it is: the client is told, and the next one is served.
        except Exception as error:
            warn(f"uerl-shm: {type(error).__name__}: {' '.join(str(error).split())}")
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, "the policy could not be run")
        else:
            self._send(answer)

    def handle_expect_100(self) -> bool:
        """Refuse a body that is too long before it is sent."""
        return self._length() is not None and super().handle_expect_100()

    def _length(self) -> int | None:
        """Return the length of the body, or refuse it."""
        lengths, most = self.headers.get_all("Content-Length", []), self.server.max_body_bytes
        text = ",".join(lengths)
        if "Transfer-Encoding" in self.headers or not (text.isascii() and text.isdigit()):
            said = f"Content-Length {text[:20]!r}, expected the number of bytes of the body"
            self._refuse(HTTPStatus.LENGTH_REQUIRED, said)
            return None
        if len(text) <= 12 and int(text) <= most:
            return int(text)
        said = f"body of {text[:20]} bytes, expected at most {most}: send fewer rows"
        self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, said)
        return None

    def _refuse_path(self, path: str) -> None:
        if path in _PATHS:
            said = f"method {self.command} of {path}, expected {_PATHS[path]}"
            self._refuse(HTTPStatus.METHOD_NOT_ALLOWED, said)
        else:
            said = f"path {path[:80]!r}, expected one of {' '.join(_PATHS)}"
            self._refuse(HTTPStatus.NOT_FOUND, said)

    def _refuse(self, status: HTTPStatus, text: str) -> None:
        """Answer an error after which nobody knows where the next request begins."""
        self.close_connection = True
        self._send({"error": text}, status)
        # A connection that is closed with unread bytes takes the answer back.
        self.connection.shutdown(socket.SHUT_WR)
        self.connection.settimeout(1.0)
        left = self.server.max_body_bytes
        try:
            while left > 0 and (found := len(self.rfile.read1(_CHUNK_BYTES))):
                left -= found
        except OSError:
            pass  # it has stopped, or is gone

    def _send(self, answer: Any, status: HTTPStatus = HTTPStatus.OK) -> None:
        body = (json.dumps(answer) + "\n").encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            path = self.path.partition("?")[0]
            self.send_header("Allow", _PATHS.get(path, "GET, POST"))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what http.server itself refuses, as JSON and not as a page."""
        if code == HTTPStatus.NOT_IMPLEMENTED:
            self._refuse_path(self.path.partition("?")[0])
            return
        status = HTTPStatus(code)
        self._refuse(status, message or status.phrase)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of what went well."""

"""The tuner's page over HTTP, for one browser on this machine.

It listens on 127.0.0.1 alone. Whoever asks for anything but the page's own files must show the session's token of 256
random bits; requests that bear another host's name (DNS rebinding) or come from another site's page are refused before
anything else is looked at. No request names a file, none is larger than 64 KB, and there is nothing to unpickle. The
page loads nothing from the network and is told so by its content security policy.
"""

from __future__ import annotations

import hmac
import json
import logging
import secrets
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

from lineament.core.errors import LineamentError

from .batch import unexpected
from .tune_api import TuneApi, refusal

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
PAGE = Path(__file__).resolve().parent / "tune_page"
FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/tuner.js": ("tuner.js", "text/javascript; charset=utf-8"),
    "/link.js": ("link.js", "text/javascript; charset=utf-8"),
    "/view.js": ("view.js", "text/javascript; charset=utf-8"),
    "/panel.js": ("panel.js", "text/javascript; charset=utf-8"),
    "/strip.js": ("strip.js", "text/javascript; charset=utf-8"),
    "/tuner.css": ("tuner.css", "text/css; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
"""All that can be had without a token: the page itself, which knows nothing of the shot."""

MAX_BODY = 64 << 10
MAX_CONNECTIONS = 32
SOCKET_S = 30.0
"""A client that says nothing for so long is let go; a browser connects again."""
POLL_S = 0.25
TOKEN_HEADER = "X-Lineament-Token"  # noqa: S105 - the header's name

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class TuneServer(ThreadingHTTPServer):
    """Serves one session until it is told to quit, or until no page has asked for anything for ``idle_s`` seconds.

    ``port`` 0 takes a free one. Use it as a context manager; ``url`` is what a browser is to open.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 16

    def __init__(self, api: TuneApi, port: int = 0, idle_s: float = 900.0) -> None:
        super().__init__((HOST, port), _Handler)
        self.api, self.token, self.idle_s = api, secrets.token_urlsafe(32), idle_s
        self.timeout = POLL_S
        self._ended = threading.Event()
        self._asked = time.monotonic()
        self._slots = threading.BoundedSemaphore(MAX_CONNECTIONS)

    @property
    def url(self) -> str:
        """The page's address; the token stands behind #, which browsers do not send."""
        return f"http://{HOST}:{self.server_port}/#{self.token}"

    @property
    def names(self) -> tuple[str, ...]:
        """What a browser may call this server."""
        return f"{HOST}:{self.server_port}", f"localhost:{self.server_port}"

    def serve(self) -> str:
        """Answer until the end; tells why it came, "quit" or "idle"."""
        while not self._ended.is_set():
            self.handle_request()
            if time.monotonic() - self._asked > self.idle_s:
                return "idle"
        return "quit"

    def end(self) -> None:
        """Let ``serve`` return."""
        self._ended.set()

    def touch(self) -> None:
        """Somebody with the token is there."""
        self._asked = time.monotonic()

    def process_request(self, request: Any, client_address: Any) -> None:
        """One thread a connection, and no more of them than a page and its accidents need."""
        if not self._slots.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Give the place back when the connection ends."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away in the middle is no news."""
        log.debug("connection from %s ended early", client_address, exc_info=True)


class _Refused(Exception):
    """The request is not answered; the connection is closed, as its body was not read."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status


class _Handler(BaseHTTPRequestHandler):
    """One connection. Every answer leaves through ``_answer``."""

    protocol_version = "HTTP/1.1"
    server_version = "lineament"
    sys_version = ""
    timeout = SOCKET_S
    disable_nagle_algorithm = True
    wbufsize = -1

    @property
    def _tuner(self) -> TuneServer:
        return cast(TuneServer, self.server)

    def do_GET(self) -> None:
        """The page's files, the shot, and the state."""
        self._guarded(self._get)

    def do_POST(self) -> None:
        """Changes and pictures."""
        self._guarded(self._post)

    def _guarded(self, answer: Callable[[], None]) -> None:
        try:
            self._refuse_strangers()
            answer()
        except _Refused as err:
            self.close_connection = True
            self._tell(err.status, {"what": str(err), "where": "", "remedy": ""})
        except LineamentError as err:
            self._tell(HTTPStatus.UNPROCESSABLE_ENTITY, refusal(err))
        except (ConnectionError, TimeoutError):
            self.close_connection = True
        except Exception as err:  # noqa: BLE001 - the page's one boundary: it is told, and the server lives
            self._tell(HTTPStatus.INTERNAL_SERVER_ERROR, refusal(unexpected(err, "tuner")))

    def _get(self) -> None:
        if self.path in FILES:
            name, kind = FILES[self.path]
            self._answer(HTTPStatus.OK, (PAGE / name).read_bytes(), kind)
            return
        calls = {"/api/shot": self._tuner.api.shot, "/api/state": self._tuner.api.state}
        call = calls.get(self.path)
        self._refuse_tokenless()
        if call is None:
            raise _Refused(HTTPStatus.NOT_FOUND, "There is no such address.")
        self._tell(HTTPStatus.OK, call())

    def _post(self) -> None:
        self._refuse_tokenless()
        api, body = self._tuner.api, self._body()
        if self.path == "/api/picture":
            drawn = api.picture(body)
            self._answer(
                HTTPStatus.OK, drawn.pixels, "application/octet-stream", json.dumps(dict(drawn.told))
            )
        elif self.path == "/api/edit":
            self._tell(HTTPStatus.OK, api.edit(body))
        elif self.path == "/api/save":
            self._tell(HTTPStatus.OK, api.save())
        elif self.path == "/api/quit":
            self.close_connection = True
            self._tell(HTTPStatus.OK, {})
            self._tuner.end()
        else:
            raise _Refused(HTTPStatus.NOT_FOUND, "There is no such address.")

    def _refuse_strangers(self) -> None:
        """Another name than ours is DNS rebinding, another origin another site's page."""
        hosts, origins = self.headers.get_all("Host", []), self.headers.get_all("Origin", [])
        if len(hosts) != 1 or hosts[0] not in self._tuner.names:
            raise _Refused(HTTPStatus.FORBIDDEN, "This is not the host that was asked for.")
        if any(origin not in [f"http://{name}" for name in self._tuner.names] for origin in origins):
            raise _Refused(HTTPStatus.FORBIDDEN, "Another site's page may not ask here.")

    def _refuse_tokenless(self) -> None:
        if self.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            raise _Refused(HTTPStatus.FORBIDDEN, "Another site's page may not ask here.")
        given = self.headers.get(TOKEN_HEADER, "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(given, self._tuner.token.encode()):
            raise _Refused(HTTPStatus.UNAUTHORIZED, "Open the address that the command has printed.")
        self._tuner.touch()

    def _body(self) -> object:
        """The JSON of a request."""
        lengths = self.headers.get_all("Content-Length", [])
        if "Transfer-Encoding" in self.headers or len(lengths) != 1 or not _is_count(lengths[0]):
            raise _Refused(HTTPStatus.LENGTH_REQUIRED, "The request does not say how long it is.")
        if int(lengths[0]) > MAX_BODY:
            raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request is too large.")
        if self.headers.get_content_type() != "application/json":
            raise _Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The request is not JSON.")
        data = self.rfile.read(int(lengths[0]))
        try:
            return json.loads(data)
        except (ValueError, RecursionError) as err:
            raise _Refused(HTTPStatus.BAD_REQUEST, "The request is not valid JSON.") from err

    def _tell(self, status: HTTPStatus, data: dict[str, Any]) -> None:
        self._answer(status, json.dumps(data).encode(), "application/json")

    def _answer(self, status: HTTPStatus, body: bytes, kind: str, told: str = "") -> None:
        self.send_response(status)
        fields = HEADERS | {"Content-Type": kind, "Content-Length": str(len(body))}
        if told:
            fields["X-Lineament-Picture"] = told
        if self.close_connection:
            fields["Connection"] = "close"
        for name, value in fields.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the protocol itself refuses, without a page of HTML."""
        self.close_connection = True
        status = HTTPStatus(code)
        self._tell(status, {"what": message or status.phrase, "where": "", "remedy": ""})

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are for debugging only; none has a token in its address."""
        log.debug(format, *args)


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 9

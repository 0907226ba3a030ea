"""A tuner for tests: a show file around a studio's plates, and the server of one shot of it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from lineament import plugin
from lineament.plugin.cli_tune import open_tuner
from lineament.plugin.tune_api import TuneApi
from lineament.plugin.tune_server import HOST, TOKEN_HEADER, TuneServer
from lineament.plugin.tune_session import TuneSession

DEMO = Path(plugin.__file__).resolve().parent / "demo_shot"
FRAMES = (1001, 1002, 1003)
SIDE = 512


def write_show(folder: Path, *lines: str) -> Path:
    """A show file with the demonstration as the shot sh010, and these more lines of it."""
    path = folder / "shots.yaml"
    head = ["schema_version: 1", "", "# tuned by eye", "shots:", "  sh010:"]
    head += [f"    plate: {DEMO / 'plate' / 'plate.####.exr'}", "    output: out/{shot}.####.exr"]
    own = ["frames: 1001-1003", *lines]
    if "faces:" not in lines:
        own.append(f"face: {{track: {DEMO / 'track.json'}}}")
    path.write_text("\n".join([*head, *(f"    {line}" for line in own), ""]))
    return path


def open_demo(folder: Path, *lines: str) -> TuneApi:
    """The tuner of that shot, analysed into a cache of its own."""
    return open_tuner(write_show(folder, *lines), "sh010", "cpu", folder / "cache")


def with_file(api: TuneApi, folder: Path, *lines: str) -> TuneApi:
    """The same shot and pictures, edited from a show file of its own."""
    session = TuneSession(write_show(folder, *lines), "sh010", api.session.limits)
    return TuneApi(session, api.desk, api.library)


@contextmanager
def served(api: TuneApi, idle_s: float = 900.0) -> Iterator[TuneServer]:
    """The server, answering in a thread until the end of the block."""
    with TuneServer(api, idle_s=idle_s) as server:
        thread = threading.Thread(target=server.serve)
        thread.start()
        try:
            yield server
        finally:
            server.end()
            thread.join(10)
            assert not thread.is_alive()


def ask(server: TuneServer, path: str, body: object = None, **headers: str) -> tuple[int, Any, Any]:
    """Status, headers and content of an answer, as the page would ask; ``headers`` replace its own, "" leaves one out,
    and an underscore stands for a dash."""
    own = {TOKEN_HEADER: server.token, "Content-Type": "application/json", "Host": server.names[0]}
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    sent = {name: value for name, value in (own | given).items() if value}
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    connection = HTTPConnection(HOST, server.server_port, timeout=30)
    try:
        connection.putrequest("GET" if data is None else "POST", path, skip_host=True)
        for name, value in sent.items():
            connection.putheader(name, value)
        if data is not None:
            connection.putheader("Content-Length", str(len(data)))
        connection.endheaders(data)
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    is_json = answer.headers.get_content_type() == "application/json"
    return answer.status, answer.headers, json.loads(content) if is_json else content


def raw(server: TuneServer, data: bytes) -> bytes:
    """What the server says to these very bytes, until it closes."""
    found = b""
    with socket.create_connection((HOST, server.server_port), timeout=60) as link:
        link.sendall(data)
        link.shutdown(socket.SHUT_WR)
        try:
            while block := link.recv(1 << 16):
                found += block
        except ConnectionError:
            pass
    return found

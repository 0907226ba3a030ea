"""The tuner's server: one page of this machine is answered, everybody else is refused, and it stays alive."""

from __future__ import annotations

import json
import random
import socket
import threading
import time

import pytest
from lineament.plugin.tune_server import FILES, HOST, MAX_BODY, MAX_CONNECTIONS, TOKEN_HEADER, TuneServer

from .tuning import FRAMES, SIDE, ask, open_demo, raw, served

EDIT = {"op": "strength", "face": "main", "attribute": "age", "value": 1.0, "frame": FRAMES[0]}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    api = open_demo(tmp_path_factory.mktemp("tuner"), "strengths: {age: 0.5}")
    with served(api) as serving:
        yield serving


@pytest.fixture(autouse=True)
def still_alive(server):
    """Whatever a test has done, the page is answered behind it, and what it edited is taken back."""
    yield
    while ask(server, "/api/state")[2]["undo"]:
        ask(server, "/api/edit", {"op": "undo"})
    assert ask(server, "/api/state")[0] == 200


def test_when_it_listens_then_on_this_machine_alone_with_a_token_of_256_bits(server) -> None:
    assert server.server_address[0] == "127.0.0.1"
    assert len(server.token) >= 43 and server.url.endswith(f"/#{server.token}")


@pytest.mark.parametrize("path", FILES)
def test_when_the_page_is_asked_for_then_it_comes_without_a_token_and_with_a_strict_policy(
    server, path
) -> None:
    status, headers, content = ask(server, path, **{TOKEN_HEADER: ""})
    assert status == 200 and len(content) > 100 and server.token.encode() not in content
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff" and headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("token", ["", "x", "A" * 43, "ü", "A" * 5000])
@pytest.mark.parametrize(
    "path", ["/api/shot", "/api/state", "/api/edit", "/api/picture", "/api/save", "/api/quit"]
)
def test_when_the_token_is_missing_or_wrong_then_nothing_is_told_or_done(server, path, token) -> None:
    body = None if path in ("/api/shot", "/api/state") else EDIT
    sent = {TOKEN_HEADER: token.encode().decode("latin-1")}
    status, headers, content = ask(server, path, body, **sent)
    assert (status, headers["Connection"]) == (401, "close") and set(content) == {"what", "where", "remedy"}
    assert not ask(server, "/api/state")[2]["undo"]


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1", "127.0.0.1:1", "[::1]:80", ""]
)
@pytest.mark.parametrize("path", ["/", "/api/state"])
def test_when_the_host_is_another_then_the_request_is_refused(server, path: str, host: str) -> None:
    assert ask(server, path, Host=host)[0] == 403


def test_when_two_hosts_are_named_then_the_request_is_refused(server) -> None:
    name = server.names[0]
    request = f"GET / HTTP/1.1\r\nHost: {name}\r\nHost: {name}\r\n\r\n"
    assert b" 403 " in raw(server, request.encode()).splitlines()[0]


@pytest.mark.parametrize(
    "origin", ["null", "http://evil.example", "https://127.0.0.1", "http://127.0.0.1:1", "file://"]
)
def test_when_another_sites_page_asks_then_it_is_refused(server, origin: str) -> None:
    assert ask(server, "/api/edit", EDIT, Origin=origin)[0] == 403
    assert ask(server, "/api/edit", EDIT, Sec_Fetch_Site="cross-site")[0] == 403


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_when_our_own_page_asks_then_it_is_answered(server, name: str) -> None:
    place = f"{name}:{server.server_port}"
    own = {"Host": place, "Origin": f"http://{place}", "Sec_Fetch_Site": "same-origin"}
    assert ask(server, "/api/edit", EDIT, **own)[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/../pyproject.toml",
            "/..%2f..%2fetc/passwd",
            "//etc/passwd",
            "/tuner.js/../tune_server.py",
            "/tuner.js%00",
        ),
        *(
            "/index.html",
            "/tune_page/index.html",
            "/api",
            "/api/",
            "/api/state/",
            "/api/state?x=1",
            "/?token=x",
            "\\",
        ),
    ],
)
def test_when_an_address_is_not_one_of_ours_then_it_is_not_found(server, path: str) -> None:
    assert ask(server, path)[0] == 404
    assert ask(server, path, {})[0] == 404
    assert ask(server, path, **{TOKEN_HEADER: ""})[0] == 401


@pytest.mark.parametrize(
    ("length", "status"),
    [
        (str(MAX_BODY + 1), 413),
        ("2147483648", 411),
        ("-1", 411),
        ("", 411),
        ("1e3", 411),
        ("٣", 411),
        ("+5", 411),
    ],
)
def test_when_a_request_is_too_large_or_does_not_say_then_its_body_is_not_read(
    server, length, status
) -> None:
    head = [f"POST /api/edit HTTP/1.1\r\nHost: {server.names[0]}", f"{TOKEN_HEADER}: {server.token}"]
    head += ["Content-Type: application/json", f"Content-Length: {length}", "\r\n"]
    assert f" {status} " in raw(server, "\r\n".join(head).encode()).split(b"\r\n")[0].decode()


def test_when_a_body_comes_in_chunks_or_twice_measured_then_it_is_refused(server) -> None:
    own = f"Host: {server.names[0]}\r\n{TOKEN_HEADER}: {server.token}\r\nContent-Type: application/json\r\n"
    for more in ("Transfer-Encoding: chunked\r\n", "Content-Length: 2\r\nContent-Length: 30\r\n"):
        answer = raw(server, f"POST /api/edit HTTP/1.1\r\n{own}{more}\r\n2\r\n{{}}\r\n0\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 411") and answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b"[" * 60_000, 400),
        (b"[]", 422),
        (b"null", 422),
        (b'"x"', 422),
    ],
)
def test_when_the_body_is_no_message_then_it_is_refused(server, body: bytes, status: int) -> None:
    assert ask(server, "/api/edit", body)[0] == status


def test_when_the_body_is_called_something_else_than_json_then_it_is_refused(server) -> None:
    assert ask(server, "/api/edit", EDIT, Content_Type="text/plain")[0] == 415


@pytest.mark.parametrize(
    "change",
    [
        *(
            {"op": "explode"},
            {"op": "undo", "path": "/etc/passwd"},
            EDIT | {"value": "1"},
            EDIT | {"value": None},
        ),
        *(EDIT | {"value": 99.0}, EDIT | {"frame": 7}, EDIT | {"frame": 1001.5}, EDIT | {"face": "../../x"}),
        *(
            EDIT | {"attribute": "wings"},
            EDIT | {"attribute": "x" * 101},
            {k: v for k, v in EDIT.items() if k != "op"},
        ),
        {"op": "field", "face": "main", "field": "moves", "value": 1.0},
        {"op": "interpolation", "face": "main", "attribute": "age", "kind": "bouncy"},
    ],
)
def test_when_a_change_is_impossible_then_the_page_is_told_why_and_nothing_changes(server, change) -> None:
    status, _, told = ask(server, "/api/edit", change)
    assert status == 422 and told["what"].endswith(".") and told["remedy"]
    assert not ask(server, "/api/state")[2]["dirty"]


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999"])
def test_when_a_number_is_none_then_it_is_refused(server, value: str) -> None:
    body = json.dumps(EDIT).replace("1.0", value).encode()
    assert ask(server, "/api/edit", body)[0] == 422


@pytest.mark.parametrize(
    "asked",
    [
        *({"frame": 7}, {"size": 100_000}, {"size": 0}, {"stops": 1e9}, {"zoom": "nobody"}, {"side": "out"}),
        *(
            {"display": "no", "view": "no"},
            {"kind": "x"},
            {"path": "/etc/passwd"},
            {"edit": {"op": "explode"}},
        ),
    ],
)
def test_when_a_picture_is_impossible_then_the_page_is_told_why(server, asked) -> None:
    status, _, told = ask(server, "/api/picture", {"frame": FRAMES[0]} | asked)
    assert status == 422 and told["what"] and told["remedy"]


def test_when_a_picture_is_asked_for_then_its_bytes_are_those_of_its_rectangle(server) -> None:
    _, headers, plate = ask(server, "/api/picture", {"frame": FRAMES[0], "side": "plate"})
    told = json.loads(headers["X-Lineament-Picture"])
    assert (told["width"], told["height"], len(plate)) == (SIDE, SIDE, SIDE * SIDE * 4)
    _, headers, patch = ask(server, "/api/picture", {"frame": FRAMES[0], "edit": EDIT | {"value": 2.0}})
    told = json.loads(headers["X-Lineament-Picture"])
    assert 0 < told["w"] < SIDE and len(patch) == told["w"] * told["h"] * 4 and set(patch[3::4]) == {255}
    _, _, saved = ask(server, "/api/picture", {"frame": FRAMES[0], "side": "saved"})
    assert saved != patch


def test_when_two_hundred_requests_are_garbage_then_none_is_obeyed(server) -> None:
    chance = random.Random(11)
    good = json.dumps(EDIT).encode()
    head = f"POST /api/edit HTTP/1.1\r\nHost: {server.names[0]}\r\nContent-Length: {len(good)}\r\n"
    request = (
        head.encode() + b"Content-Type: application/json\r\n" + TOKEN_HEADER.encode() + b": \r\n\r\n" + good
    )
    for number in range(200):
        data = bytearray(request if number % 2 else bytes(chance.randbytes(chance.randrange(1, 400))))
        for _ in range(chance.randrange(1, 12)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        cut = chance.randrange(1, len(data) + 1) if number % 3 == 0 else len(data)
        answer = raw(server, bytes(data[:cut]))
        assert b" 200 " not in answer[:20], data
        assert b"Traceback" not in answer and server.token.encode() not in answer
    assert not ask(server, "/api/state")[2]["undo"]


def test_when_two_hundred_messages_are_damaged_then_each_is_a_change_or_refused(server) -> None:
    chance = random.Random(12)
    bodies = [json.dumps({"frame": FRAMES[0], "edit": EDIT}).encode(), json.dumps(EDIT).encode()]
    statuses = set()
    for number in range(200):
        data = bytearray(bodies[number % 2])
        for _ in range(chance.randrange(1, 4)):
            data[chance.randrange(len(data))] = chance.choice(b'{}[]",:.0123456789eE-+truefalsn\\\x00\xff')
        statuses.add(ask(server, ("/api/picture", "/api/edit")[number % 2], bytes(data))[0])
    assert {400, 422} <= statuses <= {200, 400, 422}


def test_when_a_client_says_nothing_then_others_are_answered(server) -> None:
    silent = [socket.create_connection((HOST, server.server_port)) for _ in range(8)]
    silent[0].sendall(b"POST /api/edit HT")
    try:
        assert ask(server, "/api/state")[0] == 200
    finally:
        for link in silent:
            link.close()


def test_when_there_are_too_many_connections_then_they_are_closed_and_places_come_back(server) -> None:
    links = [
        socket.create_connection((HOST, server.server_port), timeout=60) for _ in range(MAX_CONNECTIONS + 8)
    ]
    try:
        links[-1].settimeout(5)
        assert links[-1].recv(10) == b""
    finally:
        for link in links:
            link.close()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            assert ask(server, "/api/state")[0] == 200
            return
        except (ConnectionError, OSError):
            time.sleep(0.05)
    pytest.fail("no place came back")


def test_when_many_ask_at_once_then_every_change_is_one_step(server) -> None:
    def change(value: float) -> None:
        assert ask(server, "/api/edit", EDIT | {"value": value})[0] == 200

    threads = [threading.Thread(target=change, args=(0.6 + 0.1 * number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    steps = 0
    while ask(server, "/api/state")[2]["undo"]:
        ask(server, "/api/edit", {"op": "undo"})
        steps += 1
    assert steps == 12


def test_when_quit_is_asked_for_then_it_ends(server) -> None:
    ends: list[str] = []
    with TuneServer(server.api) as other:
        thread = threading.Thread(target=lambda: ends.append(other.serve()))
        thread.start()
        assert ask(other, "/api/quit", {})[0] == 200
        thread.join(10)
    assert ends == ["quit"]


def test_when_nobody_with_the_token_is_there_then_it_ends_by_itself(server) -> None:
    with TuneServer(server.api, idle_s=0.6) as other:
        ends: list[str] = []
        thread = threading.Thread(target=lambda: ends.append(other.serve()))
        thread.start()
        while thread.is_alive():
            raw(other, b"GET / HTTP/1.1\r\n\r\n")  # a stranger does not keep it alive
            thread.join(0.05)
    assert ends == ["idle"]

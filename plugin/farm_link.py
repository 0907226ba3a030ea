"""How the tasks of a farm's session reach the worker that holds the model: JSON lines over a socket of their own.

The socket lies in the session's folder, which nobody else may enter; where there are no UNIX sockets, or the path is
too long for one, it is a port of this machine. Either way a message counts only with the token from a file that only
its owner can read. Lines have a limit, nothing in them is executed, and neither side waits for ever.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lineament.core.atomic import write_atomically
from lineament.core.errors import HostError

from .messages import decode, encode

MAX_LINE = 1 << 20
CONNECT_S = 10.0
SILENCE_S = 60.0
"""After this long without a word, a beat included, the other side is taken for dead."""
BEAT_S = 2.0
MAX_SOCKET_PATH = 100
"""Systems take 104 to 108 bytes."""
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Meeting:
    """Where the worker of a session is reached; the file with it is the worker's sign that the model is loaded.

    ``address`` is the socket's path, or "" if the worker listens on ``port`` of this machine.
    """

    pid: int
    token: str
    address: str = ""
    port: int = 0

    def admits(self, token: object) -> bool:
        """Whether a message with this token comes from the session."""
        given = token.encode("utf-8", "replace") if isinstance(token, str) else b""
        return hmac.compare_digest(given, self.token.encode())


def meeting_path(folder: Path) -> Path:
    """The file with the meeting."""
    return folder / "resident.json"


def log_path(folder: Path) -> Path:
    """What the worker prints goes there."""
    return folder / "resident.log"


def own_folder(folder: Path) -> Path:
    """Make the folder for its owner alone. Raises HostError if it belongs to somebody else or cannot be made."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if hasattr(os, "getuid") and folder.stat().st_uid != os.getuid():
            raise PermissionError(None, "it belongs to another user")
        folder.chmod(0o700)
    except OSError as err:
        raise HostError(
            f"The folder of the resident worker cannot be used: {err.strerror or err}.",
            where=str(folder),
            remedy="Name a new folder in the session's working directory.",
        ) from err
    return folder.resolve()


def open_door(folder: Path) -> tuple[socket.socket, Meeting]:
    """Listen for the session's tasks; nobody knows before ``publish``. Raises OSError."""
    path = folder / "resident.sock"
    token = secrets.token_hex(32)
    if hasattr(socket, "AF_UNIX") and len(os.fsencode(path)) <= MAX_SOCKET_PATH:
        path.unlink(missing_ok=True)
        door = socket.socket(socket.AF_UNIX)
        door.bind(str(path))
        path.chmod(0o600)
        meeting = Meeting(os.getpid(), token, address=str(path))
    else:
        door = socket.socket()
        door.bind((LOOPBACK, 0))
        meeting = Meeting(os.getpid(), token, port=door.getsockname()[1])
    door.listen(8)
    return door, meeting


def publish(folder: Path, meeting: Meeting) -> None:
    """Write the meeting for the session's owner alone. Raises OSError."""
    before = os.umask(0o077)
    try:
        write_atomically(meeting_path(folder), json.dumps(asdict(meeting)).encode())
    finally:
        os.umask(before)


def read_meeting(folder: Path) -> Meeting | None:
    """The meeting, None if there is none (that can be understood)."""
    try:
        data = json.loads(meeting_path(folder).read_bytes()[:MAX_LINE])
        return Meeting(int(data["pid"]), str(data["token"]), str(data["address"]), int(data["port"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


class Line:
    """One connection: a message a line in either direction."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._stream = link.makefile("rb")
        self._lock = threading.Lock()

    def hang_up(self) -> None:
        """End the conversation, so that whoever listens on either side hears it; ``close`` is still to be called."""
        with suppress(OSError):
            self._link.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Give the connection back to the system."""
        self._stream.close()
        self._link.close()

    def limit(self, seconds: float | None) -> None:
        """How long ``hear`` may take at most."""
        self._link.settimeout(seconds)

    def say(self, kind: str, **fields: Any) -> None:
        """Send a message, from any thread. Raises OSError."""
        with self._lock:
            self._link.sendall(encode({"type": kind, **fields}))

    def hear(self) -> dict[str, Any] | None:
        """The next message, None when the other side has hung up.

        Raises OSError, TimeoutError among them, and HostError for what is no message or too long to be one.
        """
        line = self._stream.readline(MAX_LINE + 1)
        if not line:
            return None
        if len(line) > MAX_LINE or not line.endswith(b"\n"):
            raise HostError(
                "A message is too long or was cut short.",
                where="resident worker",
                remedy="Run the task again.",
            )
        return decode(line)


@contextmanager
def called(meeting: Meeting) -> Iterator[Line]:
    """A connection to the worker. Raises OSError if nobody answers."""
    if meeting.address:
        link = socket.socket(socket.AF_UNIX)
    else:
        link = socket.socket()
    with closing(link):
        link.settimeout(CONNECT_S)
        link.connect(meeting.address or (LOOPBACK, meeting.port))
        line = Line(link)
        with closing(line):
            line.limit(SILENCE_S)
            yield line

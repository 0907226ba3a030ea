"""Latents kept on disk by the content they were found from, so that a second look at a frame costs nothing.

One safetensors file an entry, named by a hash of crop, transform, generator and inverter. The cache may only
ever save time: whatever is wrong with an entry or the folder counts as a miss and is logged, never raised.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from .atomic import write_atomically
from .faces.base import FaceCrop
from .inversion.base import Inverter
from .latent import Array, Latent

FORMAT = "lineament-latent-1"
DEFAULT_LIMIT_BYTES = 256 * 2**20  # an entry is 8 to 40 kB: many thousand frames, yet nobody's disk is filled
STALE_S = 3600.0  # a temporary file this much older than a fresh entry was left by a writer that died

logger = logging.getLogger(__name__)


def crop_digest(crop: FaceCrop) -> str:
    """SHA-256 over everything an inverter may read of a crop: pixels, matte, validity, transform."""
    digest = hashlib.sha256()
    for array in (crop.image, crop.matte, crop.valid, crop.plate_from_crop):
        digest.update(f"{array.shape}{array.dtype.str}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


class LatentCache:
    """A folder of latents with a size limit; several processes may share it.

    When it grows beyond ``limit_bytes``, the entries written longest ago go first.
    """

    def __init__(self, folder: Path, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> None:
        self.folder = folder
        self.limit_bytes = limit_bytes

    @staticmethod
    def key(crop: FaceCrop, generator_id: str, inverter_key: str) -> str:
        """64 hex digits that stand for one inversion."""
        text = "\0".join((FORMAT, crop_digest(crop), generator_id, inverter_key))
        return hashlib.sha256(text.encode()).hexdigest()

    def get(self, key: str, generator_id: str) -> Latent | None:
        """The latent stored under ``key``, or None. A damaged or foreign entry is removed and logged."""
        path = self._path(key)
        try:
            return read_entry(path, key, generator_id)
        except FileNotFoundError:
            return None
        except (OSError, SafetensorError, ValueError, KeyError) as err:
            logger.warning("Removed unusable latent cache entry %s: %s", path, err)
            discard(path)
            return None

    def put(self, key: str, latent: Latent) -> None:
        """Store ``latent``; a folder that cannot be written is logged and otherwise ignored."""
        ws = np.ascontiguousarray(latent.ws)
        metadata = {
            "format": FORMAT,
            "key": key,
            "generator_id": latent.generator_id,
            "space": latent.space,
            "sha256": hashlib.sha256(ws.tobytes()).hexdigest(),
        }
        path = self._path(key)
        try:
            write_atomically(path, save({"ws": ws}, metadata))
            self._sweep(path)
        except OSError as err:
            logger.warning("Could not store a latent in %s: %s", self.folder, err)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.safetensors"

    def _sweep(self, newest: Path) -> None:
        """Remove the oldest entries beyond the limit (never ``newest``) and what dead writers left behind."""
        entries = []
        now = newest.stat().st_mtime  # the folder's own clock: file servers and hosts disagree about the time
        for path in self.folder.iterdir():
            try:
                status = path.stat()
            except FileNotFoundError:  # another process swept it
                continue
            if path.name.startswith(".tmp-") and now - status.st_mtime > STALE_S:
                discard(path)
            elif path.suffix == ".safetensors" and path != newest:
                entries.append((status.st_mtime, path.name, status.st_size, path))
        total = newest.stat().st_size + sum(entry[2] for entry in entries)
        for _, _, size, path in sorted(entries):
            if total <= self.limit_bytes:
                break
            discard(path)
            total -= size


def read_entry(path: Path, key: str, generator_id: str) -> Latent:
    """Read and verify one file. Raises OSError, SafetensorError, KeyError or ValueError if anything is
    off.
    """
    if not path.is_file():
        raise FileNotFoundError(path)
    with safe_open(path, framework="np") as entry:
        metadata = entry.metadata() or {}
        ws: Array = entry.get_tensor("ws")
    expected = {"format": FORMAT, "key": key, "generator_id": generator_id}
    for name, value in expected.items():
        if metadata.get(name) != value:
            raise ValueError(f"its {name} is {metadata.get(name)!r}, not {value!r}")
    if hashlib.sha256(ws.tobytes()).hexdigest() != metadata["sha256"]:
        raise ValueError("its numbers do not match their checksum")
    return Latent(ws, generator_id, metadata["space"])


def discard(path: Path) -> None:
    """Remove a file that somebody else may already have removed, or may hold."""
    try:
        path.unlink(missing_ok=True)
    except OSError as err:
        logger.warning("Could not remove %s: %s", path, err)


class CachedInverter:
    """An inverter that looks into a cache first; its key, and so its results, are those of the inner one."""

    def __init__(self, inverter: Inverter, cache: LatentCache, generator_id: str) -> None:
        self._inverter = inverter
        self._cache = cache
        self._generator_id = generator_id

    @property
    def key(self) -> str:
        """The inner inverter's key."""
        return self._inverter.key

    def invert(self, crop: FaceCrop) -> Latent:
        """The cached latent of this very crop, or a new one that is then stored."""
        key = LatentCache.key(crop, self._generator_id, self.key)
        latent = self._cache.get(key, self._generator_id)
        if latent is None:
            latent = self._inverter.invert(crop)
            self._cache.put(key, latent)
        return latent

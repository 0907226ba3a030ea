"""The bytes of a model package: read within limits, parsed only when sane, written whole or not at all."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError

from ..atomic import write_atomically
from ..errors import GeneratorError

if TYPE_CHECKING:  # torch takes longer to load than a card; who only wants that does without
    from torch import Tensor

MAX_CARD_BYTES = 1 << 20
MAX_FILE_BYTES = 4 << 30
MAX_HEADER_BYTES = 1 << 20  # a header of 300 000 tensors takes seconds to parse
MAX_TENSORS = 10_000


def from_safetensors(data: bytes, where: str) -> dict[str, Tensor]:
    """The tensors in the bytes of a safetensors file, as stored."""
    from safetensors.torch import load as parse_safetensors

    check_header(data, where)
    try:
        return parse_safetensors(data)
    except (SafetensorError, ValueError, KeyError) as err:
        raise damaged(f"This is no valid safetensors file: {one_line(err)}.", where) from err


def to_safetensors(tensors: Mapping[str, Tensor]) -> bytes:
    """Tensors as the bytes of a safetensors file."""
    from safetensors.torch import save as format_safetensors

    return format_safetensors(
        {key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()}
    )


def check_header(data: bytes, where: str) -> None:
    """Refuse headers that would take long to parse, before anything parses them."""
    size = int.from_bytes(data[:8], "little") if len(data) >= 8 else -1
    if not 0 < size <= min(MAX_HEADER_BYTES, len(data) - 8):
        raise damaged(f"The safetensors header announces {size} bytes.", where)
    header = parse_json(data[8 : 8 + size], where)
    if not isinstance(header, dict) or len(header) > MAX_TENSORS:
        raise damaged(f"The safetensors header lists more than {MAX_TENSORS} tensors, or none.", where)


def parse_json(data: bytes, where: str) -> Any:
    """The value in JSON text. Raises GeneratorError, also for texts nested too deeply to parse."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as err:
        raise damaged(f"This is no valid JSON: {one_line(err)}.", where) from err


def read_bytes(path: Path, limit: int) -> bytes:
    """The whole file of at most ``limit`` bytes. Raises GeneratorError."""
    try:
        size = path.stat().st_size
        if size > limit:
            raise damaged(f"{path.name} has {size} bytes; at most {limit} are expected.", str(path))
        return path.read_bytes()
    except OSError as err:
        raise damaged(f"{path.name} cannot be read: {err.strerror}.", str(path)) from err


def damaged(what: str, where: str) -> GeneratorError:
    """The error for a package that is not what it was when it was saved."""
    return GeneratorError(what, where=where, remedy="Restore the model package, or import the model again.")


@contextmanager
def package_errors(where: str) -> Iterator[None]:
    """The border of a package: whatever its contents upset inside the block becomes GeneratorError.

    A file may be the very one that the card lists and still not hold what its name promises.
    """
    import torch

    try:
        yield
    except torch.OutOfMemoryError:
        raise  # says something about the machine, not about the package
    except KeyError as err:
        raise damaged(f"{Path(where).name} lacks {one_line(err)}.", where) from err
    except (ValueError, TypeError, AttributeError, IndexError, OverflowError, RuntimeError) as err:
        raise damaged(f"{Path(where).name} does not fit this model: {one_line(err)}.", where) from err


def one_line(err: BaseException) -> str:
    """A foreign exception's message without line breaks, shortened."""
    lines = [line.strip() for line in str(err).splitlines() if line.strip()]
    return " ".join(lines[:2])[:200].rstrip(".") or type(err).__name__


def to_json(values: Any) -> bytes:
    """Plain values as indented JSON with sorted keys; NaN and infinity raise ValueError."""
    return (json.dumps(values, indent=2, sort_keys=True, allow_nan=False) + "\n").encode()


def write_folder(folder: Path, contents: Mapping[str, bytes], *, overwrite: bool) -> None:
    """Fill a temporary sibling, then rename it: the folder is complete from the moment it exists."""
    if folder.exists() and not overwrite and (not folder.is_dir() or any(folder.iterdir())):
        raise GeneratorError(
            f"{folder} already exists.", remedy="Choose another folder, or remove this one first."
        )
    temporary: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        temporary.chmod(0o755)
        for filename, data in contents.items():
            write_atomically(temporary / filename, data)
        if overwrite and folder.exists():
            shutil.rmtree(folder)
        temporary.replace(folder)
    except OSError as err:
        raise GeneratorError(
            f"The model package cannot be written: {err.strerror}.",
            where=str(folder),
            remedy="Choose a folder that can be written to.",
        ) from err
    finally:
        if temporary is not None and temporary.exists():
            shutil.rmtree(temporary, ignore_errors=True)

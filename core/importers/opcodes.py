"""Reads a pickle as data: opcodes build plain values and inert records, and no stored name is ever imported.

``pickle.Unpickler`` with a strict ``find_class`` still calls what it found, lets BUILD set attributes on it,
hashes nested tuples for as long as they please and allocates memo tables of any announced size. A checkpoint
needs none of that. So the stream is parsed with ``pickletools.genops``, the few opcodes checkpoints consist
of move values on a list, a global becomes a ``Global`` token after an exact look-up in an allow-list, and a
call becomes a ``Made`` record that remembers what would have been called. What the records mean is decided by
the importer of the format.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Set
from dataclasses import dataclass
from typing import Any, BinaryIO

from ..errors import GeneratorError

MAX_OPCODES = 2_000_000  # a 1024 px training snapshot has about 60 000; this many still parse in seconds
MAX_INTEGER_BITS = 128  # torch's own magic number has 77
REMEDY = "Nothing was run and nothing was written. Only import checkpoints whose origin you know."

Name = tuple[str, str]
MAPPINGS: Set[Name] = {("collections", "OrderedDict"), ("dnnlib.util", "EasyDict")}
SETS: Set[Name] = {("builtins", "set"), ("__builtin__", "set")}

ENCODE: Name = ("_codecs", "encode")  # how protocol 2 writes bytes

_MARK = object()
_VALUES = frozenset(
    [
        "BININT",
        "BININT1",
        "BININT2",
        "BINFLOAT",
        "BINUNICODE",
        "SHORT_BINUNICODE",
        "BINUNICODE8",
        "BINBYTES",
        "SHORT_BINBYTES",
        "BINBYTES8",
        "BINSTRING",
        "SHORT_BINSTRING",
        "LONG1",
        "LONG4",
    ]
)
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


@dataclass(frozen=True)
class Global:
    """A name that the stream mentions. It stands for nothing: it was looked up in a table, not imported."""

    module: str
    name: str


class Made:
    """What calling ``kind`` with ``args`` would have made; ``state`` is what it would have been restored
    from.
    """

    __slots__ = ("args", "kind", "state")

    def __init__(self, kind: Name, args: tuple[Any, ...]) -> None:
        self.kind = kind
        self.args = args
        self.state: Any = None


PERSISTENT: Name = ("", "persistent id")


def refuse(what: str, where: str) -> GeneratorError:
    """The one-line error for a checkpoint that is hostile, damaged or of an unknown kind."""
    return GeneratorError(what, where=where, remedy=REMEDY)


def quote(value: object) -> str:
    """A short one-line rendering of an untrusted scalar; anything else is only called by its type."""
    if not isinstance(value, str | int | float | bool | None):
        return type(value).__name__
    text = ascii(value) if not isinstance(value, str) else ascii(value)[1:-1]
    return text if len(text) <= 80 else f"{text[:77]}..."


class OpcodeReader:
    """Reads pickles from one stream, each with a fresh memo, against one list of allowed names.

    ``persistent`` allows persistent ids, which torch's containers use for storages. ``made`` collects every
    record in stream order, also those that end up nowhere. Raises GeneratorError with ``where`` for
    everything else.
    """

    def __init__(self, stream: BinaryIO, *, names: Set[Name], where: str, persistent: bool = False) -> None:
        self._stream = stream
        self._names = names
        self._where = where
        self._persistent = persistent
        self._budget = MAX_OPCODES
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self.made: list[Made] = []

    def read(self) -> Any:
        """The next pickle's value."""
        self._stack, self._memo = [], {}
        try:
            for opcode, argument, _ in pickletools.genops(self._stream):
                self._budget -= 1
                if self._budget < 0:
                    raise refuse(f"The checkpoint has more than {MAX_OPCODES} pickle opcodes.", self._where)
                if opcode.name == "STOP":
                    break
                self._step(opcode.name, argument)
            (value,) = self._stack
        except (ValueError, IndexError, KeyError, TypeError, OverflowError) as err:
            raise refuse(f"The checkpoint is damaged or truncated: {quote(str(err))}.", self._where) from err
        return value

    def _step(self, opcode: str, argument: Any) -> None:
        if opcode in _VALUES:
            if isinstance(argument, int) and argument.bit_length() > MAX_INTEGER_BITS:
                raise ValueError(f"an integer of {argument.bit_length()} bits")
            self._stack.append(argument)
        elif opcode in _CONSTANTS:
            self._stack.append(_CONSTANTS[opcode])
        elif opcode in _TUPLES:
            self._stack.append(tuple(self._pop_last(_TUPLES[opcode])))
        elif opcode in _HANDLERS:
            _HANDLERS[opcode](self, argument)
        else:
            raise refuse(f"The checkpoint uses the pickle opcode {opcode}, which none needs.", self._where)

    def _pop(self) -> Any:
        value = self._stack.pop()
        if value is _MARK:
            raise ValueError("a mark where a value belongs")
        return value

    def _pop_last(self, count: int) -> list[Any]:
        values = [self._pop() for _ in range(count)]
        return values[::-1]

    def _pop_to_mark(self) -> list[Any]:
        values: list[Any] = []
        while (value := self._stack.pop()) is not _MARK:
            values.append(value)
        return values[::-1]

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _remember(self, index: int) -> None:
        value = self._pop()
        self._stack.append(value)
        self._memo[index] = value

    def _extend(self, values: list[Any]) -> None:
        target = self._stack[-1]
        if type(target) is not list:
            raise ValueError(f"items appended to a {type(target).__name__}")
        target.extend(values)

    def _update(self, flat: list[Any]) -> None:
        target = self._stack[-1]
        if type(target) is not dict or len(flat) % 2:
            raise ValueError(f"items set on a {type(target).__name__}")
        for key, value in zip(flat[::2], flat[1::2], strict=True):
            if type(key) not in (str, int):  # hashing a deeply shared tuple takes for ever
                raise ValueError(f"a key of type {type(key).__name__}")
            target[key] = value

    def _find(self, module: Any, name: Any) -> None:
        if (module, name) not in self._names:
            asked = f"{quote(module)}.{quote(name)}"
            raise refuse(
                f"The checkpoint asks for {asked}, which no checkpoint of a known kind needs.", self._where
            )
        self._stack.append(Global(module, name))

    def _find_on_stack(self) -> None:
        module, name = self._pop_last(2)
        if type(module) is not str or type(name) is not str:
            raise ValueError("a global whose name is no text")
        self._find(module, name)

    def _call(self) -> None:
        target, args = self._pop_last(2)
        if type(target) is not Global or type(args) is not tuple:
            raise refuse("The checkpoint calls something that is no allowed name.", self._where)
        kind = (target.module, target.name)
        if kind in SETS:
            self._stack.append(args[0] if args and type(args[0]) is list else [])
        elif kind in MAPPINGS:
            self._stack.append({})
            pairs = args[0] if args and type(args[0]) is list else []
            self._budget -= len(pairs)  # one call may copy a long list again and again
            for key, value in pairs if self._budget > 0 else []:
                self._update([key, value])
        elif kind == ENCODE:
            self._stack.append(self._encoded(args))
        else:
            self.made.append(Made(kind, args))
            self._stack.append(self.made[-1])

    def _encoded(self, args: tuple[Any, ...]) -> bytes:
        text, encoding = args
        if type(text) is not str or encoding != "latin1":
            raise ValueError("bytes that are no latin1 text")
        self._budget -= len(text) >> 10  # one call may copy a long text again and again
        return text.encode("latin1") if self._budget > 0 else b""

    def _restore(self) -> None:
        state = self._pop()
        target = self._stack[-1]
        if type(target) is dict:
            return  # attributes of an OrderedDict: torch keeps version numbers there
        if type(target) is not Made or target.state is not None:
            raise refuse(f"The checkpoint restores a state on a {type(target).__name__}.", self._where)
        target.state = state

    def _persist(self) -> None:
        if not self._persistent:
            raise refuse("The checkpoint uses persistent ids, which this kind never does.", self._where)
        self.made.append(Made(PERSISTENT, (self._pop(),)))
        self._stack.append(self.made[-1])


_HANDLERS: dict[str, Callable[[OpcodeReader, Any], object]] = {
    "PROTO": lambda reader, argument: None,
    "FRAME": lambda reader, argument: None,
    "MARK": lambda reader, argument: reader._push(_MARK),
    "POP": lambda reader, argument: reader._stack.pop(),
    "POP_MARK": lambda reader, argument: reader._pop_to_mark(),
    "EMPTY_DICT": lambda reader, argument: reader._push({}),
    "EMPTY_LIST": lambda reader, argument: reader._push([]),
    "EMPTY_SET": lambda reader, argument: reader._push([]),
    "TUPLE": lambda reader, argument: reader._push(tuple(reader._pop_to_mark())),
    "APPEND": lambda reader, argument: reader._extend([reader._pop()]),
    "APPENDS": lambda reader, argument: reader._extend(reader._pop_to_mark()),
    "ADDITEMS": lambda reader, argument: reader._extend(reader._pop_to_mark()),
    "SETITEM": lambda reader, argument: reader._update(reader._pop_last(2)),
    "SETITEMS": lambda reader, argument: reader._update(reader._pop_to_mark()),
    "MEMOIZE": lambda reader, argument: reader._remember(len(reader._memo)),
    "BINPUT": lambda reader, argument: reader._remember(argument),
    "LONG_BINPUT": lambda reader, argument: reader._remember(argument),
    "BINGET": lambda reader, argument: reader._push(reader._memo[argument]),
    "LONG_BINGET": lambda reader, argument: reader._push(reader._memo[argument]),
    "GLOBAL": lambda reader, argument: reader._find(*argument.split(" ", 1)),
    "STACK_GLOBAL": lambda reader, argument: reader._find_on_stack(),
    "REDUCE": lambda reader, argument: reader._call(),
    "NEWOBJ": lambda reader, argument: reader._call(),
    "BUILD": lambda reader, argument: reader._restore(),
    "BINPERSID": lambda reader, argument: reader._persist(),
}

"""The door that Blender opens: everything else lies in the wheel beside it.

The import is absolute, because in an extension this file is a package of its own, and it is made anew each time,
because an update brings another wheel while Blender keeps this module.
"""

from __future__ import annotations

import importlib
import sys

_DOOR = "lineament.hosts.blender.registration"


def register() -> None:
    """Enable the add-on."""
    importlib.import_module(_DOOR).register(__package__)


def unregister() -> None:
    """Disable the add-on, and forget its modules: those of an updated wheel must not meet the old ones."""
    importlib.import_module(_DOOR).unregister()
    for name in [name for name in sys.modules if name.partition(".")[0] == "lineament"]:
        del sys.modules[name]

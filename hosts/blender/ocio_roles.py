"""Which OCIO config Blender uses, and what its roles are; Blender 4.5 has no call that says it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import bpy


def ocio_config() -> str:
    """The config in use: $OCIO if it is set, else the one that comes with Blender."""
    own = Path(bpy.utils.system_resource("DATAFILES")) / "colormanagement" / "config.ocio"
    return os.environ.get("OCIO", "") or str(own)


def role_of(config: str, role: str) -> str:
    """The colour space that plays ``role``; "" if the config is no text file or does not say.

    Read as text, because no library that reads configs comes with the hosts.
    """
    try:
        text = Path(config).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    roles = re.search(r"^roles:\s*\n((?:[ \t]+.*\n|[ \t]*\n)+)", text, re.MULTILINE)
    found = (
        re.search(rf"^\s+{re.escape(role)}\s*:\s*(.+?)\s*$", roles.group(1), re.MULTILINE) if roles else None
    )
    return found.group(1).strip("\"'") if found else ""

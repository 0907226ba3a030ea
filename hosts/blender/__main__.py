"""``python -m lineament.hosts.blender render FILE``: with a Python that has ``bpy``."""

from __future__ import annotations

import sys

from .headless import end_process, main

if __name__ == "__main__":
    end_process(main(sys.argv[1:]))

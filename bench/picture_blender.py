"""Draws docs/img/blender_*.png: what Blender renders through the node, and its node trees.

Blender bakes and renders the sample shot (picture_blender_inside.py); here its renders are cropped to the face and
put side by side, and the trees that it described are drawn. The trees' places, widths, sockets, values and links are
Blender's; heights and colours are ours, because a Blender without a window draws none.

    .venv/bin/python bench/picture_blender.py [--blender .blender/4.5/bin/python] [--work DIR] [--images docs/img]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from lineament.core.preview import Tile, sheet
from PIL import Image, ImageDraw, ImageFont

REPOSITORY = Path(__file__).resolve().parents[1]
INSIDE = Path(__file__).with_name("picture_blender_inside.py")
FACE = (146, 92, 366, 352)
"""The box of the sample shot's face: left, top, right, bottom."""

SCALE, SHRINK = 4.5, 3.0
"""Pixels for a unit of Blender's node editor while drawing, and how many of them become one in the end."""

HEADER, ROW, PAD, RADIUS, MARGIN = 24.0, 22.0, 6.0, 5.0, 16.0
BACK, BODY, INK, DIM, FIELD, FILL = "#1d1d1d", "#303030", "#e6e6e6", "#a0a0a0", "#545454", "#4772b3"
SOCKETS = {"RGBA": "#c7c729", "VALUE": "#a1a1a1", "VECTOR": "#6363c7", "BOOLEAN": "#cca6d6"}
HEADERS = {
    "CompositorNodeImage": "#79461d",
    "CompositorNodeGroup": "#1d5a3a",
    "CompositorNodeComposite": "#3c1d26",
    "NodeGroupInput": "#0f0f0f",
    "NodeGroupOutput": "#0f0f0f",
}
OTHER_HEADER = "#24414f"


def run_blender(python, work):
    """Let Blender make what is drawn here."""
    environment = {**os.environ, "LINEAMENT_PYTHON": sys.executable}
    command = [str(python), str(INSIDE), str(work)]
    subprocess.run(command, env=environment, check=True, timeout=300, stdout=subprocess.DEVNULL)


def face(path):
    """The face of a render, (H, W, 3) uint8."""
    return np.asarray(Image.open(path).convert("RGB").crop(FACE))


def renders(work, rows, height_px):
    """A sheet of rows of (render, label)."""
    tiles = [[Tile(face(work / f"{name}.png"), label) for name, label in row] for row in rows]
    return sheet(tiles, tile_height_px=height_px)


class TreeDrawing:
    """A node tree as a picture; coordinates are Blender's, y upwards, until they become pixels."""

    def __init__(self, told):
        self.anchors = {}
        for node in told["nodes"]:
            self._place(node)
        left, top = (pick(n["place"][axis] for n in told["nodes"]) for axis, pick in ((0, min), (1, max)))
        right = max(n["place"][0] + n["width"] for n in told["nodes"])
        bottom = min(n["place"][1] - self._height(n) for n in told["nodes"])
        self.origin = (MARGIN - left, MARGIN + top)
        size = (right - left + 2 * MARGIN, top - bottom + 2 * MARGIN)
        self.image = Image.new("RGB", (round(size[0] * SCALE), round(size[1] * SCALE)), BACK)
        self.pen = ImageDraw.Draw(self.image)
        for source, output, target, entry in told["links"]:
            self._link(self.anchors[source, "out", output], self.anchors[target, "in", entry])
        for node in told["nodes"]:
            self._node(node)

    def finished(self):
        """The picture, smaller than it was drawn, which smooths edges."""
        return self.image.resize((round(side / SHRINK) for side in self.image.size), Image.Resampling.LANCZOS)

    def font(self, size):
        """The font, in units of the node editor."""
        return ImageFont.load_default(size * SCALE)

    def at(self, x, y):
        """Pixels of a place of the tree."""
        return (x + self.origin[0]) * SCALE, (self.origin[1] - y) * SCALE

    def text(self, x, y, words, size=12.0, ink=INK, anchor="lm"):
        """Words at a place of the tree."""
        self.pen.text(self.at(x, y), words, ink, self.font(size), anchor)

    def _rows(self, node):
        """(socket, side) of each row: outputs first, as Blender has them, then inputs; unnamed ones are no row."""
        rows = [(socket, "out") for socket in node["outputs"] if socket["name"]]
        return rows + [(socket, "in") for socket in node["inputs"] if socket["name"]]

    def _height(self, node):
        return HEADER + 2 * PAD + ROW * len(self._rows(node))

    def _place(self, node):
        x, y = node["place"]
        for index, (socket, side) in enumerate(self._rows(node)):
            edge = x + node["width"] if side == "out" else x
            self.anchors[node["name"], side, socket["id"]] = (edge, y - HEADER - PAD - ROW * (index + 0.5))

    def _node(self, node):
        x, y = node["place"]
        box = (*self.at(x, y), *self.at(x + node["width"], y - self._height(node)))
        self.pen.rounded_rectangle(box, RADIUS * SCALE, BODY, "#101010", round(SCALE))
        head = (*self.at(x, y), *self.at(x + node["width"], y - HEADER))
        colour = HEADERS.get(node["kind"], OTHER_HEADER)
        self.pen.rounded_rectangle(head, RADIUS * SCALE, colour, corners=(True, True, False, False))
        self.text(x + 10, y - HEADER / 2, node["title"])
        for socket, side in self._rows(node):
            self._socket(node, socket, side)

    def _socket(self, node, socket, side):
        edge, y = self.anchors[node["name"], side, socket["id"]]
        if socket["value"] is not None:
            self._field(node, socket, y)
        elif side == "out":
            self.text(edge - 12, y, socket["name"], anchor="rm")
        else:
            self.text(edge + 12, y, socket["name"])
        (cx, cy), r = self.at(edge, y), 4.5 * SCALE
        colour = SOCKETS.get(socket["type"], "#888888")
        self.pen.ellipse((cx - r, cy - r, cx + r, cy + r), colour, "#101010", round(SCALE * 0.7))

    def _field(self, node, socket, y):
        """A value that can be set: a slider where the tree knows its ends."""
        x0, x1, half = node["place"][0] + 10, node["place"][0] + node["width"] - 10, ROW / 2 - 2
        self.pen.rounded_rectangle((*self.at(x0, y + half), *self.at(x1, y - half)), 3 * SCALE, FIELD)
        value, low, high = socket["value"], socket["low"], socket["high"]
        if low is not None and high is not None and high > low:
            end = x0 + (x1 - x0) * min(max((value - low) / (high - low), 0.0), 1.0)
            if end > x0 + 2:
                self.pen.rounded_rectangle((*self.at(x0, y + half), *self.at(end, y - half)), 3 * SCALE, FILL)
        shown = ("on" if value else "off") if isinstance(value, bool) else f"{value:.3f}"
        self.text(x0 + 8, y, socket["name"])
        self.text(x1 - 8, y, shown, anchor="rm")

    def _link(self, start, end):
        reach = max(30.0, abs(end[0] - start[0]) / 2)
        points = []
        for step in range(41):
            t = step / 40
            a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
            x = a * start[0] + b * (start[0] + reach) + c * (end[0] - reach) + d * end[0]
            points.append(self.at(x, (a + b) * start[1] + (c + d) * end[1]))
        self.pen.line(points, "#101010", round(4.5 * SCALE), "curve")
        self.pen.line(points, "#c7c7c7", round(2.2 * SCALE), "curve")


def save(image, path):
    """Write a PNG."""
    image.save(path, optimize=True)
    print(f"{path} ({path.stat().st_size // 1024} KiB)")


def main():
    """Make every picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--blender", type=Path, default=REPOSITORY / ".blender" / "4.5" / "bin" / "python")
    parser.add_argument("--work", type=Path, default=REPOSITORY / "out" / "blender")
    parser.add_argument("--images", type=Path, default=REPOSITORY / "docs" / "img")
    given = parser.parse_args()
    run_blender(given.blender, given.work)
    told = json.loads((given.work / "told.json").read_text(encoding="utf-8"))
    stills = [
        ("plate", "plate"),
        ("smile", "Smile 2.4"),
        ("glasses", "Glasses 2.5"),
        ("lipstick", "Lipstick 2.5"),
    ]
    keyed = [(f"keyed.{frame}", f"{frame}: Glasses {value:.2f}") for frame, value in told["keyed"].items()]
    masked = [("masked", "2.5, Mask: left half")]
    save(renders(given.work, [stills], 260), given.images / "blender_edits.png")
    save(renders(given.work, [[*keyed, *masked]], 220), given.images / "blender_keys.png")
    for name in ("scene", "group"):
        save(TreeDrawing(told[name]).finished(), given.images / f"blender_tree_{name}.png")


if __name__ == "__main__":
    main()

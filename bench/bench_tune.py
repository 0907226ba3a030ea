"""How long a move takes in the tuner, from the hand to the screen: a real browser, a real server, the embedded model.

``lineament tune`` runs as its own process, and a Chromium without a window drags its sliders with the mouse. The page
measures every move itself: from the time stamp of the input event to behind the next frame that the browser painted;
the engine's part is what the server took. Plates are the demonstration (512 x 512), and its frame set into 1920 x 1080
as a close-up (the head fills the height) and as a medium shot (a third of it).

    .venv/bin/python bench/bench_tune.py [--moves 20] [--size 960] [--plates demo close medium] [--partial]
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))
from bench_shot import SHOT, SIZES, write_plate, write_track

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
MOVED = ("age", "smile", "glasses", "beard", "mix", "mask_feather")
BUDGET_MS = 150.0


def write_show(folder: Path, kind: str) -> Path:
    """A show file with one shot of one frame."""
    plate, track = SHOT / "plate" / "plate.1001.exr", SHOT / "track.json"
    if kind != "demo":
        plate = folder / "plate.1001.exr"
        matrix = write_plate(SHOT / "plate" / "plate.1001.exr", plate, SIZES[kind], 1)
        track = write_track(folder / "track.json", matrix)
    text = f"schema_version: 1\nshots:\n  bench:\n    plate: {plate}\n    output: {folder}/out/p.####.exr\n"
    text += f"    face: {{track: {track}}}\n    colourspace: ACEScg\n    strengths: {{age: 1}}\n"
    path = folder / "shots.yaml"
    path.write_text(text)
    return path


@contextmanager
def tuner(folder: Path, kind: str):
    """The address of the page of a running tuner."""
    words = ["tune", str(write_show(folder, kind)), "bench", "--no-browser", "--cache", str(folder / "cache")]
    command = [sys.executable, "-m", "lineament.plugin.cli", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def counted(page):
    """How many moves the page has measured."""
    return int(page.locator("#latency").get_attribute("data-count") or 0)


def measured(page, count):
    """Whole and engine milliseconds of the move after ``count`` others."""
    found = page.wait_for_selector(f"#latency[data-count='{count + 1}']", timeout=20_000)
    return float(found.get_attribute("data-whole")), float(found.get_attribute("data-engine"))


def single_moves(page, name, moves):
    """One move after the other, each waited for."""
    box = page.locator(f"[data-name={name}] input[type=range]").bounding_box()
    y, left, width = box["y"] + box["height"] / 2, box["x"] + 8, box["width"] - 16
    found = []
    page.mouse.move(left, y)
    page.mouse.down()
    page.wait_for_timeout(600)
    for number in range(moves):
        count = counted(page)
        page.mouse.move(left + width * (0.1 + 0.8 * ((7 * number + 3) % moves) / moves), y)
        found.append(measured(page, count))
        page.wait_for_timeout(30)
    page.mouse.up()
    page.wait_for_timeout(200)
    return found


def drag(page, name, seconds):
    """One long drag at 60 events a second: pictures shown a second, and the longest wait between two."""
    box = page.locator(f"[data-name={name}] input[type=range]").bounding_box()
    y, left, width = box["y"] + box["height"] / 2, box["x"] + 8, box["width"] - 16
    before, begin, steps = counted(page), time.perf_counter(), 0
    page.mouse.move(left, y)
    page.mouse.down()
    while time.perf_counter() - begin < seconds:
        steps += 1
        page.mouse.move(left + width * abs((steps / 45) % 2 - 1), y)
        page.wait_for_timeout(12)
    whole = time.perf_counter() - begin
    page.mouse.up()
    page.wait_for_timeout(400)
    return (counted(page) - before) / whole, steps / whole


def row(name, values):
    """Median and 95th percentile of whole and engine."""
    cells = []
    for column in zip(*values, strict=True):
        ordered = sorted(column)
        cells += [
            statistics.median(ordered),
            ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))],
        ]
    print(f"| {name} | {' | '.join(f'{cell:.0f}' for cell in cells)} |")
    return cells[1]


def bench_plate(chromium, kind, size, moves):
    """One plate, whole and as a close-up of the face: a table."""
    with tempfile.TemporaryDirectory(prefix="lineament_bench_") as name, tuner(Path(name), kind) as url:
        page = chromium.new_page(viewport={"width": 1600, "height": 1000})
        page.goto(url)
        page.wait_for_selector("[data-name=mix]")
        page.wait_for_timeout(1500)
        page.select_option("#size", str(size))
        for framing in ("frame", "face"):
            page.click(f"[data-zoom={framing}]")
            page.wait_for_timeout(1200)
            canvas = page.locator("#picture").evaluate("c => c.width + ' x ' + c.height")
            print(f"\n{kind}, {framing}: preview {canvas}, load {os.getloadavg()[0]:.1f}")
            print("| moved | whole, median ms | p95 | engine, median ms | p95 |\n|---|---:|---:|---:|---:|")
            single_moves(page, "age", 4)
            every = []
            for attribute in MOVED:
                values = single_moves(page, attribute, moves)
                row(attribute, values)
                every += values
            p95 = row("all", every)
            shown, asked = drag(page, "age", 4.0)
            print(
                f"p95 {p95:.0f} ms of {BUDGET_MS:.0f}; a drag of {asked:.0f} events/s showed {shown:.0f} pictures/s"
            )
        page.close()


def partial():
    """How much of a synthesis lies before a block: what could be kept where only rows behind it move."""
    from lineament.core.generators.stylegan2 import StyleGAN2, StyleGAN2Config
    from lineament.core.tools import ToolOptions, open_tools

    tools = open_tools(ToolOptions())
    rows = {name: abs(tools.library.get(name).delta).max(axis=1) > 0 for name in tools.library.names}
    print(
        f"\n{sum(each.all() for each in rows.values())} of {len(rows)} attributes of the model move every row"
    )
    networks = [("embedded, 64 px", tools.generator)]
    for side in (256, 1024):
        widths = {2**level: min(512, 32768 // 2**level) for level in range(2, side.bit_length())}
        config = StyleGAN2Config(512, 0, 512, side, widths, 8)
        networks.append((f"published widths, {side} px", StyleGAN2(config).eval()))
    print("| network | whole, ms | before the block of half the rows | share |\n|---|---:|---|---:|")
    for name, network in networks:
        blocks = network.synthesis.blocks()
        half = len(blocks) // 2
        with torch.inference_mode():
            styles = network.styles(torch.randn(1, network.num_ws, network.w_dim))
            early = styles[: sum(len(block.layers) for block in blocks[:half])]
            times = [seconds(network, each) for each in (styles, early)]
        side = 2 ** (half + 2)
        print(f"| {name} | {1000 * times[0]:.0f} | {side} px | {100 * times[1] / times[0]:.0f} % |")


def seconds(network, styles, rounds=5):
    """The fastest of a few runs."""
    found = []
    for _ in range(rounds):
        begin = time.perf_counter()
        network.synthesise_from_styles(styles)
        found.append(time.perf_counter() - begin)
    return min(found)


def main():
    """Read the options, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moves", type=int, default=20)
    parser.add_argument("--size", type=int, default=960)
    parser.add_argument("--plates", nargs="*", choices=["demo", *SIZES], default=["demo", *SIZES])
    parser.add_argument("--partial", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    if options.partial:
        partial()
    program = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if not options.plates or program is None:
        raise SystemExit(0 if not options.plates else "Chromium is missing: as root, make browser.")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        for kind in options.plates:
            bench_plate(chromium, kind, options.size, options.moves)
        chromium.close()


if __name__ == "__main__":
    main()

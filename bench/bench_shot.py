"""What rendering an analysed HD shot costs beside the model: against bare reading and writing, and in memory.

A frame of the sample shot is set into 1920 x 1080 pixels of half float, ZIP compressed: as a close-up (the face fills
the height) and as a medium shot (a third of it). One frame is analysed; its crop and latent then serve every frame, so
that nothing but the render pass is measured. In each round the same frames are

* read and written bare: OpenImageIO alone, header as it comes, flushed to disk and renamed, as any tool must;
* rendered: read, hashed, synthesised, composited, written, hashed, recorded in the manifest; the wall time of
  ``Generator.synthesise`` is measured and taken off.

Both run twice: one frame after the other, which adds up what each costs, and reading ahead and writing behind in
threads, which is how shots are rendered. Memory is the resident set after every frame of one long run.

    .venv/bin/python bench/bench_shot.py [--frames 24] [--rounds 3] [--memory-frames 200] [--framing close medium]
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import torch
from lineament.core.io import resolve
from lineament.core.pipeline import ToolOptions, open_tools
from lineament.core.recipe import EditRecipe, Move, Strength
from lineament.core.shots.analyse import analyse
from lineament.core.shots.shot import FaceChoice, FaceEdit, Shot
from lineament.plugin.engine_info import weights_hash
from lineament.plugin.manifest import Manifest
from lineament.plugin.shot_engine import AnalysedShot
from lineament.plugin.shot_frame import FrameStages
from lineament.plugin.shot_plan import make_shot_plan, shot_requests
from lineament.plugin.shot_queue import Flow, Stages
from lineament.plugin.shot_render import local_flow, render_shot

sys.path.insert(0, str(Path(__file__).parent))
REPOSITORY = Path(__file__).resolve().parents[1]
SHOT = REPOSITORY / "plugin" / "demo_shot"
WIDTH, HEIGHT = 1920, 1080
SIZES = {"close": 1080, "medium": 384}
LIMIT = 1.2


def write_plate(source, target, size, seed):
    """Set ``source``, enlarged to ``size`` rows, into the middle of an HD plate with some grain."""
    small = oiio.ImageBuf(str(source))
    spec = small.spec()
    width = round(size * spec.width / spec.height)
    large = oiio.ImageBufAlgo.resize(small, roi=oiio.ROI(0, width, 0, size, 0, 1, 0, 3)).get_pixels(
        oiio.FLOAT
    )
    left, top = (WIDTH - width) // 2, (HEIGHT - size) // 2
    pads = ((top, HEIGHT - size - top), (left, WIDTH - width - left), (0, 0))
    pixels = np.pad(large, pads, mode="edge")
    grain = np.random.default_rng(seed).standard_normal(pixels.shape, dtype=np.float32)
    pixels *= 1.0 + 0.01 * grain
    hd = oiio.ImageSpec(WIDTH, HEIGHT, 3, oiio.HALF)
    hd.attribute("compression", "zip")
    output = oiio.ImageOutput.create(str(target))
    if not (output.open(str(target), hd) and output.write_image(pixels) and output.close()):
        raise SystemExit(f"The HD plate cannot be written: {oiio.geterror()}")
    return np.array([[width / spec.width, 0, left], [0, size / spec.height, top]])


def write_track(target, matrix):
    """The sample's landmarks, carried to the HD plate."""
    import json

    data = json.loads((SHOT / "track.json").read_text())
    first = data["frames"][0]
    points = {k: (matrix @ [*v, 1.0]).tolist() for k, v in first.items() if isinstance(v, list)}
    data = {"size": [WIDTH, HEIGHT], "frames": [{"frame": 1001, **points}]}
    target.write_text(json.dumps(data))
    return target


class Watch:
    """Seconds that the model's networks took, and those of the processor."""

    def __init__(self):
        self.seconds = self.cpu_seconds = 0.0

    def timed(self, call, *arguments):
        begin, cpu = time.perf_counter(), time.thread_time()
        answer = call(*arguments)
        self.seconds += time.perf_counter() - begin
        self.cpu_seconds += time.thread_time() - cpu
        return answer


class Timed:
    """A generator or refiner whose work is timed."""

    def __init__(self, network, watch):
        self._network, self._watch = network, watch

    def __getattr__(self, name):
        return getattr(self._network, name)

    def synthesise(self, ws):
        return self._watch.timed(self._network.synthesise, ws)

    def change(self, *pictures):
        return self._watch.timed(self._network.change, *pictures)


def make_shot(folder, framing, frames):
    """The shot, its requests and its renderer: one plate is analysed, and stands for all."""
    (folder / "plate").mkdir(parents=True)
    first = folder / "plate" / "p.1001.exr"
    matrix = write_plate(SHOT / "plate" / "plate.1001.exr", first, SIZES[framing], 1)
    track = write_track(folder / "track.json", matrix)
    recipe = EditRecipe(moves=(Move("age", Strength.constant(1.5)),))
    face = FaceEdit("main", FaceChoice(track=str(track)), recipe)
    shot = Shot(
        "bench", str(folder / "plate" / "p.####.exr"), str(folder / "out" / "p.####.exr"), faces=(face,)
    )
    tools = open_tools(ToolOptions())
    one = analyse(shot, resolve(shot.plate), tools, folder / "cache")
    watch = Watch()
    refiner = None if tools.refiner is None else Timed(tools.refiner, watch)
    timed = replace(tools, generator=Timed(tools.generator, watch), refiner=refiner)
    for number in range(1002, 1001 + frames):
        os.link(first, folder / "plate" / f"p.{number}.exr")
    renderer = AnalysedShot(shot, repeated(one, frames), timed, weights_hash(tools.package))
    return shot, resolve(shot.plate), renderer, watch


def repeated(one, frames):
    """An analysis of one frame as that of many like it."""

    def rows(values):
        return np.repeat(values, frames, axis=0)

    faces = tuple(
        replace(
            face,
            track=replace(
                face.track,
                statuses=face.track.statuses * frames,
                landmarks=rows(face.track.landmarks),
                scores=rows(face.track.scores),
            ),
            latents=rows(face.latents),
            mattes=rows(face.mattes),
            keeps=rows(face.keeps),
            covered=rows(face.covered),
        )
        for face in one.faces
    )
    plates = tuple(replace(one.plates[0], number=1001 + i, source=1001 + i) for i in range(frames))
    return replace(one, plates=plates, faces=faces)


def bare_read(plate):
    """Pixels and spec of a file, as stored."""
    source = oiio.ImageInput.open(plate)
    pixels = source.read_image(0, 0, 0, source.spec().nchannels, oiio.HALF)
    spec = oiio.ImageSpec(source.spec())
    source.close()
    return spec, pixels


def bare_write(output, picture):
    """Write, flush to disk, rename."""
    spec, pixels = picture
    temporary = f"{output}.tmp.exr"
    target = oiio.ImageOutput.create(temporary)
    if not (target.open(temporary, spec) and target.write_image(pixels) and target.close()):
        raise SystemExit(oiio.geterror())
    handle = os.open(temporary, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)
    Path(temporary).replace(output)


def bare(requests, threaded):
    """Seconds for reading and writing every frame, and of the processors; a model has none of either."""
    Path(requests[0].output).parent.mkdir(exist_ok=True)
    begin, cpu = time.perf_counter(), time.process_time()
    if threaded:
        stages = Stages(
            lambda ask: bare_read(ask.plate),
            lambda ask, seen: seen,
            lambda ask, made: bare_write(ask.output, made),
            lambda ask, err: err,
        )
        if any(step.error for step in Flow(requests, stages)):
            raise SystemExit("bare writing failed")
    else:
        for ask in requests:
            bare_write(ask.output, bare_read(ask.plate))
    return time.perf_counter() - begin, 0.0, time.process_time() - cpu, 0.0


def rendered(plan, renderer, watch, threaded):
    """Seconds in all and in the model, and those of the processors."""
    watch.seconds = watch.cpu_seconds = 0.0
    begin, cpu = time.perf_counter(), time.process_time()
    if threaded:
        outcome = render_shot(plan, local_flow(renderer), [])
        if outcome.exit_code:
            raise SystemExit(str(outcome.failed[0].error))
    else:
        stages = FrameStages(renderer, Manifest(plan.manifest))
        for ask in plan.requests:
            stages.write(ask, stages.make(ask, stages.read(ask)))
    whole = time.perf_counter() - begin
    return whole, watch.seconds, time.process_time() - cpu, watch.cpu_seconds


def compare(framing, frames, rounds):
    """One framing: a table of milliseconds a frame, and the worst ratio of the medians."""
    with tempfile.TemporaryDirectory(prefix="lineament_bench_") as name:
        shot, plates, renderer, watch = make_shot(Path(name), framing, frames)
        requests = shot_requests(shot, plates)
        rows = {kind: [] for kind in ("bare, plain", "bare, threads", "render, plain", "render, threads")}
        ratios = {
            name: [] for name in ("plain", "threads", "plain, processor time", "threads, processor time")
        }
        for number in range(rounds + 1):
            found = {}
            for how, threaded in (("plain", False), ("threads", True)):
                shutil.rmtree(Path(name) / "out", ignore_errors=True)
                found[f"bare, {how}"] = bare(requests, threaded)
                shutil.rmtree(Path(name) / "out", ignore_errors=True)
                plan = make_shot_plan(shot, requests, renderer)
                found[f"render, {how}"] = rendered(plan, renderer, watch, threaded)
            if number:  # round 0 warms up
                for kind, seconds in found.items():
                    rows[kind].append([1000.0 * value / frames for value in seconds])
                for how in ("plain", "threads"):
                    whole, model, cpu, model_cpu = found[f"render, {how}"]
                    bare_whole, _, bare_cpu, _ = found[f"bare, {how}"]
                    ratios[how].append((whole - model) / bare_whole)
                    ratios[f"{how}, processor time"].append((cpu - model_cpu) / bare_cpu)
    print(f"\n{framing}: {frames} frames of {WIDTH} x {HEIGHT}, {rounds} rounds, ms a frame (medians)")
    print(
        "| pass | whole | model | beyond the model | processor | of it the model |\n|---|---:|---:|---:|---:|---:|"
    )
    for kind, values in rows.items():
        whole, model, cpu, cpu_model = (statistics.median(column) for column in zip(*values, strict=True))
        print(f"| {kind} | {whole:.1f} | {model:.1f} | {whole - model:.1f} | {cpu:.1f} | {cpu_model:.1f} |")
    for how, values in ratios.items():
        spread = f"{min(values):.2f} to {max(values):.2f}"
        print(
            f"render beyond the model / bare, {how}: {statistics.median(values):.2f} ({spread}; limit {LIMIT})"
        )


def resident_mb():
    """Memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


class Memory:
    """A reporter that notes the resident set after every frame."""

    def __init__(self):
        self.mb = []

    def frame_done(self, result):
        self.mb.append(resident_mb())

    def __getattr__(self, name):
        return lambda *arguments: None


def grow(framing, frames):
    """Memory over one long run."""
    with tempfile.TemporaryDirectory(prefix="lineament_bench_") as name:
        shot, plates, renderer, _ = make_shot(Path(name), framing, frames)
        memory = Memory()
        plan = make_shot_plan(shot, shot_requests(shot, plates), renderer)
        outcome = render_shot(plan, local_flow(renderer), [memory])
    early, late = memory.mb[19], max(memory.mb[20:])
    end = statistics.mean(memory.mb[-20:]) / statistics.mean(memory.mb[20:40])
    print(
        f"\nmemory, {framing}, {len(outcome.done)} frames: {memory.mb[0]:.0f} MB after frame 1, {early:.0f} after 20,"
    )
    print(
        f"at most {late:.0f} later ({100 * (late / early - 1):+.1f} %), last 20 to 21-40 {100 * (end - 1):+.1f} %"
    )


def main():
    """Read the options, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory-frames", type=int, default=200)
    parser.add_argument("--framing", nargs="*", choices=list(SIZES), default=list(SIZES))
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"torch {torch.__version__}, {options.threads} thread(s), {os.cpu_count()} cores", end="")
    print(f", load {os.getloadavg()[0]:.1f}")
    for framing in options.framing:
        compare(framing, options.frames, options.rounds)
    if options.memory_frames:
        grow("medium", options.memory_frames)


if __name__ == "__main__":
    main()

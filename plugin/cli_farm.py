"""``lineament farm``: shots as jobs for render farms, and the commands of which their sessions are made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .cli_flags import option
from .cli_shot import Cache, Device, OpenJD, analysis_cache

if TYPE_CHECKING:
    from .farm_job import FarmFile, FarmJob
    from .farm_task import FrameTask

farm = typer.Typer(help="Analyse and render shots on many machines.", no_args_is_help=True)

Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="FILE SHOT",
        help="Show file or timeline, and shots of it; all of them if none is named.",
    ),
]
Folder = Annotated[
    Path,
    typer.Argument(metavar="FOLDER", help="The folder of the session's worker, made if it is not there."),
]
File = Annotated[Path, typer.Argument(metavar="FILE", help="Show file or timeline of the shot.")]
ShotName = Annotated[str, typer.Argument(metavar="SHOT", help="The shot of the show file.")]
Idle = Annotated[
    float, option("--idle", min=1.0, help="Seconds without a task after which the worker ends by itself.")
]

ExportFrames = Annotated[
    str, option("--frames", help="Frames such as 1001-1100x2,1105; empty takes the whole shots.")
]
ChunkSize = Annotated[
    int, option("--chunk-size", min=1, max=10000, help="The most frames that one task renders.")
]
Program = Annotated[
    str, option("--program", help="The lineament command on the farm's machines, by name or path.")
]


def register(app: typer.Typer) -> None:
    """Add the group to the program."""
    for command in (export, start, render, stop):
        farm.command()(command)
    app.add_typer(farm, name="farm")


def export(
    words: Words = None,
    engine: Annotated[
        str, option("--engine", metavar="openjd|opencue|deadline|tractor", help="The farm's engine.")
    ] = "openjd",
    output: Annotated[
        Path | None, option("--output", "-o", help="The folder to write; it must be new or empty.")
    ] = None,
    frames: ExportFrames = "",
    chunk_size: ChunkSize = 10,
    program: Program = "lineament",
    review: Annotated[
        str, option("--review", help="Folder of a review that the job makes at the end; empty for none.")
    ] = "",
    device: Device = None,
    cache: Cache = None,
    overwrite: Annotated[
        bool, option("--overwrite", help="Replace an earlier export in the folder.")
    ] = False,
    dry_run: Annotated[bool, option("--dry-run", help="Print what would be written; write nothing.")] = False,
) -> None:
    """Write a job for a render farm: each shot is analysed, then rendered in chunks of frames.

    OpenJD jobs run on AWS Deadline Cloud and, with "openjd run", on one machine. The files for OpenCue, Deadline and
    Tractor are checked against their formats only.
    """
    from lineament.core.shots.shot_file import read_show

    from .farm_export import export_files, refuse_export, write_export
    from .farm_job import farm_job
    from .show_source import split_words
    from .terminal import err, out

    if output is None:
        raise typer.BadParameter("name the folder to write with -o.")
    path, names = split_words(words or [])
    job = farm_job(
        *(read_show(path), path, names),
        frames=frames,
        program=program,
        cache=cache or "",
        device=device or "cpu",
        chunk=chunk_size,
        review=review,
    )
    files = export_files(job, engine)
    refuse_export(output, overwrite=overwrite)
    if not job.cache:
        err().print(
            "Every machine will look for analyses in its own user's cache folder. Name a shared one with --cache.",
            markup=False,
        )
    if not dry_run:
        write_export(output, files, overwrite=overwrite)
    for line in _described(job, files, engine, output):
        out().print(line, markup=False)


def start(
    folder: Folder,
    file: File,
    shot: ShotName,
    device: Device = None,
    cache: Cache = None,
    idle: Idle = 1800.0,
    openjd: OpenJD = False,
) -> None:
    """Start the worker of a farm's session: it loads the shot's model once and waits for frames. Used by jobs."""
    from .farm_report import engine_told
    from .farm_session import start as start_worker
    from .terminal import err

    with engine_told(openjd) as lines:
        lines.status(f"{shot}: loading the model")
        process = start_worker(folder, _task(file, shot, "", device, cache), idle_s=idle)
    text = (
        "The worker is there already." if process is None else f"The worker is ready (process {process.pid})."
    )
    err().print(text, markup=False)


def render(
    folder: Folder,
    file: File,
    shot: ShotName,
    frames: Annotated[
        str, option("--frames", help="Frames as Open Job Description writes them, such as 1001-1019:2,1105.")
    ],
    device: Device = None,
    cache: Cache = None,
    idle: Idle = 1800.0,
    openjd: OpenJD = False,
) -> None:
    """Let the session's worker render frames of a shot. Used by jobs.

    Exit codes are those of "shot render". A worker that died during the task fails it (code 1); one that died before is
    replaced. Frames are never rendered by this process.
    """
    from lineament.core.io.sequences import format_frames

    from .farm_frames import frames_of_openjd
    from .farm_report import TaskLog, engine_told
    from .farm_session import render as render_task

    with engine_told(openjd) as lines:
        task = _task(file, shot, format_frames(frames_of_openjd(frames)), device, cache)
        code = render_task(folder, task, TaskLog(shot, lines), idle_s=idle)
    raise typer.Exit(code)


def stop(folder: Folder) -> None:
    """Stop the worker of a farm's session, behind the frame that it is at. Used by jobs."""
    from .farm_session import stop as stop_worker
    from .terminal import err

    text = "The worker has ended." if stop_worker(folder) else "There is no worker any more."
    err().print(text, markup=False)


def _task(file: Path, shot: str, frames: str, device: str | None, cache: str | None) -> FrameTask:
    from .farm_task import FrameTask

    folder = analysis_cache(cache).absolute()
    return FrameTask(str(file.absolute()), shot, frames, device or "cpu", str(folder))


def _described(job: FarmJob, files: tuple[FarmFile, ...], engine: str, output: Path) -> list[str]:
    """Shots and files, then what to do with them."""
    from lineament.core.io.sequences import format_frames

    lines = [f"{shot.name}: {len(shot.frames)} frames, {format_frames(shot.frames)}" for shot in job.shots]
    lines += [f"{output / file.name}" for file in files]
    return [*lines, f"Submit it with: {_submit_line(engine, output)}"]


def _submit_line(engine: str, output: Path) -> str:
    import shlex

    folder = shlex.quote(str(output))
    if engine == "openjd":
        values = shlex.quote(f"file://{output / 'local_parameters.yaml'}")
        local = f"openjd run {shlex.quote(str(output / 'template.yaml'))} -p {values}"
        return f"deadline bundle submit {folder}, or try it here: {local}"
    if engine == "opencue":
        read = f"opencue.api.launchSpecAndWait(open({str(output / 'opencue_job.xml')!r}).read())"
        return f"python -c {shlex.quote(f'import opencue.api; {read}')}"
    return f"python {folder}/submit.py" if engine == "deadline" else f"tractor-spool {folder}/lineament.alf"

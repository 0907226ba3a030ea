"""``lineament farm run``: shots analysed and rendered by many processes, on this machine or on others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from .cli_farm import Words
from .cli_flags import option
from .cli_shot import Cache, Device, analysis_cache
from .cli_shot_render import Frames, KeepGoing, LogJson, Overwrite, refuse_log, render_shots

if TYPE_CHECKING:
    from lineament.core.shots.shot import Shot

    from .farm_dask import DaskOptions

ENGINES = ("dask",)


def register(farm: typer.Typer) -> None:
    """Add the command to the group ``farm``."""
    farm.command()(run)


def run(
    words: Words = None,
    engine: Annotated[
        str, typer.Option("--engine", metavar="dask", help="The engine that runs the tasks.")
    ] = "dask",
    scheduler: Annotated[
        str,
        option(
            "--scheduler",
            help="Address of a Dask scheduler, such as tls://host:8786; without it, this machine.",
        ),
    ] = "",
    workers: Annotated[
        int, option("--workers", min=1, max=256, help="Processes on this machine; one for each core at most.")
    ] = 2,
    frames: Frames = "",
    chunk_size: Annotated[
        int,
        option("--chunk-size", min=0, max=10000, help="The most frames of one task; 0 chooses up to ten."),
    ] = 0,
    retries: Annotated[
        int, option("--retries", min=0, max=100, help="How often a task is tried again whose worker died.")
    ] = 2,
    resources: Annotated[
        str,
        option(
            "--resources", help="What a task needs of its worker by Dask's names, such as GPU=1,MEMORY=8e9."
        ),
    ] = "",
    keep_going: KeepGoing = True,
    overwrite: Overwrite = False,
    log_json: LogJson = None,
    connect_timeout: Annotated[
        float, option("--connect-timeout", min=0.1, help="Seconds to wait for the scheduler's first answer.")
    ] = 10.0,
    wait_workers: Annotated[
        float, option("--wait-workers", min=0.1, help="Seconds to wait while no suitable worker is there.")
    ] = 300.0,
    tls_ca: Annotated[str, option("--tls-ca", help="Certificate authority of the cluster, a PEM file.")] = "",
    tls_cert: Annotated[str, option("--tls-cert", help="Certificate of this program, a PEM file.")] = "",
    tls_key: Annotated[str, option("--tls-key", help="Private key of the certificate, a PEM file.")] = "",
    device: Device = None,
    cache: Cache = None,
) -> None:
    """Analyse and render shots with Dask: on this machine's cores, or on the workers of a scheduler.

    All machines must see the same files by the same paths, the folder of analyses included. Frames that are valid stay:
    run it again to finish. Dask's processes trust each other; name a scheduler only that you would let run programs.
    """
    given = dict(locals())
    if engine not in ENGINES:
        raise typer.BadParameter(f"{engine!r} is no engine that runs; use dask.", param_hint="--engine")
    raise typer.Exit(_run(given))


def _run(given: dict[str, Any]) -> int:
    """What the command does, from its arguments by name; the exit code."""
    from lineament.core.shots.shot_file import read_show

    from .farm_dask import DaskPool
    from .farm_report import EngineLines
    from .shot_run import ShotsJob, prepare
    from .show_source import split_words
    from .terminal import err, out

    options = _options(given)
    path, names = split_words(given["words"] or [])
    show = read_show(path)
    chosen = names or [shot.name for shot in show.shots]
    if not chosen or len(set(chosen)) < len(chosen):
        raise typer.BadParameter("name each shot once, or none for all of a show that has some.")
    shots = tuple(show.shot(name) for name in chosen)
    job = ShotsJob(shots, given["frames"], 1, given["keep_going"], given["overwrite"])
    prepared = prepare(job)
    if given["log_json"] is not None:
        refuse_log(given["log_json"], prepared)
    with DaskPool(options) as pool:
        err().print(f"Dask: {_where(options)}", markup=False)
        from .farm_dask_engine import trade
        from .farm_dask_shots import DaskShots

        cache = analysis_cache(given["cache"]).expanduser().absolute()
        crew = DaskShots(job, pool, trade(given["device"] or "cpu", cache), given["chunk_size"])
        return render_shots(
            lambda shots, reporters: crew.render(shots, reporters, _say_problems),
            *(path, prepared, given["log_json"], EngineLines(out(), is_wanted=False)),
            command="lineament farm run",
        )


def _options(given: dict[str, Any]) -> DaskOptions:
    from .farm_dask import DaskOptions

    return DaskOptions(
        scheduler=given["scheduler"],
        workers=given["workers"],
        retries=given["retries"],
        resources=parse_resources(given["resources"]),
        connect_s=given["connect_timeout"],
        wait_s=given["wait_workers"],
        tls_ca=given["tls_ca"],
        tls_cert=given["tls_cert"],
        tls_key=given["tls_key"],
    )


def parse_resources(text: str) -> dict[str, float]:
    """``GPU=1,MEMORY=8e9`` -> {"GPU": 1.0, "MEMORY": 8e9}. Raises BadParameter for anything else."""
    resources = {}
    for part in filter(None, (one.strip() for one in text.split(","))):
        name, _, amount = (one.strip() for one in part.partition("="))
        try:
            resources[name] = float(amount)
        except ValueError:
            resources[name] = 0.0
        if not name.isidentifier() or not 0.0 < resources[name] < float("inf"):
            raise typer.BadParameter(f"{part!r} is no resource such as GPU=1.", param_hint="--resources")
    return resources


def _where(options: DaskOptions) -> str:
    """What the run goes to, and what should give pause."""
    if not options.scheduler:
        return (
            f"{options.workers} workers of this machine"
            if options.workers > 1
            else "a worker of this machine"
        )
    is_open = not options.scheduler.startswith("tls://")
    return options.scheduler + (" (not encrypted: trust everybody on that network)" if is_open else "")


def _say_problems(shot: Shot, problems: tuple[str, ...]) -> None:
    """What an analysis has found, a line each."""
    from .terminal import err

    err().print(f"{shot.name}: analysed", markup=False)
    for line in problems:
        err().print(f"{shot.name}: {line}", markup=False)

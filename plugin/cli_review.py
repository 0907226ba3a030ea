"""``lineament review``: pages to judge rendered shots by, which open from disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .cli_flags import option
from .cli_shot import Cache, Device, analysis_cache
from .cli_shot_report import Words, named_shots

if TYPE_CHECKING:
    from .review import ReviewOptions
    from .review_movie import Layout

LAYOUTS: dict[str, Layout] = {"side": "side", "wipe": "wipe"}


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(review)


def review(
    words: Words = None,
    output: Annotated[
        Path, option("--output", "-o", help="Folder of the review; shots of earlier runs stay in it.")
    ] = Path("review"),
    frames: Annotated[
        str, option("--frames", help="Frames to show such as 1001-1100x2,1105; empty shows all.")
    ] = "",
    height: Annotated[
        int,
        option("--height", min=32, max=4320, help="Height of the pictures in pixels, at most the plate's."),
    ] = 540,
    display: Annotated[
        str, option("--display", help="Display of the OCIO config; its default if empty.")
    ] = "",
    view: Annotated[str, option("--view", help="View of the display; its default if empty.")] = "",
    movie: Annotated[
        bool, option("--movie", help='Write an MP4 of each shot, too; needs the extra "review".')
    ] = False,
    movie_layout: Annotated[
        str,
        option(
            "--movie-layout", metavar="side|wipe", help="Plate and edited side by side, or one half each."
        ),
    ] = "side",
    device: Device = None,
    cache: Cache = None,
) -> None:
    """Make a page for each rendered shot: wipe, difference, mask, curves, figures of every frame, worst first.

    The pages and pictures need no server and no network. Run it again after a render: what has not changed stays.
    """
    from lineament.core.errors import LineamentError

    from .review import review_shot, write_index
    from .review_folder import refuse_foreign
    from .shot_engine import ShotOpener
    from .shot_report import survey
    from .terminal import err, out, show_error

    show, names = named_shots(words or [])
    options = _options(frames, height, display, view, movie, movie_layout)
    refuse_foreign(output)
    opener, code, errors = ShotOpener(), 0, {}
    for name in names:
        try:
            looked = survey(show.shot(name), show.name, analysis_cache(cache), device or "cpu", opener)
            report = review_shot(looked, output, options)
        except LineamentError as error:
            show_error(error)
            code = code or error.exit_code
            errors[name] = str(error)
            continue
        worst = ", ".join(str(entry.number) for entry in report.worst()[:8])
        err().print(f"{name}: {len(report.frames)} frames, look at {worst or 'none'}", markup=False)
    order = [shot.name for shot in show.shots]
    out().print(str(write_index(output, show.name, order, errors)), markup=False)
    raise typer.Exit(code)


def _options(frames: str, height: int, display: str, view: str, movie: bool, layout: str) -> ReviewOptions:
    from lineament.core.io.sequences import parse_frames

    from .review import ReviewOptions
    from .review_movie import require_av

    wanted: Layout | None = LAYOUTS.get(layout)
    if wanted is None:
        raise typer.BadParameter(f"--movie-layout is {' or '.join(LAYOUTS)}, not {layout!r}")
    if movie:
        require_av()
    numbers = parse_frames(frames) if frames.strip() else ()
    return ReviewOptions(height, display, view, tuple(sorted(set(numbers))), wanted if movie else None)

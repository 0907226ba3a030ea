"""Pages of a review as HTML: one for a shot, one that lists shots. Static, with one script and one style in the page.

They open from disk and ask nobody for anything: the Content-Security-Policy names the one script and the one style by
their hashes and allows pictures of the page's own folder. Every text is escaped here, once.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from lineament.core.io.sequences import format_frames
from lineament.core.shots.quality_report import FrameEntry, ShotReport, reasons

from .review_curves import PAD_X, Curve, curves_of, svg
from .review_folder import MARK
from .review_table import metrics_table, three

ASSETS = Path(__file__).resolve().parent / "review_page"
DIFFERENCE = "Edited minus plate, times 4, around grey"


@dataclass(frozen=True)
class PageFrame:
    """One frame on a page: its ``entry``, its pictures' file names by kind, their width and height, and the middle of
    its mask as shares of these, None without a mask."""

    entry: FrameEntry
    files: Mapping[str, str]
    size: tuple[int, int] = (0, 0)
    focus: tuple[float, float] | None = None


@dataclass(frozen=True)
class ShotPage:
    """What a shot's page shows: all frames of the ``report``, pictures of some, the ``view`` in words, ``fps``, notes
    as name and text, and the file names of contact sheet and movie ("" = none)."""

    report: ShotReport
    frames: tuple[PageFrame, ...]
    view: str
    fps: float = 24.0
    notes: tuple[tuple[str, str], ...] = ()
    sheet: str = ""
    movie: str = ""


@dataclass(frozen=True)
class ShotLine:
    """A shot in the list: where its page lies, seen from the list, and what is told of it; ``problems`` are those of
    the analysis, such as a face that was not found."""

    name: str
    link: str
    thumb: str
    counts: Mapping[str, int]
    figures: Mapping[str, float | None]
    worst: tuple[int, ...]
    error: str = ""
    problems: tuple[str, ...] = ()


def shot_html(page: ShotPage) -> bytes:
    """The page of one shot."""
    report = page.report
    title = f"{report.show} / {report.shot}" if report.show else report.shot
    body = [
        _head(page),
        _notice(report),
        '<main class="desk"><section class="viewer">',
        _viewer(page),
        "</section>",
        f'<section class="side">{_readout()}{_plots(page)}</section></main>',
        _metrics(page),
        _notes(page),
        f'<script type="application/json" id="frames">{_json(_data(page))}</script>',
    ]
    return _document(title, "".join(body), script=_asset("page.js"))


def index_html(show: str, shots: Sequence[ShotLine]) -> bytes:
    """The page that lists shots."""
    rows = "".join(_shot_row(shot) for shot in shots)
    count = f"{len(shots)} shot{'' if len(shots) == 1 else 's'}"
    head = f'<header class="head"><h1>{escape(show or "Review")}</h1><p class="dim">{count}</p></header>'
    names = ("", "shot", "frames", "flicker", "worst flicker", "edit, stops")
    heads = "".join(
        f'<th class="words">{name}</th>' if name in ("", "shot", "frames") else f"<th>{name}</th>"
        for name in names
    )
    table = (
        f'<table><thead><tr>{heads}<th class="words">look at</th></tr></thead><tbody>{rows}</tbody></table>'
    )
    return _document(show or "Review", f'{head}<main class="shots sheet">{table}</main>')


def _document(title: str, body: str, script: str = "") -> bytes:
    """A whole page; ``body`` is HTML already."""
    style = _asset("page.css")
    scripts = f"script-src '{_sha256(script)}'; " if script else ""
    policy = (
        f"default-src 'none'; img-src 'self' file:; {scripts}style-src '{_sha256(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    code = f"<script>{script}</script>" if script else ""
    return (
        f'<!DOCTYPE html>\n{MARK}\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">'
        '<meta name="referrer" content="no-referrer">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{style}</style></head><body>{body}{code}</body></html>\n"
    ).encode()


def _asset(name: str) -> str:
    return (ASSETS / name).read_text("utf-8")


def _sha256(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _json(data: object) -> str:
    """JSON that cannot end the element it stands in."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _head(page: ShotPage) -> str:
    report = page.report
    counts = ", ".join(f"{count} {state}" for state, count in report.counts().items() if count)
    if len(page.frames) < len(report.frames):
        counts += f"; {len(page.frames)} of {len(report.frames)} shown"
    links = [("../../index.html", "All shots"), (page.sheet, "Contact sheet"), (page.movie, "Movie")]
    anchors = "".join(f'<a href="{escape(link)}">{text}</a>' for link, text in links if link)
    return (
        f'<header class="head"><h1>{escape(report.shot)}</h1><p class="dim">{escape(report.show)}</p>'
        f"<p>{escape(counts)}</p><p class='dim'>{escape(page.view)}</p>"
        f'<nav class="links">{anchors}</nav></header>'
    )


def _notice(report: ShotReport) -> str:
    """Frames without an output, plainly, and what the analysis had to say."""
    lost = [one for one in report.frames if one.state in ("failed", "missing")]
    rows = "".join(f"<dt>{escape(frames)}</dt><dd>{escape(text)}</dd>" for frames, text in _alike(lost))
    told = "".join(f"<dt>shot</dt><dd>{escape(text)}</dd>" for text in report.problems)
    if not rows and not told:
        return ""
    title = (
        f"{len(lost)} of {len(report.frames)} frames failed or are missing" if lost else "From the analysis"
    )
    return f'<section class="notice" id="failed"><h2>{title}</h2><dl>{rows}{told}</dl></section>'


def _alike(lost: Sequence[FrameEntry]) -> list[tuple[str, str]]:
    """Frames with the same trouble in one line each, what failed before what is missing: a shot that is half done must
    not push its pictures off the screen."""
    groups: dict[tuple[str, ...], list[FrameEntry]] = {}
    for one in sorted(lost, key=lambda entry: entry.state):
        told = tuple(str(one.error.get(name, "")) for name in ("what", "remedy"))
        groups.setdefault((one.state, *told, str(one.quality is None)), []).append(one)
    lines = []
    for (state, *_), entries in groups.items():
        text = error_text(entries[0])
        if len(entries) > 1 and entries[0].error.get("where"):
            text += f" (Frame {entries[0].number}; the others alike.)"
        lines.append((f"{format_frames([one.number for one in entries])} {state}", text))
    return lines


def error_text(entry: FrameEntry) -> str:
    """What went wrong with a frame, in one line."""
    parts = [str(entry.error.get(name, "")) for name in ("what", "where", "remedy")]
    earlier = "What is shown was rendered before." if entry.quality is not None else ""
    return " ".join(part for part in (*parts, earlier) if part) or "Not rendered yet."


_LAYERS = ("after", "before", "difference", "mask")


def _viewer(page: ShotPage) -> str:
    modes = (("wipe", "Wipe"), ("before", "Plate"), ("after", "Edited"), ("difference", "Difference"))
    group = "".join(f'<button type="button" data-mode="{mode}">{name}</button>' for mode, name in modes)
    after, before, change, mask = (f'<img id="{kind}" alt="" hidden>' for kind in _LAYERS)
    layers = f'{after}<div class="half">{before}</div>{change}{mask}'
    last = len(page.frames) - 1
    return (
        f'<div class="pictures" id="pictures">{layers}<div class="lost" id="lost" hidden></div>'
        '<div class="divider" id="divider" role="slider" tabindex="0" aria-label="Wipe between plate and edited" '
        'aria-valuemin="0" aria-valuemax="100" aria-valuenow="50"></div></div>'
        '<div class="sides"><span id="left"></span><span id="right"></span></div>'
        '<div class="bar"><button type="button" class="alone" id="play">Play</button>'
        f'<span class="number" id="number"></span>'
        f'<input id="scrub" type="range" min="0" max="{last}" aria-label="Frame">'
        f'<div class="group" role="group" aria-label="What is shown">{group}</div>'
        '<button type="button" class="alone" data-mode="mask">Mask</button>'
        '<button type="button" class="alone" id="zoom">Zoom</button></div>'
        f'<div class="strip" id="strip">{"".join(map(_thumb, page.frames))}</div>'
        '<p class="keys"><kbd>&larr;</kbd> <kbd>&rarr;</kbd> frame &nbsp; <kbd>Space</kbd> play &nbsp; <kbd>N</kbd> '
        "<kbd>P</kbd> next and previous worst &nbsp; <kbd>W</kbd> <kbd>B</kbd> <kbd>A</kbd> <kbd>D</kbd> wipe, plate, "
        "edited, difference &nbsp; <kbd>M</kbd> mask &nbsp; <kbd>Z</kbd> zoom</p>"
    )


def _thumb(frame: PageFrame) -> str:
    entry, thumb = frame.entry, frame.files.get("thumb", "")
    picture = (
        f'<img src="{escape(thumb)}" alt="" loading="lazy">'
        if thumb
        else '<div class="none">no picture</div>'
    )
    mark = ' class="worst"' if _is_worst(entry) else ""
    title = escape("; ".join(reasons(entry)))
    return f'<button type="button"{mark} title="{title}">{picture}<span>{entry.number}</span></button>'


def _is_worst(entry: FrameEntry) -> bool:
    return entry.state in ("failed", "missing") or bool(entry.concerns())


def _readout() -> str:
    values = '<dl class="readout" id="readout"></dl>'
    return f'<div class="panel"><h2>Frame</h2>{values}<p class="why bad" id="why"></p></div>'


def _plots(page: ShotPage) -> str:
    curves = curves_of([frame.entry for frame in page.frames])
    plots = "".join(_plot(curve, index) for index, curve in enumerate(curves))
    return f'<div class="panel"><h2>Over the shot</h2>{plots}</div>' if plots else ""


def _plot(curve: Curve, index: int) -> str:
    head = f'<header><span>{escape(curve.name)}</span><output data-curve="{index}"></output></header>'
    return f'<div class="plot">{head}{svg(curve)}</div>'


def _metrics(page: ShotPage) -> str:
    index = {frame.entry.number: place for place, frame in enumerate(page.frames)}
    return metrics_table(page.report.by_severity(), index)


def _notes(page: ShotPage) -> str:
    report = page.report
    lines = [f"{name}: {text}" for name, text in page.notes]
    for name, one in (report.identity or {}).items():
        shown = [
            f"TL-ID {three(one.tl_id)}",
            f"TG-ID {three(one.tg_id)}",
            f"to plate {three(one.to_plate)}",
        ]
        lines.append(f"Identity of {name}: {', '.join(shown)}")
    if report.identity is None:
        lines.append(f"No identity figures: {report.identity_reason}.")
    if report.skipped:
        lines.append(f"Frames without a plate, left out: {', '.join(map(str, report.skipped))}")
    return (
        f'<section class="notes"><h2>Shot</h2>{"".join(f"<p>{escape(line)}</p>" for line in lines)}</section>'
        if lines
        else ""
    )


def _data(page: ShotPage) -> dict[str, Any]:
    """What the script needs; texts among it are written as text."""
    entries = [frame.entry for frame in page.frames]
    index = {entry.number: place for place, entry in enumerate(entries)}
    worst = [index[one.number] for one in page.report.worst() if one.number in index]
    curves = [
        [value if math.isfinite(value) else None for value in curve.values] for curve in curves_of(entries)
    ]
    return {
        "frames": [_frame_data(frame) for frame in page.frames],
        "worst": worst,
        "start": worst[0] if worst else 0,
        "fps": page.fps,
        "pad": PAD_X,
        "curves": curves,
        "difference": DIFFERENCE,
        "focus": _focus(page.frames),
    }


def _focus(frames: Sequence[PageFrame]) -> tuple[float, float]:
    """Where a close-up looks at: the middle of the edits, the same for all frames, so that it stands still."""
    found = [frame.focus for frame in frames if frame.focus is not None]
    if not found:
        return 0.5, 0.5
    return sum(x for x, _ in found) / len(found), sum(y for _, y in found) / len(found)


def _frame_data(frame: PageFrame) -> dict[str, Any]:
    entry = frame.entry
    names = {kind: name for kind, name in frame.files.items() if kind != "thumb"}
    return {
        "number": entry.number,
        **names,
        "width": frame.size[0],
        "height": frame.size[1],
        "lost": f"{entry.state}: {error_text(entry)}",
        "why": "; ".join(reasons(entry)),
        "readout": _readout_of(entry),
    }


def _readout_of(entry: FrameEntry) -> list[tuple[str, str]]:
    state = entry.state if entry.source == entry.number else f"{entry.state}, plate {entry.source}"
    lines = [("frame", str(entry.number)), ("status", state)]
    several = len(entry.faces) > 1
    for face in entry.faces:
        prefix = f"{face.name}: " if several else ""
        lines += [(f"{prefix}face", face.status), (f"{prefix}mix", f"{face.mix:g}")]
        lines += [(f"{prefix}{name}", f"{value:+.2f}") for name, value in face.strengths.items()]
        if face.local is not None and face.plate_local is not None:
            lines.append((f"{prefix}TL-ID, plate", f"{face.local:.3f}, {face.plate_local:.3f}"))
    if entry.quality is not None:
        quality = entry.quality
        lines += [("flicker", three(quality.flicker)), ("seam", three(quality.seam_ratio))]
        lines += [("edit, stops", f"{quality.edit_mean:.3f} mean, {quality.edit_max:.2f} max")]
        lines += [("mask", f"{quality.mask_px:.0f} px, {100 * quality.mask_share:.1f} %")]
    return [*lines, ("rendered in", f"{entry.seconds:.2f} s")] if entry.seconds else lines


def _shot_row(shot: ShotLine) -> str:
    thumb = f'<a href="{escape(shot.link)}"><img src="{escape(shot.thumb)}" alt=""></a>' if shot.thumb else ""
    counts = ", ".join(f"{count} {state}" for state, count in shot.counts.items() if count)
    name = f'<a href="{escape(shot.link)}">{escape(shot.name)}</a>' if shot.link else escape(shot.name)
    numbers = "".join(
        f"<td>{three(shot.figures.get(key))}</td>" for key in ("flicker", "flicker_max", "edit_mean")
    )
    worst = ", ".join(
        f'<a href="{escape(shot.link)}#{number}">{number}</a>' if shot.link else str(number)
        for number in shot.worst[:8]
    )
    told = "".join(f"<div>{escape(text)}</div>" for text in shot.problems[:3])
    look = f"{worst}{' ...' if len(shot.worst) > 8 else ''}{told}" if not shot.error else escape(shot.error)
    return (
        f'<tr><td class="words">{thumb}</td><td class="words">{name}</td><td class="words">{escape(counts)}</td>'
        f'{numbers}<td class="words reason">{look}</td></tr>'
    )

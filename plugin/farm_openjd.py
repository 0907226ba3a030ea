"""A job bundle for Open Job Description: AWS Deadline Cloud takes it, and ``openjd run`` renders it on one machine.

Each shot is analysed in one step and rendered in the next, in chunks of frames that the engine cuts. Every session of
a render step starts a worker that loads the model once (``farm start``), its tasks hand their frames to that worker
(``farm render``), and the session's end stops it (``farm stop``). Specification: jobtemplate-2023-09 with the extension
TASK_CHUNKING, https://github.com/OpenJobDescription/openjd-specifications.
"""

from __future__ import annotations

import hashlib
from math import ceil
from typing import Any

import yaml

from .farm_frames import openjd_range
from .farm_job import LABEL, FarmFile, FarmJob, FarmShot, chunks

TEMPLATE, PARAMETERS, ASSETS = "template.yaml", "parameter_values.yaml", "asset_references.yaml"
LOCAL = "local_parameters.yaml"
"""The same values in the form that ``openjd run`` reads."""
NOTIFY_S = 60
"""How long a cancelled task may take: the frame that is being rendered is finished and written."""
START_S, STOP_S = 900, 120
"""How long a worker may take to load the model, and to leave."""
MAX_NAME = 48
FOLDER = "{{Session.WorkingDirectory}}/resident"


def openjd_files(job: FarmJob) -> tuple[FarmFile, ...]:
    """The files of the bundle."""
    values = {"Lineament": job.program, "ShowFile": job.file, "Device": job.device, "ChunkSize": job.chunk}
    values |= {
        name: path for name, path in (("CacheFolder", job.cache), ("ReviewFolder", job.review)) if path
    }
    listed = {"parameterValues": [{"name": name, "value": value} for name, value in values.items()]}
    note = f"# {LABEL}. Values for openjd run: -p file://{LOCAL}\n"
    return (
        FarmFile(TEMPLATE, f"# {LABEL}. Open Job Description, see {PARAMETERS}.\n{_yaml(template(job))}"),
        FarmFile(PARAMETERS, _yaml(listed)),
        FarmFile(ASSETS, _yaml(assets(job))),
        FarmFile(LOCAL, note + _yaml({name: str(value) for name, value in values.items()})),
    )


def template(job: FarmJob) -> dict[str, Any]:
    """The job template as data. Paths stand in the parameters alone, where nothing in them is taken for a variable."""
    return {
        "specificationVersion": "jobtemplate-2023-09",
        "extensions": ["TASK_CHUNKING"],
        "name": f"Lineament {_short(job.show)}",
        "description": f"{LABEL}: {' '.join(shot.name for shot in job.shots)}"[:2000],
        "parameterDefinitions": _parameters(job),
        "steps": [
            *(step for shot in job.shots for step in (_analyse_step(job, shot), _render_step(job, shot))),
            *([_review_step(job)] if job.review else []),
        ],
    }


def step_names(shot: FarmShot) -> tuple[str, str]:
    """What the steps of a shot are called: analyse, render."""
    return f"Analyse {_short(shot.name)}", f"Render {_short(shot.name)}"


def assets(job: FarmJob) -> dict[str, Any]:
    """What the job reads and writes, for engines that copy files to their machines."""
    folders = {name for name in (job.cache, job.review) if name}
    outputs = {folder for shot in job.shots for folder in shot.output_folders} | folders
    return {
        "assetReferences": {
            "inputs": {
                "filenames": sorted({job.file} | {name for shot in job.shots for name in shot.inputs}),
                "directories": sorted({name for shot in job.shots for name in shot.input_folders}),
            },
            "outputs": {"directories": sorted(outputs)},
            "referencedPaths": [],
        }
    }


def _parameters(job: FarmJob) -> list[dict[str, Any]]:
    """The job's parameters; paths have no defaults, because engines refuse absolute ones."""
    program = {"name": "Lineament", "type": "STRING", "default": "lineament"}
    show = {"name": "ShowFile", "type": "PATH", "objectType": "FILE", "dataFlow": "IN"}
    device = {"name": "Device", "type": "STRING", "default": "cpu"}
    size = {"name": "ChunkSize", "type": "INT", "minValue": 1, "default": job.chunk}
    cache = {"name": "CacheFolder", "type": "PATH", "objectType": "DIRECTORY", "dataFlow": "INOUT"}
    review = {"name": "ReviewFolder", "type": "PATH", "objectType": "DIRECTORY", "dataFlow": "OUT"}
    described: list[tuple[dict[str, Any], str]] = [
        (program, "The lineament command of the machines."),
        (show, "The show file, on storage that all machines see."),
        (device, "The device to compute on, cpu or cuda."),
        (size, "The most frames of a task."),
        *([(cache, "The folder of analyses, on storage that all machines see.")] if job.cache else []),
        *([(review, "The folder of the review.")] if job.review else []),
    ]
    return [{**data, "description": text} for data, text in described]


def _analyse_step(job: FarmJob, shot: FarmShot) -> dict[str, Any]:
    words = ["shot", "analyse", "{{Param.ShowFile}}", shot.name, *_tools(job), "--openjd"]
    script = {"actions": {"onRun": _action(words)}}
    return {"name": step_names(shot)[0], **_hosts(job), "script": script}


def _render_step(job: FarmJob, shot: FarmShot) -> dict[str, Any]:
    who = ["{{Param.ShowFile}}", shot.name]
    run = ["farm", "render", FOLDER, *who, "--frames", "{{Task.Param.Frame}}", *_tools(job), "--openjd"]
    analyse, render = step_names(shot)
    return {
        "name": render,
        "dependencies": [{"dependsOn": analyse}],
        **_hosts(job),
        "stepEnvironments": [_environment(job, who)],
        "parameterSpace": {"taskParameterDefinitions": [_frames(job, shot)]},
        "script": {"actions": {"onRun": _action(run)}},
    }


def _review_step(job: FarmJob) -> dict[str, Any]:
    """The last step: pages to judge all shots by, when all are rendered."""
    words = ["review", "{{Param.ShowFile}}", *(shot.name for shot in job.shots)]
    action = _action([*words, "--output", "{{Param.ReviewFolder}}", *_tools(job)])
    waits = [{"dependsOn": step_names(shot)[1]} for shot in job.shots]
    return {"name": "Review", "dependencies": waits, **_hosts(job), "script": {"actions": {"onRun": action}}}


def _environment(job: FarmJob, who: list[str]) -> dict[str, Any]:
    """The worker of a session: started before its first task and stopped behind its last one."""
    start = _action(["farm", "start", FOLDER, *who, *_tools(job), "--openjd"], timeout=START_S)
    stop = _action(["farm", "stop", FOLDER], timeout=STOP_S)
    return {"name": "Model", "script": {"actions": {"onEnter": start, "onExit": stop}}}


def _frames(job: FarmJob, shot: FarmShot) -> dict[str, Any]:
    """The frames of a step: chunks without holes, unless the shot has so many that its chunks would be mere frames."""
    pieces = len(chunks(shot.frames, job.chunk))
    is_sparse = pieces > 2 * ceil(len(shot.frames) / job.chunk)
    return {
        "name": "Frame",
        "type": "CHUNK[INT]",
        "range": openjd_range(shot.frames),
        "chunks": {
            "defaultTaskCount": "{{Param.ChunkSize}}",
            "rangeConstraint": "NONCONTIGUOUS" if is_sparse else "CONTIGUOUS",
        },
    }


def _action(words: list[str], timeout: int | None = None) -> dict[str, Any]:
    """A command of the program: words, never a line for a shell."""
    limit = {} if timeout is None else {"timeout": timeout}
    how = {"mode": "NOTIFY_THEN_TERMINATE", "notifyPeriodInSeconds": NOTIFY_S}
    return {"command": "{{Param.Lineament}}", "args": words, **limit, "cancelation": how}


def _tools(job: FarmJob) -> list[str]:
    cache = ["--cache", "{{Param.CacheFolder}}"] if job.cache else []
    return ["--device", "{{Param.Device}}", *cache]


def _hosts(job: FarmJob) -> dict[str, Any]:
    """Steps on a graphics card ask for machines that have one."""
    if not job.device.startswith("cuda"):
        return {}
    return {"hostRequirements": {"amounts": [{"name": "amount.worker.gpu", "min": 1}]}}


def _short(name: str) -> str:
    """A name that fits, still one of its own: steps may be called by 64 characters."""
    if len(name) <= MAX_NAME:
        return name
    return f"{name[: MAX_NAME - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _yaml(data: Any) -> str:
    return str(yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=110))

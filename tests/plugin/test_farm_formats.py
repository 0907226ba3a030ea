"""Job files for OpenCue, Deadline and Tractor: whole files as agreed, and nothing in a name that becomes a command.

No server was here: what is read back is read by a Tcl interpreter, a POSIX shell, and the published XML structure.
"""

from __future__ import annotations

import getpass
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from lineament.plugin import farm_submit
from lineament.plugin.farm_deadline import deadline_files
from lineament.plugin.farm_job import FarmFile, FarmJob, FarmShot
from lineament.plugin.farm_opencue import opencue_files, shell_line
from lineament.plugin.farm_tractor import tcl_word, tractor_files
from lineament.plugin.plan import UsageError

JOB = FarmJob(
    "harbour",
    "/net/show/shots.yaml",
    (
        FarmShot("sh010", (1001, 1002, 1003, 1004, 1005), output_folders=("/net/out",)),
        FarmShot("sh.020", (1, 3, 5, 9)),
    ),
    cache="/net/cache",
    chunk=2,
)
NASTY = (
    "/a b/shots.yaml",
    "/it's/$HOME/`id`/$(id)/shots.yaml",
    "/{brace/shots.yaml",
    "/brace}/[exec id]/shots.yaml",
    "/back\\slash;rm -rf/shots.yaml",
    "/#IFRAME#/#FRAMESPEC#/shots.yaml",
    "/<tag>&amp;]]>/shots.yaml",
    "/ünï/文/shots.yaml",
    "/!~*?|>&/shots.yaml",
)


def texts(files: tuple[FarmFile, ...]) -> dict[str, str]:
    return {file.name: file.text for file in files}


def job_at(path: str) -> FarmJob:
    return FarmJob("show", path, (FarmShot("a", (1, 2, 3)),), chunk=2)


OPENCUE = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE spec PUBLIC "SPI Cue  Specification Language" "http://localhost:8080/spcue/dtd/cjsl-1.11.dtd">
<!-- Lineament: analyse and render shots. Checked against the format only. -->
<spec>
  <show>harbour</show>
  <shot>shots</shot>
  <user>USER</user>
  <job name="harbour-shots-lineament">
    <paused>False</paused>
    <maxretries>2</maxretries>
    <autoeat>False</autoeat>
    <layers>
      <layer name="sh010_analyse" type="Render">
        <cmd>lineament shot analyse /net/show/shots.yaml sh010 --device cpu --cache /net/cache</cmd>
        <range>1</range>
        <chunk>1</chunk>
        <services>
          <service>shell</service>
        </services>
      </layer>
      <layer name="sh010_render" type="Render">
        <cmd>lineament shot render /net/show/shots.yaml sh010 --frames #FRAMESPEC# --device cpu --cache /net/cache</cmd>
        <range>1001-1005</range>
        <chunk>2</chunk>
        <services>
          <service>shell</service>
        </services>
      </layer>
"""


def test_when_opencue_is_exported_then_the_job_is_as_agreed() -> None:
    text = texts(opencue_files(JOB))["opencue_job.xml"]
    user = re.search("<user>(.*)</user>", text)
    assert user is not None and user[1].startswith(re.sub("[^a-z0-9_]", "_", getpass.getuser().lower()))
    assert text.replace(user[0], "<user>USER</user>").startswith(OPENCUE)
    spec = ElementTree.fromstring(text.split("\n", 3)[3])
    layers = {layer.get("name"): layer for layer in spec.iter("layer")}
    second = next(name for name in layers if name and name.startswith("sh_020") and name.endswith("_render"))
    assert layers[second].findtext("range") == "1-5x2,9"
    depends = [[child.text for child in depend] for depend in spec.iter("depend")]
    assert depends[0] == [
        "harbour-shots-lineament",
        "sh010_render",
        "harbour-shots-lineament",
        "sh010_analyse",
    ]
    assert len(depends) == 2 and spec.find("depends/depend").get("type") == "LAYER_ON_LAYER"  # type: ignore[union-attr]


ORDER = {
    "spec": "facility dept show shot user email uid job depends",
    "job": "paused priority maxretries autoeat localbook os env layers",
    "layers": "layer",
    "layer": "cmd range chunk cores threadable memory gpu timeout timeout_llu tags limits env services",
    "services": "service",
    "depends": "depend",
    "depend": "depjob deplayer depframe onjob onlayer onframe",
}
"""The children of each element in the order that version 1.11 of the document type asks for."""
NEEDED = {"spec": {"show", "shot", "user"}, "layer": {"cmd", "range", "chunk"}, "depend": {"depjob", "onjob"}}


@pytest.mark.parametrize("path", NASTY)
def test_when_a_path_is_odd_then_the_xml_keeps_its_structure_and_the_shell_its_words(path: str) -> None:
    job = job_at(path)
    spec = ElementTree.fromstring(texts(opencue_files(job))["opencue_job.xml"].split("\n", 3)[3])
    for element in spec.iter():
        children = [child.tag for child in element]
        places = [ORDER.get(element.tag, "").split().index(tag) for tag in children]
        assert places == sorted(places) and NEEDED.get(element.tag, set()) <= set(children)
        name = element.get("name")
        assert name is None or re.fullmatch(r"[\w.:-]+", name)
    command = spec.findall(".//cmd")[1].text
    assert command is not None
    line = command.replace("#FRAMESPEC#", "1-2").replace("#IFRAME#", "9999").replace("#JOB#", "x")
    words = job.render_words(job.shots[0], "1-2")
    shown = f"lineament() {{ printf '%s\\0' lineament \"$@\"; }}; {line}"
    done = subprocess.run(["/bin/sh", "-c", shown], capture_output=True, check=True)
    assert done.stdout.decode().split("\0")[:-1] == list(words)


def test_when_a_word_is_quoted_for_the_shell_then_no_variable_of_the_server_is_in_it() -> None:
    assert shell_line(["x", "#FRAMESPEC#"]) == "x #FRAMESPEC#"
    assert not re.search("#[A-Z_]+#", shell_line(["a#FRAMESPEC#b", "#JOB#", "'#FRAME#'"]))


def test_when_names_are_alike_then_their_layers_are_not() -> None:
    shots = tuple(FarmShot(name, (1,)) for name in ("sh.010", "sh-010", "sh_010", "SH_010"))
    text = texts(opencue_files(FarmJob("s", "/s.yaml", shots)))["opencue_job.xml"]
    names = re.findall('layer name="([^"]+)"', text)
    assert len(names) == len(set(names)) == 8


DEADLINE_JOB = """Plugin=CommandLine
Name=sh010_render
BatchName=Lineament harbour
Comment=Lineament: analyse and render shots. Checked against the format only.
Frames=1001-1005
ChunkSize=2
JobDependencies=@ANALYSE_JOB@
OutputDirectory0=/net/out
"""
DEADLINE_PLUGIN = """Executable=lineament
Arguments=shot render /net/show/shots.yaml sh010 --frames <STARTFRAME>-<ENDFRAME> --device cpu --cache /net/cache
Shell=default
ShellExecute=False
SingleFramesOnly=False
StartupDirectory=
"""


def test_when_deadline_is_exported_then_the_files_are_as_agreed() -> None:
    files = texts(deadline_files(JOB))
    assert files["sh010_render_job.txt"] == DEADLINE_JOB
    assert files["sh010_render_plugin.txt"] == DEADLINE_PLUGIN
    assert "Frames=0\nChunkSize=1\n" in files["sh010_analyse_job.txt"]
    assert "Arguments=shot analyse /net/show/shots.yaml sh010 --device" in files["sh010_analyse_plugin.txt"]
    assert "Frames=1-5x2,9\nChunkSize=1\n" in files["sh.020_render_job.txt"]  # a task knows its ends only


@pytest.mark.parametrize(
    "path", ['/a"b/s.yaml', "/a/<STARTFRAME>/s.yaml", "/a/<QUOTE>/s.yaml", "/a/<AUXFILE0>/s.yaml"]
)
def test_when_deadline_has_no_spelling_for_a_path_then_it_is_refused(path: str) -> None:
    with pytest.raises(UsageError, match="Deadline keyword"):
        deadline_files(job_at(path))


def test_when_a_path_has_blanks_then_deadline_gets_it_in_quotes() -> None:
    plugin = texts(deadline_files(job_at("/a b/{c}/$d.yaml")))["a_render_plugin.txt"]
    assert 'Arguments=shot render "/a b/{c}/$d.yaml" a --frames <STARTFRAME>-<ENDFRAME>' in plugin


COMMAND = """#!{python}
import sys
from pathlib import Path
log = Path(__file__).with_name("log")
count = len(log.read_text().splitlines()) if log.exists() else 0
text = Path(sys.argv[1]).read_text()
if "FAIL" in text: sys.exit("no such pool")
depends = [line for line in text.splitlines() if line.startswith("JobDependencies")]
with log.open("a") as stream:
    stream.write(Path(sys.argv[1]).name + " " + Path(sys.argv[2]).name + " " + "".join(depends) + "\\n")
print("Deadline Command", "Result=Success", f"JobID=id{{count}}", sep="\\n")
"""


@pytest.fixture
def deadline(tmp_path: Path) -> Path:
    """An exported folder with a stand-in for Deadline's own command."""
    for file in deadline_files(JOB):
        (tmp_path / file.name).write_text(file.text)
    command = tmp_path / "deadlinecommand"
    command.write_text(COMMAND.format(python=sys.executable))
    command.chmod(0o755)
    return command


def test_when_deadline_jobs_are_submitted_then_each_render_waits_for_its_analysis(deadline: Path) -> None:
    command = [sys.executable, str(deadline.with_name("submit.py")), str(deadline)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "sh.020: id0, id1\nsh010: id2, id3\n"
    assert deadline.with_name("log").read_text().splitlines() == [
        "sh.020_analyse_job.txt sh.020_analyse_plugin.txt ",
        "sh.020_render_job.txt sh.020_render_plugin.txt JobDependencies=id0",
        "sh010_analyse_job.txt sh010_analyse_plugin.txt ",
        "sh010_render_job.txt sh010_render_plugin.txt JobDependencies=id2",
    ]


def test_when_deadline_refuses_a_job_then_submitting_ends_with_its_words(deadline: Path) -> None:
    with (deadline.with_name("sh010_analyse_job.txt")).open("a") as stream:
        stream.write("FAIL=1\n")
    with pytest.raises(SystemExit, match=r"sh010_analyse_job\.txt was not submitted: .*no such pool"):
        farm_submit.main(deadline.parent, str(deadline))


TRACTOR = """##AlfredToDo 3.0
# Lineament: analyse and render shots. Checked against the format only.
Job -title Lineament\\ harbour -service Lineament -subtasks {
  Task sh010 -serialsubtasks 1 -subtasks {
    Task sh010\\ analyse -cmds { RemoteCmd {lineament shot analyse /net/show/shots.yaml sh010 TOOLS} SERVICE }
    Task sh010\\ render -subtasks {
      Task sh010\\ 1001-1002 -cmds { RemoteCmd {lineament shot render SHOT --frames 1001-1002 TOOLS} SERVICE }
      Task sh010\\ 1003-1004 -cmds { RemoteCmd {lineament shot render SHOT --frames 1003-1004 TOOLS} SERVICE }
      Task sh010\\ 1005 -cmds { RemoteCmd {lineament shot render SHOT --frames 1005 TOOLS} SERVICE }
    }
  }
"""


def test_when_tractor_is_exported_then_the_job_is_as_agreed() -> None:
    text = texts(tractor_files(JOB))["lineament.alf"]
    agreed = TRACTOR.replace("TOOLS", "--device cpu --cache /net/cache").replace(
        "SERVICE", "-service {Lineament}"
    )
    assert text.startswith(agreed.replace("SHOT", "/net/show/shots.yaml sh010"))
    assert text.count("Task sh.020\\ ") == 2 + 4 and text.endswith("  }\n}\n")


INTERPRETER = """
set found {}
proc RemoteCmd {launch args} { global found; lappend found $launch }
proc Task {title args} { foreach {name value} $args { if {$name in {-subtasks -cmds}} { eval $value } } }
proc Job {args} { foreach {name value} $args { if {$name eq "-subtasks"} { eval $value } } }
"""


@pytest.mark.parametrize("path", NASTY)
def test_when_a_path_is_odd_then_tcl_reads_the_same_words_and_executes_none(path: str) -> None:
    tkinter = pytest.importorskip("tkinter", reason="this Python was built without Tcl")
    interpreter = tkinter.Tcl()
    interpreter.eval(INTERPRETER)
    job = job_at(path)
    interpreter.eval(texts(tractor_files(job))["lineament.alf"])
    launches = interpreter.splitlist(interpreter.eval("set found"))
    words = [interpreter.splitlist(launch) for launch in launches]
    shot = job.shots[0]
    expected = [job.analyse_words(shot), job.render_words(shot, "1-2"), job.render_words(shot, "3")]
    assert words == expected


def test_when_a_word_is_quoted_for_tcl_then_braces_around_it_stay_balanced() -> None:
    assert tcl_word("a{b} $c[d]") == "a\\{b\\}\\ \\$c\\[d\\]" and tcl_word("") == "{}"


def test_when_a_path_has_a_percent_sign_then_tractor_refuses_it() -> None:
    with pytest.raises(UsageError, match="percent"):
        tractor_files(job_at("/a%h/s.yaml"))


def test_when_a_review_is_wanted_then_it_waits_for_every_render(tmp_path: Path) -> None:
    job = replace(JOB, review="/net/re view")
    xml = texts(opencue_files(job))["opencue_job.xml"]
    assert "--output '/net/re view'" in xml and xml.count("<deplayer>review</deplayer>") == 2
    alf = texts(tractor_files(job))["lineament.alf"]
    tkinter = pytest.importorskip("tkinter", reason="this Python was built without Tcl")
    interpreter = tkinter.Tcl()
    interpreter.eval(INTERPRETER)
    interpreter.eval(alf)
    launches = interpreter.splitlist(interpreter.eval("set found"))
    assert interpreter.splitlist(launches[-1]) == job.review_words()
    assert alf.splitlines()[3] == "Task review -subtasks {" and len(launches) == 2 + 3 + 4 + 1
    for file in deadline_files(job):
        (tmp_path / file.name).write_text(file.text)
    command = tmp_path / "deadlinecommand"
    command.write_text(COMMAND.format(python=sys.executable))
    command.chmod(0o755)
    farm_submit.main(tmp_path, str(command))
    last = (tmp_path / "log").read_text().splitlines()[-1]
    assert last == "review_job.txt review_plugin.txt JobDependencies=id1,id3"

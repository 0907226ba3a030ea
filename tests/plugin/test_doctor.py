"""The doctor: a healthy installation is healthy, every illness has its remedy and its code."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

import pytest
from lineament.plugin import doctor
from lineament.plugin.cli import main
from lineament.plugin.doctor import Finding, examine, exit_code
from lineament.plugin.messages import PROTOCOL_VERSION

from .conftest import Studio


def statuses(findings: tuple[Finding, ...]) -> dict[str, str]:
    return {finding.subject: finding.status for finding in findings}


def test_when_all_is_well_then_the_doctor_says_so(
    studio: Studio, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    findings = examine(str(studio.model), "cpu", "", str(tmp_path / "not yet there"))
    assert set(statuses(findings).values()) <= {"ok", "note"}
    assert {"python", "torch", "OpenImageIO", "OpenColorIO", "device", "model"} <= set(statuses(findings))
    assert not (tmp_path / "not yet there").exists()
    assert main(["doctor", "--model", str(studio.model), "--cache", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "files verified" in said and "OpenEXR" in said


@pytest.mark.parametrize(
    ("asked", "subject", "code"),
    [
        ({"model": "nobody"}, "model", 4),
        ({"device": "cuda:77"}, "device", 5),
        ({"ocio": "/no/config.ocio"}, "colour config", 4),
        ({"cache": "/proc/nowhere"}, "latent cache", 4),
    ],
)
def test_when_something_is_ill_then_subject_remedy_and_code_are_given(
    asked: dict[str, str], subject: str, code: int, studio: Studio, tmp_path: Path
) -> None:
    findings = examine(**{"model": str(studio.model), "cache": str(tmp_path), **asked})
    ill = [finding for finding in findings if finding.status == "problem"]
    assert [finding.subject for finding in ill] == [subject]
    assert ill[0].remedy and exit_code(findings) == code


def test_when_a_package_is_missing_then_the_command_to_install_it_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def version(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(doctor.metadata, "version", version)
    finding = doctor._package_check("torch")()
    assert (finding.status, finding.exit_code) == ("problem", 4)
    assert "pip install" in finding.remedy


def test_when_the_allocator_is_set_then_nothing_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in doctor.ALLOCATOR.items():
        monkeypatch.setenv(name, value)
    assert doctor._allocator().status == "ok"
    monkeypatch.delenv("MALLOC_TOP_PAD_")
    monkeypatch.setattr(doctor.sys, "platform", "linux")
    assert "MALLOC_TOP_PAD_=" in doctor._allocator().remedy


def test_when_a_program_asks_then_one_line_of_json_tells_it_all(
    studio: Studio, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--json", "--model", str(studio.model), "--cache", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert said.count("\n") == 1 and said.isascii()
    answer = json.loads(said)
    assert answer["protocol"] == PROTOCOL_VERSION and answer["version"] == metadata.version("lineament")
    assert answer["exit_code"] == 0
    assert all(set(f) == {"subject", "status", "detail", "remedy", "exit_code"} for f in answer["findings"])
    assert {"python", "torch", "model"} <= {finding["subject"] for finding in answer["findings"]}


def test_when_a_program_asks_about_something_ill_then_the_code_says_so_too(
    studio: Studio, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = "/no/b\u00e4r \U0001f43b/config.ocio"
    assert (
        main(["doctor", "--json", "--model", str(studio.model), "--cache", str(tmp_path), "--ocio", odd]) == 4
    )
    answer = json.loads(capsys.readouterr().out)
    (ill,) = [finding for finding in answer["findings"] if finding["status"] == "problem"]
    assert answer["exit_code"] == ill["exit_code"] == 4
    assert ill["subject"] == "colour config" and odd in ill["detail"] and ill["remedy"]

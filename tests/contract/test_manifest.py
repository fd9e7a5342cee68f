from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.contract.int8 import Int8
from service.contract.manifest import ArtifactError, ForecastTask, Manifest, NextWordTask, parse_manifest
from service.contract.signature import check_signature
from tests import artifacts

FORECASTER = artifacts.manifest(artifacts.forecaster(past=("wind",), calendar=("day_of_week",)), "tiny", 1)
NEXT_WORD = artifacts.manifest(artifacts.next_word(), "tiny", 1)
CLASSIFIER = artifacts.manifest(artifacts.classifier(), "tiny", 1)


def changed(manifest: Manifest, **changes: object) -> str:
    return json.dumps({**json.loads(manifest.to_json()), **changes})


def changed_task(manifest: Manifest, **changes: object) -> str:
    return changed(manifest, task={**manifest.task.model_dump(mode="json"), **changes})


@pytest.mark.parametrize("manifest", [FORECASTER, NEXT_WORD, CLASSIFIER], ids=lambda manifest: manifest.task.kind)
def test_a_manifest_is_read_as_it_was_written(manifest: Manifest):
    assert parse_manifest(manifest.to_json()) == manifest


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_json_is_a_manifest_or_refused(content: object):
    with pytest.raises(ArtifactError, match=r"manifest\.json"):
        parse_manifest(json.dumps(content))


@given(st.binary(max_size=60))
def test_any_bytes_are_refused(content: bytes):
    with pytest.raises(ArtifactError, match=r"manifest\.json"):
        parse_manifest(content)


@given(st.sampled_from(sorted(Manifest.model_fields)), st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.integers()))
def test_any_value_of_a_field_is_taken_or_refused_and_nothing_else(name: str, value: object):
    with suppress(ArtifactError):
        manifest = parse_manifest(changed(CLASSIFIER, **{name: value}))
        assert parse_manifest(manifest.to_json()) == manifest


def test_deeply_nested_json_is_refused():
    with pytest.raises(ArtifactError, match=r"manifest\.json is not JSON"):
        parse_manifest("[" * 100_000)


def test_a_newer_schema_is_refused_with_what_can_read_it():
    with pytest.raises(ArtifactError, match="schema_version 5; this release reads up to 4: use a release of Carousel that reads schema 5"):
        parse_manifest(changed(CLASSIFIER, schema_version=5))


def test_an_unknown_field_is_refused_by_name():
    with pytest.raises(ArtifactError, match=r"manifest\.json: colour: Extra inputs are not permitted"):
        parse_manifest(changed(CLASSIFIER, colour="red"))


@pytest.mark.parametrize("name", ["", "Upper", "a/b", "../up", "a..b", ".hidden", "trailing-", "a\n", "a" * 65, "sp ace", "ünï"])
def test_a_name_that_could_be_a_path_is_refused(name: str):
    with pytest.raises(ArtifactError, match=r"manifest\.json"):
        parse_manifest(changed(CLASSIFIER, name=name))


@pytest.mark.parametrize("name", ["../model.onnx", "a/b", ".hidden", "manifest.json", "a..b", "", "C:\\x"])
def test_a_file_name_that_leads_elsewhere_is_refused(name: str):
    with pytest.raises(ArtifactError, match="not a plain file name"):
        parse_manifest(changed(CLASSIFIER, files={name: {"sha256": "0" * 64, "bytes": 1}}))


def test_a_model_whose_exports_disagree_is_refused():
    with pytest.raises(ArtifactError, match=r"parity 0\.001 is over 0\.0001"):
        parse_manifest(changed(CLASSIFIER, parity={"model.onnx": 0.001}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (changed_task(FORECASTER, quantiles=[0.5, 0.1]), "quantiles must rise between 0 and 1 and hold 0.5"),
        (changed_task(FORECASTER, quantiles=[0.1, 0.9]), "quantiles must rise between 0 and 1 and hold 0.5"),
        (changed_task(FORECASTER, quantiles=[0.5, 1.0]), "quantiles must rise between 0 and 1 and hold 0.5"),
        (changed_task(FORECASTER, min_context=99), "min_context 99 is more than context 6"),
        (changed_task(FORECASTER, integer=True, lower=0.5), "lower 0.5 is no whole number, though the target is"),
        (changed_task(FORECASTER, step_correlation=1.0), "less than 1"),
        (changed_task(FORECASTER, frequency="moon"), "unknown frequency 'moon'"),
        (changed_task(FORECASTER, calendar=["moon"]), "unknown calendar feature 'moon': this release derives hour_of_day"),
        (changed_task(NEXT_WORD, end_id=99), "end_id 99 and unknown_id 1 must be two of"),
        (changed_task(NEXT_WORD, end_id=1), "end_id 1 and unknown_id 1 must be two of"),
        (changed_task(CLASSIFIER, labels=["a", "a"]), "two labels are the same"),
        (changed_task(CLASSIFIER, kind="moon"), "does not match any of the expected tags"),
    ],
)
def test_a_task_that_cannot_be_is_refused(text: str, message: str):
    with pytest.raises(ArtifactError) as refusal:
        parse_manifest(text)

    assert message in str(refusal.value)


def test_a_forecaster_of_before_bounds_and_correlations_is_read_as_having_none():
    task = json.loads(FORECASTER.to_json())["task"]
    older = {name: value for name, value in task.items() if name not in ("lower", "integer", "step_correlation")}

    found = parse_manifest(changed(FORECASTER, task=older)).task

    assert isinstance(found, ForecastTask)
    assert (found.lower, found.integer, found.step_correlation) == (None, False, None)


@pytest.mark.parametrize("manifest", [FORECASTER, NEXT_WORD, CLASSIFIER], ids=lambda manifest: manifest.task.kind)
def test_the_tensors_of_a_task_are_accepted(manifest: Manifest):
    check_signature(manifest)


def without(manifest: Manifest, side: str, name: str) -> Manifest:
    specs = json.loads(manifest.to_json())[side]
    return parse_manifest(changed(manifest, **{side: [spec for spec in specs if spec["name"] != name]}))


def fixed_batch() -> Manifest:
    [spec] = json.loads(CLASSIFIER.to_json())["inputs"]
    return parse_manifest(changed(CLASSIFIER, inputs=[{**spec, "shape": [1, -1, 3]}]))


def doubled(manifest: Manifest) -> Manifest:
    outputs = json.loads(manifest.to_json())["outputs"]
    return parse_manifest(changed(manifest, outputs=[*outputs, outputs[0]]))


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (without(FORECASTER, "inputs", "past"), "a graph of this task takes future, past, target, not target, future"),
        (without(NEXT_WORD, "inputs", "state_c"), "takes state_c, state_h, tokens, not tokens, state_h"),
        (without(NEXT_WORD, "outputs", "next_state_c"), "gives log_probs, next_state_c, next_state_h, top_ids, top_log_probs, not"),
        (doubled(CLASSIFIER), "gives probabilities, not probabilities, probabilities"),
        (fixed_batch(), "axis 0 of 'sequence' is the batch: it must be free (-1), not 1"),
    ],
)
def test_tensors_that_the_task_cannot_use_are_refused(manifest: Manifest, message: str):
    with pytest.raises(ArtifactError) as refusal:
        check_signature(manifest)

    assert message in str(refusal.value)


def test_the_folder_of_an_artifact_holds_what_its_manifest_says(tiny_models: Path):
    manifest = parse_manifest((tiny_models / "tiny-words" / "1" / "manifest.json").read_bytes())

    assert sorted(manifest.files) == ["golden.json", "model.onnx", "tokenizer.json"]


FILES = {name: {"sha256": "0" * 64, "bytes": 1} for name in ("model.int8.onnx", "golden.int8.json")}
PUBLISHED = {"published": True, "checks": [{"measure": "mae_ratio", "value": 1.002, "at_most": 1.01}], "smaller": 2.7, "faster": {"1": 1.4}}


def test_a_manifest_from_before_int8_is_read_as_it_was():
    manifest = parse_manifest(changed(CLASSIFIER, schema_version=1))

    assert (manifest.schema_version, manifest.int8) == (1, None)


def test_a_manifest_says_how_the_graph_in_int8_compares():
    int8 = parse_manifest(changed(CLASSIFIER, int8=PUBLISHED, files=FILES)).int8

    assert int8 is not None
    assert (int8.smaller, int8.faster, int8.pays) == (2.7, {"1": 1.4}, True)
    assert int8.checks[0].kept


@pytest.mark.parametrize("faster", [{}, {"1": 1.4, "8": 1.0}, {"1": 0.9, "8": 2.0}])
def test_int8_pays_only_where_it_was_faster_at_every_size(faster: dict[str, float]):
    assert not Int8(published=True, faster=faster).pays


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"int8": PUBLISHED}, "golden.int8.json and model.int8.onnx are listed where int8 is published, and only there"),
        ({"int8": PUBLISHED, "files": {"model.int8.onnx": FILES["model.int8.onnx"]}}, "are listed where int8 is published"),
        ({"files": FILES}, "are listed where int8 is published"),
        ({"int8": {"published": False, "reason": "no gain"}, "files": FILES}, "are listed where int8 is published"),
        ({"int8": PUBLISHED, "files": FILES, "schema_version": 1}, "int8 came with schema_version 2"),
        ({"int8": {"published": False}}, "int8 has a reason where it is not published, and only there"),
        ({"int8": {**PUBLISHED, "reason": "slow"}, "files": FILES}, "int8 has a reason where it is not published, and only there"),
        (
            {"int8": {**PUBLISHED, "checks": [{"measure": "mae_ratio", "value": 1.02, "at_most": 1.01}]}, "files": FILES},
            "int8 is published, but mae_ratio is out of its bound",
        ),
        (
            {"int8": {**PUBLISHED, "checks": [{"measure": "top3_agreement", "value": 0.98, "at_least": 0.99}]}, "files": FILES},
            "int8 is published, but top3_agreement is out of its bound",
        ),
        ({"int8": {**PUBLISHED, "smaller": 0}, "files": FILES}, "int8.smaller: Input should be greater than 0"),
    ],
)
def test_int8_that_contradicts_itself_is_refused(changes: dict[str, object], message: str):
    with pytest.raises(ArtifactError) as refusal:
        parse_manifest(changed(CLASSIFIER, **changes))

    assert message in str(refusal.value)


POINTER = {"window": 500, "sharpness": 12.0, "share": 0.1}


def test_a_next_word_model_of_an_older_schema_has_words_and_no_pointer():
    task = json.loads(changed(NEXT_WORD))["task"]
    older = {name: value for name, value in task.items() if name not in ("tokens", "pointer")}
    found = parse_manifest(changed(NEXT_WORD, schema_version=3, task=older)).task

    assert isinstance(found, NextWordTask)
    assert (found.tokens, found.pointer) == ("words", None)


@pytest.mark.parametrize("changes", [{"pointer": POINTER}, {"tokens": "subwords"}])
def test_an_older_schema_has_neither_pointer_nor_subwords(changes: dict[str, object]):
    task = {**NEXT_WORD.task.model_dump(mode="json"), **changes}
    with pytest.raises(ArtifactError, match="pointer and subwords came with schema_version 4"):
        parse_manifest(changed(NEXT_WORD, schema_version=3, task=task))


def test_a_model_with_a_pointer_gives_the_vectors_that_it_looks_at():
    with pytest.raises(ArtifactError, match="gives log_probs, next_state_c, next_state_h, top_ids, top_log_probs, vectors, not"):
        check_signature(parse_manifest(changed_task(NEXT_WORD, pointer=POINTER)))

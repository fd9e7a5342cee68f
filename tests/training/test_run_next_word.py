"""Whole runs of next-word models: documents, the pointer, capitals, pieces of words."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from service.contract.manifest import NextWordTask
from service.tasks.dialogue import converse
from service.tasks.language import load_language
from service.tasks.next_word import Choice, suggest
from training.config import ConfigError, NextWordConfig, build_config
from training.data.text import read_text
from training.data.token_batches import NO_TARGET
from training.export import onnx_run
from training.learners.next_word import NextWordLearner, TokenBatch
from training.loop import fit
from training.run import run

NAMES = [first + second + "x" for first in ("Ba", "De", "Gi", "Ko", "Lu", "Me") for second in ("na", "re", "ti", "so", "vu")]


def letters(tmp_path):
    """Letters, each about a person who is named again and again."""
    generator = np.random.default_rng(0)
    path = tmp_path / "letters.txt"
    lines = ["dear friend , this is {0} . ", "you know that {0} said so .", "then {0} went to see {0} ."]
    path.write_text("\n\n".join("\n".join(lines).format(generator.choice(NAMES)) for _ in range(150)))
    return path


def config(path, tmp_path, **settings):
    small = {
        "hidden": 32,
        "embedding": 24,
        "epochs": 6,
        "batch": 8,
        "bptt": 16,
        "learning_rate": 1e-2,
        "dropout": 0.2,
        "ema": 0.9,
        "pointer_window": 40,
    }
    folders = {"models": tmp_path / "models", "runs": tmp_path / "runs"}
    return NextWordConfig(name="letters", data=str(path), documents="blank-line", **folders, **(small | settings))


def test_what_a_letter_has_said_is_pointed_at_and_names_have_capitals(tmp_path, console):
    artifact = run(config(letters(tmp_path), tmp_path), resume=False, console=console)
    scores, task = artifact.manifest.scores.model, artifact.manifest.task
    assert isinstance(task, NextWordTask)
    assert task.pointer is not None
    assert task.pointer.window == 40
    assert scores["perplexity"] < scores["perplexity_without_pointer"]
    assert artifact.manifest.outputs[-1].name == "vectors"
    assert json.loads(artifact.read("forms.json"))["banax"] == "Banax"
    language = load_language(artifact)
    answer = onnx_run(artifact.file("model.onnx"))
    text = "dear friend, this is Banax.\nyou know that Banax said so.\nyou know that "
    pointed, alone = (
        {one.word: one.probability for one in converse(suggest(language, text, Choice(top_k=40, pointer=pointer)), answer)}
        for pointer in (True, False)
    )
    assert pointed["banax"] > 2 * alone["banax"]


def test_pieces_of_words_are_learned_and_measured_by_word(tmp_path, console):
    artifact = run(config(letters(tmp_path), tmp_path, tokens="subwords", vocabulary=330, pointer=False), resume=False, console=console)
    scores = artifact.manifest.scores
    assert scores.model["unknown_share"] == 0
    assert scores.model["perplexity_per_word"] > scores.model["perplexity"]  # words are more than pieces, or as many
    assert scores.beats_naive
    assert artifact.manifest.task.tokens == "subwords"
    assert "forms.json" not in artifact.manifest.files


def test_a_document_begins_without_the_state_of_another(tmp_path):
    torch.manual_seed(0)
    settings = config(letters(tmp_path), tmp_path, dropout=0.0, recurrent_dropout=0.0, word_dropout=0.0)
    learner = NextWordLearner(settings, read_text(settings, echo=lambda _line: None))
    tokens, targets = torch.tensor([[0, 5, 6]]), torch.tensor([[5, 6, NO_TARGET]])
    first = learner.loss(learner.network, TokenBatch(tokens, targets, begins=True)).item()
    assert learner.loss(learner.network, TokenBatch(tokens, targets, begins=False)).item() != pytest.approx(first, abs=1e-7)
    assert learner.loss(learner.network, TokenBatch(tokens, targets, begins=True)).item() == pytest.approx(first, abs=1e-7)


def test_nothing_is_learned_from_what_fills_up_a_row(tmp_path):
    settings = config(letters(tmp_path), tmp_path, dropout=0.0, recurrent_dropout=0.0, word_dropout=0.0)
    learner = NextWordLearner(settings, read_text(settings, echo=lambda _line: None))
    losses = [
        learner.loss(learner.network, TokenBatch(torch.tensor([[0, 5, filler]]), torch.tensor([[5, 6, NO_TARGET]]), begins=True)).item()
        for filler in (0, 7)
    ]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("predict", ["all", "last"])
def test_drawn_words_stand_for_all_in_training_and_not_in_validation(tmp_path, predict):
    settings = config(letters(tmp_path), tmp_path, dropout=0.0, recurrent_dropout=0.0, word_dropout=0.0, sampled_words=12)
    settings = settings.model_copy(update={"predict": predict})
    learner = NextWordLearner(settings, read_text(settings, echo=lambda _line: None))
    batch = TokenBatch(torch.tensor([[0, 5]]), torch.tensor([[5, 6]])[:, -1 if predict == "last" else slice(None)], begins=True)
    trained = [learner.loss(learner.network.train(), batch).item() for _ in range(2)]
    measured = [learner.loss(learner.network.eval(), batch).item() for _ in range(2)]
    assert trained[0] != trained[1]
    assert measured[0] == measured[1]


def test_a_model_that_learned_from_drawn_words_knows_about_as_much(tmp_path):
    path, losses = letters(tmp_path), []
    for words in (0, 24):
        torch.manual_seed(0)
        settings = config(path, tmp_path, sampled_words=words, epochs=12)
        learner = NextWordLearner(settings, read_text(settings, echo=lambda _line: None))
        losses.append(fit(learner, settings, checkpoint=tmp_path / "checkpoint.pt")[-1].validation_loss)
    assert losses[1] == pytest.approx(losses[0], rel=0.05)


def test_an_epoch_has_as_many_steps_as_it_said(tmp_path):
    for documents in ("blank-line", "none"):
        settings = config(letters(tmp_path), tmp_path).model_copy(update={"documents": documents})
        learner = NextWordLearner(settings, read_text(settings, echo=lambda _line: None))
        counts = [sum(1 for _ in learner.batches(np.random.default_rng(seed))) for seed in range(5)]
        assert max(counts) <= learner.steps_per_epoch
        assert min(counts) >= learner.steps_per_epoch - 1


def test_the_last_words_of_lines_are_learned_from_words_alone():
    with pytest.raises(ConfigError, match="use tokens = words"):
        build_config(NextWordConfig, {"name": "a", "data": "b", "predict": "last", "tokens": "subwords"})

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from service.contract.subwords import SubwordTokenizer
from training.config import NextWordConfig
from training.data.text import read_text

LINES = ["the cat sat on the mat", "한국 사람이 한국말을 한다", "the cats sat there"] * 4


def config(tmp_path: Path, **settings: object) -> NextWordConfig:
    file = tmp_path / "text.txt"
    file.write_text("\n".join([*LINES, "zebras 꿻 😀"]) + "\n", encoding="utf-8")
    return NextWordConfig.model_validate({"name": "pieces", "data": str(file), "tokens": "subwords", **settings})


def test_no_word_of_a_text_of_subwords_is_unknown(tmp_path: Path):
    text = read_text(config(tmp_path, vocabulary=400, validation=0.1, test=0.1), echo=lambda _: None)

    assert isinstance(text.tokenizer, SubwordTokenizer)
    assert len(text.tokenizer) <= 400
    assert text.unknown_share == {"train": 0, "validation": 0, "test": 0}
    assert text.tokenizer.decode(text.test_lines[-1]) == "zebras 꿻 😀"
    assert text.train[0] == text.tokenizer.end_id


def test_a_vocabulary_without_room_for_subwords_is_refused(tmp_path: Path):
    with pytest.raises(ValidationError, match="vocabulary = 299: subwords take at least 300, of which 256 are single bytes"):
        config(tmp_path, vocabulary=299)

"""Next-word models that suggest, for tests of what people who type want: `next-word-en` with forms, and `next-word-ko` of other words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from service.contract.tokenizer import WordTokenizer
from tests import artifacts

KOREAN = ("</s>", "<unk>", "나는", ".", "너는", "cat", "하늘", "한국", "한밤", "the")
"""As many words as the English model has, two of which are its own, too."""


def publish_both(root: Path) -> None:
    """Publish the two models, and a classifier."""
    english = artifacts.next_word()
    korean = replace(english, tokenizer=WordTokenizer({word: number for number, word in enumerate(KOREAN)}))
    artifacts.publish(root, "next-word-en", english, alter=lambda folder: (folder / "forms.json").write_text('{"cat": "Cat"}'))
    artifacts.publish(root, "next-word-ko", korean)
    artifacts.publish(root, "tiny-classes", artifacts.classifier())

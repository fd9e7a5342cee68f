"""The configuration of a next-word model."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from service.contract.subword_file import MIN_VOCABULARY
from training.run_config import RunConfig


class NextWordConfig(RunConfig):
    """A text -> a model of its next word; the defaults suit half a million words to a few million."""

    task: Literal["next-word"] = "next-word"
    validation_data: str | None = Field(default=None, description="Text for the validation split; none: the end of `data`.")
    test_data: str | None = Field(default=None, description="Text for the scores; none: the end of `data`.")
    documents: Literal["none", "blank-line", "line"] = Field(
        default="none",
        description="What parts the text into documents, each read from a state of zero: nothing, blank lines, or every line end.",
    )
    tokens: Literal["words", "subwords"] = Field(
        default="words", description="Whole words, those not in the vocabulary all alike; or pieces of words, to which none is unknown."
    )
    vocabulary: int = Field(default=10_000, ge=3, le=1_000_000, description="Most frequent words or pieces kept, special tokens included.")
    embedding: int = Field(default=256, ge=0, description="Width of the word vectors, shared with the output layer; 0: one-hot words.")
    hidden: int = Field(default=512, ge=1, le=8192, description="Width of the recurrent state.")
    dropout: float = Field(
        default=0.4,
        ge=0,
        lt=1,
        description="Share of word vectors, of what layers give and, half as much, of projected outputs that is dropped in training; the "
        "same at every step of a window (Gal & Ghahramani 2016).",
    )
    recurrent_dropout: float = Field(
        default=0.2, ge=0, lt=1, description="Share of the weights from state to state dropped in a training step (Merity et al. 2018)."
    )
    word_dropout: float = Field(
        default=0.05, ge=0, lt=1, description="Share of the vocabulary whose vectors are dropped in a training step."
    )
    predict: Literal["all", "last"] = Field(default="all", description="Learn every next word of the text, or only each line's last.")
    bptt: int = Field(default=35, ge=1, description="Tokens through which gradients flow back; the state is carried on beyond them.")
    epochs: int = Field(default=12, ge=1, description="Passes over the training data at the most.")
    batch: int = Field(default=32, ge=1, description="Rows of a training step.")
    learning_rate: float = Field(default=3e-3, gt=0, description="Peak learning rate.")
    clip: float = Field(default=0.5, gt=0, description="Largest norm of the gradient.")
    ema: float = Field(
        default=0.998, ge=0, lt=1, description="Decay per step of the running average of weights that is published; 0: the last weights."
    )
    sampled_words: int = Field(
        default=0,
        ge=0,
        description="Words of the vocabulary, drawn anew in each step, whose scores stand for those of all (Jean et al. 2015): fewer make "
        "epochs shorter; 0: all words.",
    )
    top_k: int = Field(default=10, ge=1, le=1000, description="Suggestions that the graph gives.")
    pointer: bool = Field(
        default=True,
        description="Publish a pointer to the recent words of a text, which makes those likelier that followed the like of what stands "
        "there (Grave et al. 2017), where it pays on the validation split.",
    )
    pointer_window: int = Field(default=500, ge=1, le=100_000, description="Recent words that it looks back on.")

    @model_validator(mode="after")
    def _fits(self) -> NextWordConfig:
        if self.predict == "last" and self.tokens == "subwords":
            raise ValueError("predict = last learns each line's last word, which subwords are only pieces of: use tokens = words")
        if self.tokens == "subwords" and self.vocabulary < MIN_VOCABULARY:
            raise ValueError(f"vocabulary = {self.vocabulary}: subwords take at least {MIN_VOCABULARY}, of which 256 are single bytes")
        return self

"""Examples of suggestions for people who type, and of their own words."""

from __future__ import annotations

from service.api.examples import Question

SUGGESTIONS = (
    Question("next-word-en", "without some words", {"text": "the old prince loo", "deny": ["loose", "loosened"]}),
    Question("next-word-en", "by probability alone", {"text": "the old prince loo", "base_first": False}),
)
LEARN = (Question("next-word-en", "a finished text", {"text": "Dear Natasha, the old prince Bolkonsky looked at Pierre."}),)

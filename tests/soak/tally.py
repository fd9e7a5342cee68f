"""What was asked, what came back, and what must not have."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from .questions import REFUSALS, Question
from .wire import Answer, Caller, Lost

MOST_TOLD = 20
"""Of what went wrong."""


@dataclass(slots=True)
class Tally:
    """Counts of everything that a soak does."""

    answered: Counter[str] = field(default_factory=Counter)
    refused: Counter[int] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)
    """Changes of models, and faults, by kind."""
    faults: Counter[str] = field(default_factory=Counter)
    """What must not happen: lost and crossed answers, statuses that break the contract, and so on."""
    told: list[str] = field(default_factory=list)
    seen: Counter[tuple[str, int]] = field(default_factory=Counter)
    """Model and version -> answers."""

    def fault(self, kind: str, detail: str) -> None:
        """Something happened that must not."""
        self.faults[kind] += 1
        if len(self.told) < MOST_TOLD:
            self.told.append(f"{kind}: {detail[:500]}")

    async def ask(self, caller: Caller, question: Question) -> Answer | None:
        """Ask, and look at the answer; None where there was none."""
        try:
            answer = await caller.ask(question.request)
        except Lost as lost:
            self.fault("lost", f"{question.kind}: {lost}")
            return None
        self.judge(question, answer)
        return answer

    def judge(self, question: Question, answer: Answer) -> None:
        """Count an answer, or what is wrong with it."""
        if answer.status in REFUSALS:
            self.refused[answer.status] += 1
            if answer.status == 429 and "retry-after" not in answer.headers:
                self.fault("refused without Retry-After", question.kind)
        elif answer.status != 200:
            self.fault(f"status {answer.status}", f"{question.kind}: {answer.body!r}")
        else:
            try:
                wrong = question.wrong(answer)
            except (ValueError, LookupError, TypeError) as error:
                wrong = f"{type(error).__name__} {error} in {answer.body!r}"
            if wrong:
                self.fault("crossed", f"{question.kind}: {wrong}")
            else:
                self.answered[question.kind] += 1

    def expect(self, what: str, answer: Answer, *statuses: int) -> bool:
        """Whether an answer has one of these statuses; it is a fault where it has not."""
        if answer.status in statuses:
            return True
        self.fault(f"status {answer.status}", f"{what}: {answer.body!r}")
        return False

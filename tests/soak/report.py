"""What a soak has found, for people, and whether it has kept what it must."""

from __future__ import annotations

from benchmarks.results import table

from .soak import Outcome


def verdicts(outcome: Outcome, log: str, exit_code: int) -> list[tuple[str, str, bool]]:
    """What must hold, what was found, and whether it holds."""
    tally, plan = outcome.tally, outcome.plan
    assert outcome.before is not None
    assert outcome.after is not None
    second, last = outcome.quarter_mb(2), outcome.quarter_mb(4)
    bound = second * plan.memory_ratio + plan.memory_mb
    traces = log.count("Traceback")
    return [
        ("no lost answer", str(tally.faults["lost"]), tally.faults["lost"] == 0),
        ("no crossed answer", str(tally.faults["crossed"]), tally.faults["crossed"] == 0),
        ("no stale answer after a load", str(tally.faults["stale"]), tally.faults["stale"] == 0),
        ("no 500, no status outside of the contract", _statuses(outcome), not _statuses(outcome)),
        ("nothing held of versions and requests that are gone", str(tally.faults["held"]), tally.faults["held"] == 0),
        (f"memory of the last quarter at most {bound:.1f} MB", f"{second:.1f} MB in the second, {last:.1f} MB in the last", last <= bound),
        (
            "open files back to the start",
            f"{outcome.before.descriptors} -> {outcome.after.descriptors}",
            outcome.after.descriptors <= outcome.before.descriptors,
        ),
        (
            f"threads back to the start, give or take {plan.pool_threads} of pools",
            f"{outcome.before.threads} -> {outcome.after.threads}",
            outcome.after.threads <= outcome.before.threads + plan.pool_threads,
        ),
        ("no traceback in the log", str(traces), traces == 0),
        ("the server stops with 0", str(exit_code), exit_code == 0),
    ]


def summary(outcome: Outcome, found: list[tuple[str, str, bool]]) -> str:
    """The tables of a soak, in Markdown."""
    tally = outcome.tally
    answered = sum(tally.answered.values())
    counts: list[tuple[str, object]] = [
        ("seconds", f"{outcome.seconds:.0f}"),
        ("requests answered, each checked", f"{answered:,} ({answered / max(outcome.seconds, 1e-9):.0f} a second)"),
        *((f"... {kind}", f"{count:,}") for kind, count in sorted(tally.answered.items())),
        *((f"refused with {status}", f"{count:,}") for status, count in sorted(tally.refused.items())),
        *((kind, f"{count:,}") for kind, count in sorted(tally.done.items())),
    ]
    held = [(what, value, "yes" if kept else "**no**") for what, value, kept in found]
    return "\n\n".join([table(("must hold", "found", "holds"), held), table(("what was done", "how often"), counts), *tally.told])


def _statuses(outcome: Outcome) -> str:
    return ", ".join(f"{kind}: {count}" for kind, count in sorted(outcome.tally.faults.items()) if kind.startswith(("status", "refused")))

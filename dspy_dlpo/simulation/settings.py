"""The phenomena of the simulation, each one number that can be turned up or off."""

from dataclasses import dataclass, fields


def check_shares(settings: object) -> None:
    """Raise ValueError when a float field of a frozen dataclass lies outside 0 to 1."""
    for field in fields(settings):  # type: ignore[arg-type]
        value = getattr(settings, field.name)
        if field.type in (float, "float") and not 0 <= value <= 1:
            raise ValueError(f"{field.name}={value} must lie between 0 and 1. It is a probability or a share.")


@dataclass(frozen=True)
class Reader:
    """How the simulated task model reads its prompt. Every number is a probability or a share, 0 to 1.

    Args:
        strength: 1 follows every rule it reads; 0 ignores half of them and sometimes replies malformed.
        difficulty: Scales the mistakes of a rule that it was not taught: 1 makes them as often as the task says; 0
            never, so that instructions do not matter.
        bloat_harm: Share by which each useless sentence lowers the chance that a rule is followed; 0 switches it off.
        interactions: Whether sentences can need others before them, or contradict each other.
        demo_teaches: Probability that a worked example teaches one rule that matters in it.
        overfit_pull: Probability, a sentence, that a claim such as "the answer is usually 8" is believed on a question.
            An answer copied together with its question is always believed; 0 switches both off.
        variability: How much a temperature of 1 redraws the mistakes from run to run; 0 keeps them.
    """

    strength: float = 1.0
    difficulty: float = 1.0
    bloat_harm: float = 0.006
    interactions: bool = True
    demo_teaches: float = 0.08
    overfit_pull: float = 0.06
    variability: float = 0.3

    def __post_init__(self) -> None:
        check_shares(self)

    def obeys(self, useless: int) -> float:
        """Probability of following a taught rule among that many useless sentences."""
        return (0.5 + 0.5 * self.strength) * float((1.0 - self.bloat_harm) ** useless)


@dataclass(frozen=True)
class Writer:
    """How the simulated prompt model writes. Every rate is a probability, 0 to 1, at ``strength`` 1.

    Args:
        strength: 1 makes errors at the rates given here; a weaker one makes more, and replies malformed sometimes.
        critic_error: Naming the wrong rule for a wrong answer.
        vagueness: Saying something about the right subject that teaches nothing.
        induction: Guessing a rule from an example that shows only the right answer.
        prior: Guessing a rule of the task, each time it is asked, from nothing but an instruction on the subject.
        forgetting: Losing a sentence in a rewrite of the whole prompt, each sentence.
        blur: Rewording a sentence in a rewrite so that it no longer teaches, each sentence.
        edit_error: Spoiling an edit: a wrong sentence number, a repetition, a contradiction, a needless replacement, or
            a place too early for the context that the sentence needs.
        bloat: Adding a sentence that does not help.
        overfitting: Adding a sentence that fits only the examples at hand.
        disobedience: Going past a limit that the request states in words.
        points: Not a probability: how many points one critique or one rewrite makes at most, at least 1.
    """

    strength: float = 1.0
    critic_error: float = 0.12
    vagueness: float = 0.12
    induction: float = 0.35
    prior: float = 0.12
    forgetting: float = 0.05
    blur: float = 0.04
    edit_error: float = 0.10
    bloat: float = 0.30
    overfitting: float = 0.08
    disobedience: float = 0.08
    points: int = 3

    def __post_init__(self) -> None:
        check_shares(self)
        if self.points < 1:
            raise ValueError(f"points={self.points} must be at least 1. It counts the points of one critique.")

    def rate(self, name: str) -> float:
        """The rate of an error at this strength: at strength 0, halfway from the given rate to 1; a 0 stays 0."""
        base = float(getattr(self, name))
        return base + (1.0 - base) * 0.5 * (1.0 - self.strength) if base else 0.0


@dataclass(frozen=True)
class Noise:
    """Answers spoiled by chance, whatever the prompt teaches. Probabilities, 0 to 1.

    Args:
        fixed: Fixed by (seed, question, prompt): running again shows the same, changing the prompt reshuffles it.
        fresh: New at every rollout, at temperature 0 too, as with real services.
    """

    fixed: float = 0.0
    fresh: float = 0.0

    def __post_init__(self) -> None:
        check_shares(self)

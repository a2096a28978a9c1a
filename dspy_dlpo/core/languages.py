"""The languages that prompts are written in: decided once, from what the user brought, and in force for a whole run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from dspy_dlpo.core.edits import Dropped, Edits
from dspy_dlpo.core.sentences import ENGLISH, LANGUAGES
from dspy_dlpo.core.update import Constraint


@contextmanager
def written_in(languages: Sequence[str]) -> Iterator[None]:
    """Have sentences end by the rules of some languages, in this thread and what it starts.

    They are those of the start prompts of all predictors, so that neither an edit nor another predictor's prompt
    changes where a sentence ends; where there are several, a sentence ends only where it does in each.

    Args:
        languages: ISO 639 codes; English where there are none.
    """
    token = LANGUAGES.set(tuple(sorted(set(languages))) or ENGLISH)
    try:
        yield
    finally:
        LANGUAGES.reset(token)


@dataclass(frozen=True)
class KeepLanguage(Constraint):
    """Edits are written in a language of the prompt.

    What is too short to tell, names, labels, code and quotations pass.

    Args:
        languages: ISO 639 codes of the languages of the prompt.
        names: The same, as the writer is told them; none where it need not be told.
        foreign: Gives the name of the language that a text is surely written in, if it is none of the prompt's; empty
            otherwise.
    """

    languages: tuple[str, ...] = ENGLISH
    names: tuple[str, ...] = ()
    foreign: Callable[[str], str] = field(default=lambda text: "", repr=False, compare=False)

    @property
    def text(self) -> str:
        """The rule in words."""
        if not self.names:
            return ""
        return f"Write every sentence in {' or '.join(self.names)}, as the present instructions are."

    def admit(self, edits: Edits, prompt: str) -> tuple[Edits, tuple[Dropped, ...]]:
        """Keep the edits in a language of the prompt."""
        others = [self.foreign(edit.text) if edit.text else "" for edit in edits]
        pairs = list(zip(edits, others, strict=True))
        kept = tuple(edit for edit, other in pairs if not other)
        return kept, tuple(
            Dropped(edit, f"it is written in {other}, the prompt is not") for edit, other in pairs if other
        )

from dataclasses import dataclass

from dspy_dlpo.core.edits import Dropped, Edit
from dspy_dlpo.core.history import History, StepContext
from dspy_dlpo.core.technique import Technique, apply_all
from dspy_dlpo.core.update import Constraint, Note, Update, admit_all


@dataclass(frozen=True)
class AtMost(Constraint):
    limit: int

    @property
    def text(self):
        return f"At most {self.limit}."

    def admit(self, edits, prompt):
        return edits[: self.limit], tuple(Dropped(edit, "too many") for edit in edits[self.limit :])


@dataclass(frozen=True)
class OnlyEven(Constraint):
    """Admits nothing while the number of edits is odd: it drops the last."""

    @property
    def text(self):
        return ""

    def admit(self, edits, prompt):
        return (edits, ()) if len(edits) % 2 == 0 else (edits[:-1], (Dropped(edits[-1], "odd"),))


EDITS = tuple(Edit("add", 0, f"Point {i}.") for i in range(8))


def test_notes_and_constraints_are_added_to_a_copy() -> None:
    update = Update("solve", "Count.")
    changed = update.with_note("Title", "Body").with_constraint(AtMost(1))
    assert update == Update("solve", "Count.")
    assert changed.notes == (Note("Title", "Body"),)
    assert changed.constraints == (AtMost(1),)
    assert changed.with_note("More", "Too").notes == (Note("Title", "Body"), Note("More", "Too"))


def test_constraints_are_asked_again_until_none_drops_any_more() -> None:
    kept, dropped = admit_all((OnlyEven(), AtMost(5)), EDITS, "")
    assert kept == EDITS[:4]
    assert [(each.edit, each.reason) for each in dropped] == [
        (EDITS[5], "too many"),
        (EDITS[6], "too many"),
        (EDITS[7], "too many"),
        (EDITS[4], "odd"),
    ]


def test_without_constraints_everything_is_admitted() -> None:
    assert admit_all((), EDITS, "") == (EDITS, ())


def test_techniques_act_from_left_to_right() -> None:
    @dataclass(frozen=True)
    class Say(Technique):
        word: str

        def apply(self, update, ctx):
            return update.with_note(self.word, "said")

    update = apply_all((Say("first"), Say("second")), Update("solve", ""), StepContext(0, 0.0, History()))
    assert [note.title for note in update.notes] == ["first", "second"]

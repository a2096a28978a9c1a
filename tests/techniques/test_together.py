"""All constraints together: they reach a fixpoint at which every invariant holds."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from texts import least_distance, prompts_with_replies

from dspy_dlpo import default_settings
from dspy_dlpo.core.copying import NoCopying
from dspy_dlpo.core.edits import apply, distance
from dspy_dlpo.core.freezing import FreezeSentences, FreezeText
from dspy_dlpo.core.history import History, StepContext
from dspy_dlpo.core.sentences import count_words, split
from dspy_dlpo.core.technique import apply_all
from dspy_dlpo.core.update import Update, admit_all
from dspy_dlpo.techniques import Dropout, LearningRate, Regularization


@given(
    prompts_with_replies(),
    st.integers(1, 5),
    st.sampled_from([0.0, 0.3, 1.0]),
    st.integers(1, 30),
    st.sampled_from(["", "Count the objects.", "e.g", "{hole}", "apples, e.g. 3.14"]),
    st.permutations(range(5)),
)
def test_all_invariants_hold_together(case, max_edits, p, max_words, frozen_text, order) -> None:
    prompt, edits = case
    update = Update("solve", prompt, constraints=(FreezeText((frozen_text,)), NoCopying(["a b c"], ["d e f"])))
    techniques = (LearningRate(max_edits), Dropout(p), Regularization(max_words))
    update = apply_all(techniques, update, StepContext(2, 0.4, History(), 5))
    constraints = sorted(update.constraints, key=lambda each: order[update.constraints.index(each)])
    kept, dropped = admit_all(constraints, edits, prompt)
    proposal = apply(kept, prompt)

    assert Counter(kept) + Counter(each.edit for each in dropped) == Counter(edits)
    assert all(constraint.admit(kept, prompt) == (kept, ()) for constraint in constraints)
    assert distance(prompt, proposal) <= max_edits
    assert least_distance(prompt, proposal) <= max_edits
    assert count_words(proposal) <= max(max_words, count_words(prompt))
    assert frozen_text not in prompt or frozen_text in proposal
    for constraint in constraints:
        if isinstance(constraint, FreezeSentences):
            wanted = Counter(split(prompt)[i].strip() for i in constraint.frozen)
            assert not wanted - Counter(piece.strip() for piece in split(proposal))


@given(prompts_with_replies())
def test_the_shipped_techniques_admit_no_edits_of_nothing(case) -> None:
    prompt, _ = case
    update = apply_all(default_settings()["techniques"], Update("solve", prompt), StepContext(2, 0.4, History(), 5))
    assert admit_all(update.constraints, (), prompt) == ((), ())

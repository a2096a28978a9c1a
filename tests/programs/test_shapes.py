"""Programs of every shape learn, and every call is put down to the right predictor."""

import dspy
import pytest
from compiling import VAL, called, compiled, learned, rows_of, scores
from engine import copied, program_lm, solved

from dspy_dlpo import EditJudge, Greedy

# Every edit must pay, and this model is known to be free of noise.
EXACT = {"acceptance": Greedy(), "judging": EditJudge()}
COPY = "facts -> answer"


class Sequence(dspy.Module):
    def __init__(self):
        super().__init__()
        self.find = dspy.Predict("question -> facts")
        self.answer = dspy.Predict(dspy.Signature(COPY, "Copy."))

    def forward(self, question):
        return self.answer(facts=self.find(question=question).facts)


class Branches(dspy.Module):
    """Even numbers go one way, odd numbers the other."""

    def __init__(self):
        super().__init__()
        self.even = dspy.Predict("question -> answer")
        self.odd = dspy.Predict("question -> answer")

    def forward(self, question):
        number = int(question.rstrip("?").split()[-1])
        return (self.odd if number % 2 else self.even)(question=question)


class Loop(dspy.Module):
    """One predictor, asked again until it knows, at most four times."""

    def __init__(self):
        super().__init__()
        self.step = dspy.Predict("question, attempt: int -> answer")

    def forward(self, question):
        for attempt in range(4):
            prediction = self.step(question=question, attempt=attempt)
            if prediction.answer != "unknown":
                break
        return prediction


class Listed(dspy.Module):
    def __init__(self):
        super().__init__()
        self.steps = [dspy.Predict("question -> facts"), dspy.ChainOfThought(dspy.Signature(COPY, "Copy."))]

    def forward(self, question):
        return self.steps[1](facts=self.steps[0](question=question).facts)


class Keyed(dspy.Module):
    def __init__(self):
        super().__init__()
        self.by_kind = {"find": dspy.ChainOfThought("question -> facts"), "copy": dspy.Predict(dspy.Signature(COPY))}

    def forward(self, question):
        return self.by_kind["copy"](facts=self.by_kind["find"](question=question).facts)


class Shared(dspy.Module):
    """The same predictor under two names."""

    def __init__(self):
        super().__init__()
        self.first = dspy.Predict("question -> answer")
        self.second = self.first

    def forward(self, question):
        self.first(question=question)
        return self.second(question=question)


class Twins(dspy.Module):
    """Two predictors of an equal signature; only what the second says counts."""

    def __init__(self):
        super().__init__()
        self.first = dspy.Predict("question -> answer")
        self.second = dspy.Predict("question -> answer")

    def forward(self, question):
        self.first(question=question)
        return self.second(question=question)


class Built(dspy.Module):
    """A module that is built as the program runs, beside one that is not."""

    def __init__(self):
        super().__init__()
        self.find = dspy.Predict("question -> facts")

    def forward(self, question):
        facts = self.find(question=question).facts
        return dspy.ChainOfThought(dspy.Signature(COPY, "Copy."))(facts=facts)


class Frozen(dspy.Module):
    """A compiled sub-module beside one that is not."""

    def __init__(self):
        super().__init__()
        self.find = dspy.Predict("question -> facts")
        self.done = dspy.ChainOfThought(dspy.Signature(COPY, "Copy."))
        self.done._compiled = True

    def forward(self, question):
        return self.done(facts=self.find(question=question).facts)


class Nested(dspy.Module):
    """Programs in a program, one of them in a list."""

    def __init__(self):
        super().__init__()
        self.inner = Sequence()
        self.more = [Loop()]

    def forward(self, question):
        prediction = self.inner(question=question)
        return prediction if prediction.answer != "unknown" else self.more[0](question=question)


class Inside(dspy.Module):
    """`dspy.Parallel` in a program: every question twice, in two threads."""

    def __init__(self):
        super().__init__()
        self.find = dspy.Predict("question -> facts")
        self.answer = dspy.Predict(dspy.Signature(COPY, "Copy."))

    def forward(self, question):
        parallel = dspy.Parallel(num_threads=2, disable_progress_bar=True)
        both = parallel([(self.find, {"question": question}), (self.find, {"question": question})])
        return self.answer(facts="\n".join(each.facts for each in both))


def lm_for(kind):
    """In programs of two modules, the second only copies."""
    two = (Sequence, Listed, Keyed, Built, Frozen, Inside, Nested)
    if kind not in two:
        return program_lm()

    def answer(call):
        return copied(call) if "`facts`" in call.system else solved(call)

    return program_lm(answer=answer)


SHAPES = {
    Sequence: ["find"],
    Branches: ["even", "odd"],
    Loop: ["step"],
    Listed: ["steps[0]"],
    Keyed: ["by_kind['find'].predict"],
    Shared: ["first"],
    Twins: ["second"],
    Built: ["find"],
    Frozen: ["find"],
    Inside: ["find"],
}


@pytest.mark.few(5)
@pytest.mark.parametrize("kind", SHAPES, ids=lambda kind: kind.__name__)
def test_a_program_of_this_shape_learns_where_the_rule_is_lacking(kind):
    lm = lm_for(kind)
    better = compiled(kind(), lm, **EXACT)
    assert learned(better) == SHAPES[kind]
    assert scores(better, lm) == 1.0
    assert scores(kind(), lm) < 0.5


@pytest.mark.few(6)
@pytest.mark.parametrize("kind", [*SHAPES, Nested], ids=lambda kind: kind.__name__)
def test_a_program_of_this_shape_improves_with_the_settings_as_they_come(kind):
    lm = lm_for(kind)
    assert scores(compiled(kind(), lm, calls=160 if kind is Nested else 80), lm) == 1.0


def test_programs_in_a_program_learn():
    lm = lm_for(Nested)
    better = compiled(Nested(), lm, **EXACT)
    assert "more[0].step" in learned(better)
    assert scores(better, lm) == 1.0


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (Sequence, [["find", "answer"]]),
        (Branches, [["even"], ["odd"]]),
        (Loop, [["step"], ["step"] * 4]),
        (Listed, [["steps[0]", "steps[1].predict"]]),
        (Keyed, [["by_kind['find'].predict", "by_kind['copy']"]]),
        (Shared, [["first", "first"]]),
        (Twins, [["first", "second"]]),
        (Built, [["find", ""]]),
        (Frozen, [["find", "done.predict"]]),
        (Nested, [["inner.find", "inner.answer"], ["inner.find", "inner.answer", *["more[0].step"] * 4]]),
        (Inside, [["find", "find", "answer"]]),
    ],
    ids=lambda each: each.__name__ if isinstance(each, type) else "",
)
def test_every_call_is_put_down_to_its_predictor(kind, names):
    seen = [called(row) for row in rows_of(kind(), lm_for(kind))]
    assert sorted(map(list, {tuple(each) for each in seen})) == sorted(names)


@pytest.mark.parametrize("threads", [1, 8])
def test_predictors_with_an_equal_signature_are_told_apart_in_every_one_of_200_calls(threads):
    lm = program_lm()
    rows = rows_of(Twins(), lm, data=VAL[:1] * 100, threads=threads)
    steps = [step.predictor for row in rows for step in row.trace]
    assert steps == ["first", "second"] * 100


def test_a_module_that_took_no_part_in_what_failed_is_not_criticized():
    def answer(call):
        return str(call.number) if call.number % 2 == 0 or call.knows else "unknown"

    lm = program_lm(answer=answer)
    better = compiled(Branches(), lm)
    assert learned(better) == ["odd"]
    names = {gradient.predictor for record in better.detailed_results.history for gradient in record.gradients}
    assert names == {"odd"}

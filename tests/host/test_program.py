import threading

import dspy
import pytest
from scripted import fields, scripted_lm

from dspy_dlpo.core.errors import ProgramError
from dspy_dlpo.host import program as host
from dspy_dlpo.host.parameters import read_prompts


class Two(dspy.Module):
    """Two predictors with an equal signature, one of them twice in the program."""

    def __init__(self):
        super().__init__()
        self.first = dspy.Predict("question -> answer")
        self.second = dspy.Predict("question -> answer")
        self.again = self.first

    def forward(self, question):
        return self.second(question=self.first(question=question).answer)


class Locked(dspy.Module):
    """A lock cannot be deep-copied; DSPy's own copy then shares the list that holds it, and splits aliases."""

    def __init__(self):
        super().__init__()
        self.steps = [dspy.Predict("question -> answer"), threading.Lock()]
        self.alias = self.steps[0]
        self.models = {"judge": scripted_lm(lambda system, user: "")}


class Single(dspy.Module):
    """Refuses to be copied."""

    def __init__(self):
        super().__init__()
        self.step = dspy.Predict("question -> answer")

    def __deepcopy__(self, memo):
        return self


def test_a_copy_keeps_language_models_and_aliases():
    student = Two()
    student.first.lm = scripted_lm(lambda system, user: "")
    copied = host.copy_program(student)
    assert copied.first.lm is student.first.lm
    assert copied.again is copied.first
    assert copied.first is not student.first


def test_writing_prompts_into_a_copy_leaves_the_student_alone():
    student = Two()
    before = read_prompts(student)
    copied = host.with_prompts(student, {"first": "Be brief.", "second": "Be kind."})
    assert read_prompts(copied) == {"first": "Be brief.", "second": "Be kind."}
    assert read_prompts(student) == before


def test_a_program_whose_copy_would_share_predictors_is_refused():
    with pytest.raises(ProgramError, match="__deepcopy__"):
        host.copy_program(Single())


def test_what_cannot_be_copied_is_shared_and_all_else_is_copied():
    student = Locked()
    copied = host.copy_program(student)
    assert copied.steps[1] is student.steps[1]
    assert copied.steps[0] is not student.steps[0]
    assert copied.alias is copied.steps[0]
    assert copied.models["judge"] is student.models["judge"]
    assert copied.models is not student.models


def test_a_program_without_predictors_is_refused():
    with pytest.raises(ProgramError, match="no predictor"):
        read_prompts(dspy.Module())


def test_calls_of_predictors_with_equal_signatures_are_told_apart():
    lm = scripted_lm(lambda system, user: fields(answer="x"))
    copies = host.EvaluationCopies(Two())
    program = copies.get(read_prompts(Two()), 0)
    with dspy.context(lm=lm, trace=[]):
        program(question="q")
        names = [host.predictor_name(program, step[0]) for step in dspy.settings.trace]
    assert names == ["first", "second"]


def test_a_predictor_that_was_copied_while_running_is_still_known():
    program = host.EvaluationCopies(Two()).get(read_prompts(Two()), 0)
    assert host.predictor_name(program, program.second.deepcopy()) == "second"


def test_repetitions_ask_with_another_rollout_and_the_first_run_with_none():
    prompts = read_prompts(Two())
    copies = host.EvaluationCopies(Two())
    assert "rollout_id" not in copies.get(prompts, 0).first.config
    assert copies.get(prompts, 2).first.config["rollout_id"] == 2


def test_tags_do_not_reach_the_saved_program(tmp_path):
    program = host.with_prompts(Two(), {"first": "Be brief."})
    program.save(tmp_path / "program.json")
    assert host.TAG not in (tmp_path / "program.json").read_text()

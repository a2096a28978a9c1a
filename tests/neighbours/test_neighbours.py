"""Before, after and inside DSPy's other optimizers."""

import dspy
import pytest
from dspy.clients.provider import Provider
from dspy.teleprompt import BetterTogether, BootstrapFewShot, BootstrapFinetune

from dspy_dlpo import Budget, DLPOTeleprompter, EditJudge
from dspy_dlpo.simulation import simulated_lm, simulated_task


@pytest.fixture
def task():
    task = simulated_task("object_counting", n_train=40, n_val=30, n_test=4)
    task.program.set_lm(simulated_lm())
    with dspy.context(lm=simulated_lm()):
        yield task


def dlpo(metric, calls=300, **options):
    return DLPOTeleprompter(metric, budget=Budget(metric_calls=calls), num_threads=2, **options)


def bootstrap(metric):
    return BootstrapFewShot(metric=metric, max_bootstrapped_demos=2, max_labeled_demos=4)


def instructions(program):
    return [predictor.signature.instructions for predictor in program.predictors()]


def demos(program):
    return [len(predictor.demos) for predictor in program.predictors()]


class NoTraining(Provider):
    """A fine-tuning provider that keeps the data and trains nothing."""

    def __init__(self):
        super().__init__()
        self.finetunable, self.jobs = True, []

    def finetune(self, job, model, train_data, train_data_format, train_kwargs=None):
        self.jobs.append(train_data)
        return f"{model}-tuned"


@pytest.fixture
def provider(task):
    provider = NoTraining()
    for predictor in task.program.predictors():
        predictor.lm.provider = provider
    return provider


def together(task, strategy, **optimizers):
    args = {"trainset": task.trainset, "valset": task.valset, "seed": 0, "num_threads": 2}
    together = BetterTogether(metric=task.metric, **optimizers)
    return together.compile(task.program, strategy=strategy, **args)


@pytest.mark.few(1)
@pytest.mark.parametrize("strategy", ["p -> b", "b -> p"])
def test_it_is_a_step_of_better_together(task, strategy):
    start = instructions(task.program)
    best = together(task, strategy, p=dlpo(task.metric), b=bootstrap(task.metric))
    scores = {each["strategy"]: each["score"] for each in best.candidate_programs}
    assert best.flag_compilation_error_occurred is False
    assert set(scores) == {"", strategy, strategy[0]}
    assert scores["p" if strategy[0] == "p" else strategy] > scores[""]
    by_strategy = {each["strategy"]: each["program"] for each in best.candidate_programs}
    assert instructions(by_strategy[strategy]) != start
    assert demos(by_strategy[strategy]) != [0]


def taught(task, provider, **own):
    """A chain whose second step learns from a teacher, which Better Together gives to every step, as a list."""
    better = BetterTogether(metric=task.metric, p=dlpo(task.metric, calls=60), w=BootstrapFinetune(metric=task.metric))
    args = {"trainset": task.trainset, "valset": task.valset, "teacher": task.program.deepcopy()}
    return better.compile(task.program, strategy="p -> w", num_threads=2, optimizer_compile_args={"p": own}, **args)


def test_its_compile_options_are_named_so_that_better_together_passes_them(task, provider):
    best = taught(task, provider, teacher=None, valset=task.valset[:10])
    assert best.flag_compilation_error_occurred is False
    assert provider.jobs


def test_a_teacher_meant_for_another_step_does_no_harm(task, provider):
    assert taught(task, provider).flag_compilation_error_occurred is False


def test_the_demos_that_bootstrap_few_shot_chose_are_kept(task):
    shown = bootstrap(task.metric).compile(task.program, trainset=task.trainset)
    shown.set_lm(simulated_lm())  # it takes them away
    assert shown._compiled
    before = [predictor.demos for predictor in shown.predictors()]
    better = dlpo(task.metric).compile(shown, trainset=task.trainset, valset=task.valset)
    assert [predictor.demos for predictor in better.predictors()] == before
    assert instructions(better) != instructions(shown)


def test_what_it_returns_is_a_teacher_for_bootstrap_few_shot(task):
    better = dlpo(task.metric).compile(task.program, trainset=task.trainset, valset=task.valset)
    shown = bootstrap(task.metric).compile(better, teacher=better.deepcopy(), trainset=task.trainset)
    assert instructions(shown) == instructions(better)
    assert sum(demos(shown)) > 0


def test_what_it_returns_can_be_fine_tuned(task, provider):
    # No weights are trained: the provider of the test takes the data and names a model.
    better = dlpo(task.metric).compile(task.program, trainset=task.trainset, valset=task.valset)
    tuned = BootstrapFinetune(metric=task.metric, num_threads=2).compile(better, trainset=task.trainset)
    assert [predictor.lm.model for predictor in tuned.predictors()] == [f"{simulated_lm().model}-tuned"]
    assert instructions(tuned) == instructions(better)
    [data] = provider.jobs
    assert len(data) >= 5
    systems = {message["content"] for each in data for message in each["messages"] if message["role"] == "system"}
    flat = " ".join(" ".join(systems).split())
    assert " ".join(instructions(better)[0].split()) in flat


@pytest.mark.slow
def test_better_together_fine_tunes_after_it(task, provider):
    best = together(task, "p -> w", p=dlpo(task.metric), w=BootstrapFinetune(metric=task.metric, num_threads=2))
    assert best.flag_compilation_error_occurred is False
    assert provider.jobs


def test_it_goes_on_after_itself(task):
    first = dlpo(task.metric, judging=EditJudge(holdout=0.3)).compile(task.program, trainset=task.trainset)
    second = dlpo(task.metric, calls=120, seed=1).compile(first, trainset=task.trainset, valset=task.valset)
    assert second.detailed_results.start_prompts == first.detailed_results.best_prompts

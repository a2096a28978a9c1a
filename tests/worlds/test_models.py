"""What a world's reader and writer do, at the rates that were drawn."""

import dataclasses
import statistics

import dspy
import pytest
from asking import answer, changed, failures_of, request, written

from dspy_dlpo.host.adapters import ADAPTERS
from dspy_dlpo.host.evidence import with_fields
from dspy_dlpo.host.forms import FORMS
from dspy_dlpo.simulation.request import Turn, understand
from evaluations.worlds import draw
from evaluations.worlds.brief import brief
from evaluations.worlds.engine import world_lm
from evaluations.worlds.exhibits import exhibits
from evaluations.worlds.ideas import ideas
from evaluations.worlds.reader import Sitting
from evaluations.worlds.rules import made, read_all
from evaluations.worlds.task import make_task
from evaluations.worlds.writer import write

# One step, without slots: easy to look at.
SIMPLE = 9


@pytest.fixture(scope="module")
def world():
    found = draw(SIMPLE)
    assert len(found.task.steps) == 1
    return found


@pytest.fixture(scope="module")
def failures(world):
    return failures_of(world, "", 60)


# --- the reader ---


@pytest.mark.few(2)
@pytest.mark.parametrize("seed", [1, 2, 6, 7, 9])
def test_the_exact_score_is_what_runs_come_to(seed):
    world = draw(seed)
    for prompts in (world.start_prompts, world.best_prompts):
        program = world.program
        for name, predictor in program.named_predictors():
            predictor.signature = predictor.signature.with_instructions(prompts[name] or " ")
        with dspy.context(lm=world.quiet_reader):
            found = [world.metric(e, program(**e.inputs())) for e in world.testset]
        # Misses are drawn: three standard errors of 200 questions at most.
        assert statistics.fmean(found) == pytest.approx(world.score(prompts), abs=0.1)


def test_a_rule_helps_the_questions_that_need_it_and_no_prompt_helps_them_without(world):
    rule = next(rule for rule, _ in world.needs.most_common() if rule.atoms)
    task = changed(world.task, slack=0.0, dilution=0.0, place_harm=0.0)
    needing = [e for e in world.testset if task.steps[0].deciding(task.finder.read(e.record).values) == (rule,)]
    share = {p: statistics.fmean(answer(task, p, e.record) == e.answer for e in needing) for p in ("", rule.say(1))}
    assert share[rule.say(1)] == 1
    assert share[""] < 0.8


def test_a_wrong_rule_lowers_the_score(world):
    rule = next(rule for rule, _ in world.needs.most_common() if rule.atoms)
    wrong = next(label for label in world.task.steps[0].slots[0] if label != rule.label)
    best = " ".join(r.say() for r in world.task.steps[0].rules if r != rule)
    with_trap = f"{best} {made(rule.atoms, wrong).say()}"
    assert world.score({"step1": with_trap}) < world.score({"step1": f"{best} {rule.say()}"})


def test_sentences_that_say_nothing_dilute(world):
    task = changed(world.task, dilution=0.03)
    questions = world._questions
    best = world.best_prompts["step1"]
    scores = [task.expected({"step1": best + " Be precise. Think." * n}, questions) for n in (0, 3, 10)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > scores[2]


@pytest.mark.parametrize("fresh", [False, True])
def test_noise_is_as_drawn(world, fresh):
    task = changed(world.task, fresh=fresh, noise=0.1)
    best = world.best_prompts["step1"]
    records = [e.record for e in (*world.testset, *world.trainset)]
    clean = [answer(task, best, record) for record in records]
    noisy = [[answer(task, best, record, 0.1, str(n)) for record in records] for n in range(5)]
    rate = statistics.fmean(a != b for run in noisy for a, b in zip(run, clean, strict=True))
    assert 0.06 < rate < 0.14
    assert (noisy[0] != noisy[1]) is fresh


def test_an_answer_depends_on_nothing_but_prompt_question_and_seeds(world):
    with dspy.context(lm=world.reader):
        first = [world.program(**e.inputs()).answer for e in world.testset[:20]]
    with dspy.context(lm=world_lm(SIMPLE)):
        assert first == [world.program(**e.inputs()).answer for e in reversed(world.testset[:20])][::-1]


@pytest.mark.few(1)
@pytest.mark.parametrize("adapter", [dspy.ChatAdapter(), dspy.JSONAdapter(), dspy.XMLAdapter()])
def test_the_reader_answers_in_every_layout(world, adapter):
    with dspy.context(lm=world.quiet_reader, adapter=adapter):
        found = [world.program(**e.inputs()).answer for e in world.testset[:5]]
    start = world.start_prompts["step1"]
    assert found == [answer(world.task, start, e.record) for e in world.testset[:5]]


# --- the writer ---


def new_rules(task, prompt, reply):
    known = {rule for _, rule in read_all(task.language, prompt)}
    return [rule for _, rule in read_all(task.language, reply) if rule and rule not in known]


def test_ideas_are_right_about_as_often_as_drawn(world, failures):
    for skill in (0.3, 0.9):
        task = changed(world.task, skill=skill, traps=1.0, ideas=1, useless=0.0, bloat=0.0)
        found = [
            rule
            for i in range(400)
            for rule in new_rules(task, "", written(task, "Label it.", [failures[i % len(failures)]], i))
        ]
        rate = statistics.fmean(rule in task.steps[0].rules for rule in found)
        assert rate == pytest.approx(skill, abs=0.08)


def test_the_right_rule_is_one_behind_a_failure_that_was_shown(world, failures):
    task = changed(world.task, skill=1.0, useless=0.0)
    for i, failure in enumerate(failures[:20]):
        deciding = task.steps[0].deciding(task.finder.read(failure[0]).values)
        assert set(new_rules(task, "", written(task, "Label it.", [failure], i))) <= set(deciding)


def test_without_examples_or_advice_no_rule_is_written(world):
    task = changed(world.task, useless=0.0)
    for i in range(30):
        assert not new_rules(task, "", written(task, "Label it.", [], i))


def test_a_wrong_rule_fits_the_example_that_it_was_made_from(world, failures):
    task = changed(world.task, skill=0.0, traps=1.0, useless=0.0, ideas=3)
    count = 0
    for i, failure in enumerate(failures[:30]):
        record = task.finder.read(failure[0]).values
        for rule in new_rules(task, "", written(task, "Label it.", [failure], i)):
            count += 1
            assert rule.matches(record)
            assert rule.label == failure[2]
            assert rule not in task.steps[0].rules
    assert count > 20


def test_rewrites_forget_about_as_often_as_drawn(world):
    task = changed(world.task, forgets=0.15, useless=0.0, bloat=0.0)
    rules = [rule.say() for rule in task.steps[0].rules]
    prompt = " ".join(["Label it.", *rules])
    left = [len(new_rules(task, "", written(task, prompt, [], i))) for i in range(150)]
    assert 1 - statistics.fmean(left) / len(rules) == pytest.approx(0.15, abs=0.03)


def test_useless_replies_come_about_as_often_as_drawn(world, failures):
    task = changed(world.task, useless=0.5, skill=0.95, forgets=0.0)
    replies = [written(task, "Label it.", failures[:5], i) for i in range(400)]
    assert statistics.fmean("I would suggest" in reply for reply in replies) == pytest.approx(0.25, abs=0.07)
    assert statistics.fmean(reply == "Label it." for reply in replies) == pytest.approx(0.25, abs=0.08)


def test_a_rule_that_is_named_is_taken_up(world):
    task = changed(world.task, useless=0.0)
    rule = next(rule for rule in task.steps[0].rules if rule.atoms)
    ask = request("Label it.", [], "")
    ask = dataclasses.replace(ask, text=f"{ask.text}\nA rule is missing. {rule.say(1)}")
    assert brief(task, ask).named == (rule,)
    assert rule in new_rules(task, "", write(task, ask, ("named",)))


def test_a_sentence_that_does_harm_is_found_and_goes(world, failures):
    task = changed(world.task, skill=1.0, useless=0.0, forgets=0.0)
    record, _, expected = failures[0]
    feature, value = next(iter(task.finder.read(record).values.items()))
    wrong = next(label for label in task.steps[0].slots[0] if label != expected)
    sentence = f"If the {feature} is {value}, answer {wrong}."
    truth = " ".join(rule.say() for rule in task.steps[0].rules)
    prompt = f"Label it. {sentence} {truth}" if task.steps[0].mode == "first match wins" else f"Label it. {truth}"
    replies = [written(task, prompt, [(record, wrong, expected)], i) for i in range(10)]
    assert all(sentence not in reply for reply in replies)


class Edit(dspy.Signature):
    """Improve the instructions."""

    current_instructions: str = dspy.InputField(desc="the present instructions, one numbered sentence per line")
    failures: str = dspy.InputField()
    critique: str = dspy.OutputField()
    improved_instructions: str = dspy.OutputField()


@pytest.mark.parametrize("adapter", [dspy.ChatAdapter(), dspy.JSONAdapter(), dspy.XMLAdapter()])
def test_the_writer_answers_in_every_layout(world, failures, adapter):
    shown = "\n\n".join(f"record: {r}\nanswer: {g}\nexpected answer: {e}" for r, g, e in failures[:6])
    with dspy.context(lm=world.writer, adapter=adapter):
        found = [
            dspy.Predict(Edit)(
                current_instructions="[1] Label it.", failures=shown, config={"rollout_id": n, "temperature": 1.0}
            )
            for n in range(5)
        ]
    assert any(new_rules(world.task, "", each.improved_instructions) for each in found)
    assert any(each.critique for each in found)


def test_lines_to_add_are_written_one_a_line(world, failures):
    task = changed(world.task, skill=1.0, useless=0.0, bloat=0.0, ideas=4)
    shown = "\n\n".join(f"record: {r}\nanswer: {g}\nexpected answer: {e}" for r, g, e in failures[:4])
    text = (
        f"Its present instructions, one numbered sentence per line:\n[1] Label it.\n\nSome examples:\n{shown}\n\n"
        "Write each on a line of its own that begins with ADD: and write nothing else."
    )
    reply = write(task, dataclasses.replace(request("", []), text=text), ("lines",))
    assert all(line.startswith("ADD: ") for line in reply.splitlines())
    assert new_rules(task, "", reply)


def test_ideas_are_at_most_as_many_as_drawn_and_as_asked(world, failures):
    import random

    for most in (1, 3, 8):
        task = changed(world.task, ideas=most, bloat=1.0)
        work = brief(task, request("Label it.", failures[:10]))
        assert max(len(ideas(task, work, random.Random(i))) for i in range(30)) == most
    work = dataclasses.replace(work, most=2)
    assert max(len(ideas(task, work, random.Random(i))) for i in range(30)) == 2


def test_sittings_are_told_by_the_record_alone():
    world = draw(6)
    record = world.testset[0].record
    found = world.task.finder.read(f"{record}; mark1=K8")
    assert found.marks == 1
    assert Sitting(world.task.steps[1], found, "").step.name == "step2"


def test_a_verdict_without_its_record_is_passed_on(world):
    task = changed(world.task, useless=0.0)
    labels = task.steps[0].slots[0]
    text = f"The prediction was: {labels[0]}\n\nExpected: {labels[1]}\n\nGive feedback on the prediction."
    reply = write(task, dataclasses.replace(request("", []), text=text), ("verdict",))
    assert reply == f"The given answer {labels[0]} is wrong: expected is {labels[1]}."
    record = world.testset[0].record
    shown = exhibits(task, task.steps[0], f"Input: {record}\n\nOutput: {labels[0]}\n\n{reply}")
    assert [(each.given, each.told) for each in shown] == [(((labels[0],),), True)]


AIM = {"objective": "Wrong labels cost us a day.", "background": "Clerks read them.\nThey are in a hurry."}


@pytest.mark.parametrize("aim", [{}, AIM], ids=["", "aim"])
@pytest.mark.parametrize("critic", [True, False])
@pytest.mark.parametrize("form", ["edits", "rewrite", "lines", "prompt"])
def test_every_form_in_which_we_ask_shows_the_same(world, failures, form, critic, aim):
    task = changed(world.task, useless=0.0, skill=1.0)
    prompt = ["Label it.", task.steps[0].rules[0].say(2), "Be precise."]
    numbered = "\n".join(f"[{i}] {sentence}" for i, sentence in enumerate(prompt, 1))
    record, given, expected = failures[0]
    inputs = {
        "module": "step1 (record -> answer)",
        "purpose": "Label it." if critic else "",
        "current_instructions": numbered if FORMS[form].numbered else " ".join(prompt),
        "failures": f"Example 1\ninput record: {record}\nprogram's output answer: {given}\nexpected answer: {expected}",
        "advice": "None.",
        "limits": "- Change at most 4 sentences.",
    }
    told = {"critique": f"A rule is missing. {task.steps[0].rules[1].say()}"} if critic else {}
    told = aim | told
    adapter = ADAPTERS[FORMS[form].adapter]()
    messages = adapter.format(with_fields(FORMS[form].signature, tuple(told)), [], inputs | told)
    system = "".join(m["content"] for m in messages if m["role"] == "system")
    work = brief(task, understand(system, (Turn("user", messages[-1]["content"]),)))
    assert work.current.split() == " ".join(prompt).split()
    assert [(each.given, each.told) for each in work.failures] == [((tuple(given.split("-")),), True)]
    assert work.named == ((task.steps[0].rules[1],) if critic else ())
    assert work.most == 4


@pytest.mark.parametrize(("place", "best"), [("early", 0), ("late", 2), ("edges", 0), ("even", None)])
def test_where_a_rule_stands_matters_as_drawn(world, place, best):
    task = changed(world.task, place=place, place_harm=0.3, dilution=0.0)
    rule = next(rule for rule, _ in world.needs.most_common() if rule.atoms)
    fillers = ["Be precise.", "Stay focused.", "Be consistent.", "Take your time."]
    prompts = [" ".join([*fillers[: 2 * i], rule.say(), *fillers[2 * i :]]) for i in range(3)]
    scores = [task.expected({"step1": prompt}, world._questions) for prompt in prompts]
    if best is None:
        assert scores == pytest.approx([scores[0]] * 3)
    else:
        assert scores.index(max(scores)) == best
        assert max(scores) > min(scores)


def test_graded_answers_earn_something_where_they_are_near():
    graded = next(draw(seed) for seed in range(50) if make_task(seed).traits.graded)
    example, step = graded.testset[0], graded.task.steps[-1]
    labels = example.answer.split("-")
    slot = step.slots[0]
    near = slot[slot.index(labels[0]) - 1 if slot.index(labels[0]) else 1]
    given = dspy.Prediction(answer="-".join([near, *labels[1:]]))
    assert 0 < graded.metric(example, given) < 1
    assert graded.metric(example, dspy.Prediction(answer=example.answer)) == 1
    assert graded.metric(example, dspy.Prediction(answer="nothing")) == 0


@pytest.mark.parametrize("feedback", ["none", "expected"])
def test_feedback_says_what_was_drawn(feedback):
    world = next(draw(seed) for seed in range(50) if make_task(seed).traits.feedback == feedback)
    example = world.testset[0]
    said = world.feedback_metric(example, dspy.Prediction(answer="nothing"), None, None, None)
    assert said.score == 0
    assert (example.answer in said.feedback) is (feedback == "expected")

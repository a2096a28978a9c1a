"""What makes the simulated prompt model like a real one: it diagnoses, forgets, errs, bloats, answers by kind."""

import typing

import dspy
import pydantic
import pytest

from dspy_dlpo.simulation import Landscape, Writer, simulated_lm, simulated_task
from dspy_dlpo.simulation.skills import named_in
from dspy_dlpo.simulation.stage import Stage
from dspy_dlpo.simulation.tasks import STAGES, TASKS

NAME = "object_counting"
STAGE = TASKS[NAME].stages[0][1]
WORDING = {skill.name: skill.wordings for skill in STAGE.skills}
PROMPT = " ".join((STAGE.start, *(skill.wordings[0] for skill in STAGE.skills[:6])))
FLAWLESS = {field: 0.0 for field in Writer.__dataclass_fields__ if field not in {"strength", "points"}}
QUESTION = "I have two cats, a dog, and a goat. How many animals do I have?"
WRONG = f"question: {QUESTION}\ngiven answer: 3\nexpected answer: 4"


class Critique(dspy.Signature):
    """Say what is missing in the instruction."""

    instruction: str = dspy.InputField()
    failures: str = dspy.InputField()
    critique: str = dspy.OutputField(desc="what went wrong")


class Rewrite(dspy.Signature):
    """Improve the instruction."""

    instruction: str = dspy.InputField()
    critique: str = dspy.InputField()
    new_instruction: str = dspy.OutputField()


class Change(pydantic.BaseModel):
    op: typing.Literal["add", "replace", "delete", "move"]
    at: int
    text: str = ""
    to: int | None = None


class Edit(dspy.Signature):
    """Improve the prompt with at most 2 edits."""

    sentences: str = dspy.InputField(desc="the numbered sentences of the prompt")
    critique: str = dspy.InputField()
    edits: list[Change] = dspy.OutputField()


def ask(signature: type[dspy.Signature], writer: Writer, rollouts: int = 1, **inputs: str) -> list[dspy.Prediction]:
    with dspy.context(lm=simulated_lm(0, writer=writer)):
        return [dspy.Predict(signature)(**inputs, config={"rollout_id": k}) for k in range(rollouts)]


def numbered(*texts: str) -> str:
    return "\n".join(f"[{number}] {text}" for number, text in enumerate(texts, 1))


def taught(text: str) -> frozenset[str]:
    return Landscape(NAME).taught({"solve": text})["solve"]


def share(replies: list[dspy.Prediction], test: typing.Callable[[dspy.Prediction], bool]) -> float:
    return sum(map(test, replies)) / len(replies)


def test_a_wrong_answer_is_diagnosed_right_most_of_the_time() -> None:
    replies = ask(Critique, Writer(), 60, instruction=STAGE.start, failures=WRONG)
    right = share(replies, lambda reply: "small_numbers" in taught(reply.critique))
    assert 0.4 < right < 0.95
    flawless = ask(Critique, Writer(**FLAWLESS), 10, instruction=STAGE.start, failures=WRONG)
    assert share(flawless, lambda reply: bool(taught(reply.critique))) == 1.0


def test_critics_err_and_are_vague_as_often_as_told() -> None:
    vague = ask(Critique, Writer(**{**FLAWLESS, "vagueness": 1.0}), 10, instruction=STAGE.start, failures=WRONG)
    assert share(vague, lambda reply: not taught(reply.critique)) == 1.0
    wrong = ask(Critique, Writer(**{**FLAWLESS, "critic_error": 1.0}), 40, instruction=STAGE.start, failures=WRONG)
    assert share(wrong, lambda reply: "small_numbers" in taught(reply.critique)) < 0.4


@pytest.mark.parametrize(
    "shown",
    [
        f"## question\n{QUESTION}\n\n## Generated Outputs\n### answer\n3\n\n## Feedback\nWrong, expected 4",
        f'{{"question": "{QUESTION}", "answer": "3", "label": "4"}}',
        f"[[ ## question ## ]]\n{QUESTION}\n\n[[ ## answer ## ]]\n3\n\nThe correct answer is 4.",
        f"The model was asked '{QUESTION}' and said 3, although it should be 4.",
    ],
)
def test_wrong_answers_are_found_in_any_rendering(shown: str) -> None:
    reply = ask(Critique, Writer(**FLAWLESS), instruction=STAGE.start, failures=shown)[0]
    assert "small_numbers" in taught(reply.critique) or "every_item" in taught(reply.critique)


def test_a_critique_becomes_a_teaching_sentence() -> None:
    critique = STAGE.skill("category").missing[0]
    reply = ask(Rewrite, Writer(**FLAWLESS), instruction=STAGE.start, critique=critique)[0]
    assert taught(reply.new_instruction) == {"category"}
    edits = ask(Edit, Writer(**FLAWLESS), sentences=numbered(STAGE.start), critique=critique)[0].edits
    assert [(edit.op, edit.at) for edit in edits] == [("add", 1)]
    assert taught(edits[0].text) == {"category"}


def test_rewrites_forget_and_blur_only_when_told() -> None:
    critique = "Fine."
    kept = ask(Rewrite, Writer(**FLAWLESS), 5, instruction=PROMPT, critique=critique)
    assert share(kept, lambda reply: taught(reply.new_instruction) >= taught(PROMPT)) == 1.0
    for error in ("forgetting", "blur"):
        lossy = ask(Rewrite, Writer(**{**FLAWLESS, error: 0.3}), 20, instruction=PROMPT, critique=critique)
        lost = [len(taught(PROMPT) - taught(reply.new_instruction)) for reply in lossy]
        assert 0.8 < sum(lost) / len(lost) < 3.0, error


def test_bloat_and_overfitting_appear_when_told() -> None:
    inputs = {"sentences": numbered(STAGE.start), "critique": f"{WRONG}\n{STAGE.skill('small_numbers').missing[0]}"}
    for error in ("bloat", "overfitting"):
        replies = ask(Edit, Writer(**{**FLAWLESS, error: 1.0}), 10, **inputs)
        assert share(replies, lambda reply: any(not taught(edit.text) for edit in reply.edits)) > 0.8, error
    clean = ask(Edit, Writer(**FLAWLESS), 10, **inputs)
    assert share(clean, lambda reply: all(taught(edit.text) for edit in reply.edits)) == 1.0


def test_edits_err_only_when_told() -> None:
    sentences = numbered(STAGE.start, WORDING["roots"][0])
    critique = STAGE.skill("category").missing[0]

    def sound(reply: dspy.Prediction) -> bool:
        return all(edit.op == "add" and edit.at == 2 and taught(edit.text) == {"category"} for edit in reply.edits)

    assert share(ask(Edit, Writer(**FLAWLESS), 20, sentences=sentences, critique=critique), sound) > 0.8
    spoiled = ask(Edit, Writer(**{**FLAWLESS, "edit_error": 1.0}), 20, sentences=sentences, critique=critique)
    assert share(spoiled, sound) < 0.2


def test_edits_err_in_each_of_the_ways_that_real_ones_do() -> None:
    texts = (STAGE.start, WORDING["roots"][0])
    spoiled = ask(
        Edit,
        Writer(**{**FLAWLESS, "edit_error": 1.0}),
        80,
        sentences=numbered(*texts),
        critique=STAGE.skill("category").missing[0],
    )
    edits = [edit for reply in spoiled for edit in reply.edits]
    assert any(edit.op == "add" and edit.at > len(texts) for edit in edits), "a sentence that is not there"
    assert any(edit.text in texts for edit in edits), "a repetition"
    assert any(skill.contradicts(edit.text) for edit in edits for skill in STAGE.skills), "a contradiction"
    assert any(edit.op == "replace" for edit in edits), "a needless replacement"
    assert any(edit.op == "add" and edit.at == 1 for edit in edits), "too early for its context"


def test_a_sentence_put_too_early_loses_its_context() -> None:
    first, then = WORDING["itemize"][0], WORDING["running_total"][0]
    assert taught(f"{STAGE.start} {first} {then}") - taught(f"{STAGE.start} {then} {first}") == {"running_total"}


def test_a_rule_is_induced_from_a_right_answer_as_often_as_told() -> None:
    right = f"question: {QUESTION}\ngiven answer: 4\nexpected answer: 4"
    always = ask(Critique, Writer(**{**FLAWLESS, "induction": 1.0}), 20, instruction=STAGE.start, failures=right)
    never = ask(Critique, Writer(**FLAWLESS), 20, instruction=STAGE.start, failures=right)
    assert share(always, lambda reply: bool(taught(reply.critique))) == 1.0
    assert share(never, lambda reply: bool(taught(reply.critique))) == 0.0


def test_a_critique_makes_no_more_points_than_told() -> None:
    cases = "\n\n".join(
        f"question: I have {one}, and a goat. How many animals do I have?\n"
        f"given answer: {wrong}\nexpected answer: {right}"
        for one, wrong, right in (
            ("two cats, a dog", 3, 4),
            ("three cows, a pig", 3, 5),
            ("two bears, a duck", 3, 4),
            ("two pigs, a snake, a frog", 4, 5),
        )
    )
    for points in (1, 2, 4):
        replies = ask(Critique, Writer(**FLAWLESS, points=points), 10, instruction=STAGE.start, failures=cases)
        assert max(reply.critique.count('In "') for reply in replies) == points


def test_a_weak_writer_replies_malformed_sometimes_and_a_strong_one_never() -> None:
    def unparsed(strength: float) -> int:
        failed = 0
        with dspy.context(adapter=dspy.ChatAdapter(use_json_adapter_fallback=False)):
            for seed in range(60):
                with dspy.context(lm=simulated_lm(seed, writer=Writer(strength=strength))):
                    try:
                        dspy.Predict(Critique)(instruction=STAGE.start, failures=WRONG)
                    except dspy.AdapterParseError:
                        failed += 1
        return failed

    assert unparsed(1.0) == 0
    assert 2 <= unparsed(0.0) <= 20  # 0.15 of 60


def test_limits_in_words_are_obeyed_most_of_the_time() -> None:
    critique = " ".join(skill.missing[0] for skill in STAGE.skills[:8])
    obedient = ask(Edit, Writer(**FLAWLESS), 10, sentences=numbered(STAGE.start), critique=critique)
    assert all(len(reply.edits) == 2 for reply in obedient)
    rebellious = ask(
        Edit, Writer(**{**FLAWLESS, "disobedience": 1.0}), 5, sentences=numbered(STAGE.start), critique=critique
    )
    assert all(len(reply.edits) == 3 for reply in rebellious)


def test_frozen_sentences_are_left_alone() -> None:
    useless = ["(frozen) Be precise and concise.", "(frozen) Do your very best."]
    replies = ask(
        Edit,
        Writer(**FLAWLESS),
        20,
        sentences=numbered(STAGE.start, *useless),
        critique="The prompt is too long, shorten it. " + STAGE.skill("category").missing[0],
    )
    assert all(edit.op == "add" or edit.at == 1 for reply in replies for edit in reply.edits)


def test_sentences_frozen_by_number_are_left_alone() -> None:
    class Limited(Edit):
        """Improve the prompt with at most 2 edits."""

        limits: str = dspy.InputField()

    replies = ask(
        Limited,
        Writer(**FLAWLESS),
        20,
        sentences=numbered(STAGE.start, "Be precise and concise.", "Do your very best."),
        critique="The prompt is too long, shorten it. " + STAGE.skill("category").missing[0],
        limits="- Leave sentences 2 and 3 exactly as they are.",
    )
    assert all(edit.op == "add" or edit.at == 1 for reply in replies for edit in reply.edits)


def test_one_reply_changes_a_sentence_once() -> None:
    critique = " ".join(skill.missing[0] for skill in STAGE.skills[:8])
    for reply in ask(Edit, Writer(**FLAWLESS), 20, sentences=numbered(STAGE.start, "Be brief."), critique=critique):
        changed = [edit.at for edit in reply.edits if edit.op != "add"]
        assert len(set(changed)) == len(changed)


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_every_remark_of_a_critic_names_its_rule_and_hardly_another(stage: Stage) -> None:
    for skill in stage.skills:
        for what in skill.missing:
            named = named_in(stage.skills, [f"In 7 is wrong: {what[0].lower()}{what[1:]}"])
            assert skill in named
            assert len(named) <= 2


def test_shown_and_refused_sentences_are_not_repeated() -> None:
    class Careful(Edit):
        """Improve the prompt with at most 2 edits."""

        refused: str = dspy.InputField(desc="edits that were tried and did not help")

    first, *rest = WORDING["category"]
    replies = ask(
        Careful,
        Writer(**FLAWLESS),
        10,
        sentences=numbered(STAGE.start),
        refused=first,
        critique=STAGE.skill("category").missing[0],
    )
    assert {edit.text for reply in replies for edit in reply.edits} <= set(rest)
    named_only_as_refused = ask(
        Careful, Writer(**FLAWLESS), 10, sentences=numbered(STAGE.start), refused=first, critique="Hm."
    )
    assert share(named_only_as_refused, lambda reply: not reply.edits) == 1.0


def test_a_weak_writer_makes_more_errors() -> None:
    replies = ask(Critique, Writer(strength=0.5, vagueness=0.3), 40, instruction=STAGE.start, failures=WRONG)
    assert share(replies, lambda reply: "small_numbers" in taught(reply.critique)) < 0.6


def test_only_the_stage_at_fault_is_blamed() -> None:
    extract, decide = (stage for _, stage in TASKS["support_desk"].stages)
    rows = simulated_task("support_desk").trainset
    facts = extract.truth(extract.parse(rows[0].ticket))  # type: ignore[arg-type]
    queue = decide.truth(decide.parse(facts))  # type: ignore[arg-type]
    shown = f"facts: {facts}\nqueue: {queue}\nexpected queue: somewhere else"
    reply = ask(Critique, Writer(**FLAWLESS), instruction=decide.start, failures=shown)[0]
    assert "looks right" in reply.critique
    wrong_facts = (
        facts.replace("urgent=no", "urgent=yes") if "urgent=no" in facts else facts.replace("urgent=yes", "urgent=no")
    )
    shown = f"ticket: {rows[0].ticket}\nfacts: {wrong_facts}\nqueue: {queue}"
    reply = ask(Critique, Writer(**FLAWLESS), instruction=extract.start, failures=shown)[0]
    assert "looks right" not in reply.critique


def test_a_critique_of_one_stage_becomes_a_rule_of_that_stage() -> None:
    for _, stage in TASKS["support_desk"].stages:
        sentences = numbered(stage.start)
        facts = "plan=gold; product=kettle; issue=late; days=3; amount=9; urgent=no"
        critique = f"In one case {facts}. {stage.skills[0].missing[0]}"
        reply = ask(Edit, Writer(**FLAWLESS), sentences=sentences, critique=critique)[0]
        assert [skill.name for skill in named_in(stage.skills, [edit.text for edit in reply.edits])] == [
            stage.skills[0].name
        ]


def test_every_kind_of_field_gets_a_legal_value() -> None:
    class Kinds(dspy.Signature):
        """Review."""

        instruction: str = dspy.InputField()
        failures: str = dspy.InputField()
        points: list[str] = dspy.OutputField(desc="critiques")
        rules: list[str] = dspy.OutputField(desc="rules for the instruction")
        grade: int = dspy.OutputField()
        share: float = dspy.OutputField()
        fine: bool = dspy.OutputField()
        verdict: typing.Literal["good", "bad"] = dspy.OutputField()
        advice: dict[str, str] = dspy.OutputField()
        first: Change = dspy.OutputField()

    for adapter in (dspy.ChatAdapter(use_json_adapter_fallback=False), dspy.JSONAdapter()):
        with dspy.context(adapter=adapter):
            reply = ask(Kinds, Writer(), instruction=STAGE.start, failures=WRONG)[0]
        assert reply.verdict in {"good", "bad"}
        assert all(isinstance(point, str) for point in reply.points)


@pytest.mark.parametrize("adapter", [dspy.ChatAdapter(use_json_adapter_fallback=False), dspy.JSONAdapter()])
def test_edits_survive_the_layout(adapter: dspy.Adapter) -> None:
    with dspy.context(adapter=adapter):
        reply = ask(
            Edit, Writer(**FLAWLESS), sentences=numbered(STAGE.start), critique=STAGE.skill("roots").missing[0]
        )[0]
    assert taught(reply.edits[0].text) == {"roots"}


def test_edits_described_in_words_are_written_as_json_text() -> None:
    class Loose(dspy.Signature):
        """Improve the prompt with at most 2 edits."""

        sentences: str = dspy.InputField(desc="the numbered sentences of the prompt")
        critique: str = dspy.InputField()
        edits: str = dspy.OutputField(
            desc='JSON list of {"operation": "insert" or "remove", "index": number, "content": text}'
        )

    reply = ask(Loose, Writer(**FLAWLESS), sentences=numbered(STAGE.start), critique=STAGE.skill("roots").missing[0])[0]
    assert '"operation": "insert"' in reply.edits
    assert '"index": 1' in reply.edits


def test_plain_chat_gets_a_fenced_or_tagged_instruction() -> None:
    lm = simulated_lm(0, writer=Writer(**FLAWLESS))
    fenced = lm(f"The instruction was:\n```\n{STAGE.start}\n```\n{WRONG}\nWrite a new instruction within ``` blocks.")[
        0
    ]
    assert fenced.startswith("```")
    assert len(taught(fenced)) == 1
    tagged = lm(
        f"<VARIABLE> {STAGE.start} </VARIABLE>\n<FEEDBACK>{STAGE.skill('roots').missing[0]}</FEEDBACK>\n"
        "Send the improved text between <BETTER_TEXT>{improved text}</BETTER_TEXT> tags."
    )[0]
    assert tagged.startswith("<BETTER_TEXT>")
    assert taught(tagged) == {"roots"}


def test_without_any_evidence_only_the_prior_speaks() -> None:
    class Propose(dspy.Signature):
        """Propose an instruction."""

        basic_instruction: str = dspy.InputField()
        proposed_instruction: str = dspy.OutputField()

    none = ask(Propose, Writer(**FLAWLESS), 5, basic_instruction=STAGE.start)
    assert share(none, lambda reply: reply.proposed_instruction == STAGE.start) == 1.0
    some = ask(Propose, Writer(**{**FLAWLESS, "prior": 0.3}), 10, basic_instruction=STAGE.start)
    assert share(some, lambda reply: bool(taught(reply.proposed_instruction))) > 0.7


def test_advice_by_module_goes_to_the_module_at_fault() -> None:
    class Advise(dspy.Signature):
        """Advise each module."""

        modules: str = dspy.InputField()
        failures: str = dspy.InputField()
        module_names: list[str] = dspy.InputField()
        advice: dict[str, str] = dspy.OutputField()

    (_, extract), (_, decide) = TASKS["support_desk"].stages
    row = simulated_task("support_desk").trainset[0]
    case = extract.parse(row.ticket)
    assert case is not None
    facts = extract.without(case, frozenset({extract.relevant(case)[0]}))
    right = decide.without(decide.parse(facts), frozenset())  # type: ignore[arg-type]
    reply = ask(
        Advise,
        Writer(**FLAWLESS),
        modules="Module extract: `ticket` (str), `facts` (str)\nModule decide: `facts` (str), `queue` (str)",
        failures=f"ticket: {row.ticket}\nfacts: {facts}\nqueue: {right}\nexpected queue: another",
        module_names=["extract", "decide"],
    )[0]
    assert named_in(extract.skills, [reply.advice["extract"]])
    assert not named_in(extract.skills, [reply.advice["decide"]])

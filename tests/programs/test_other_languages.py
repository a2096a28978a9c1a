"""Prompts in other languages: their sentences, the language that the writer is told, and the edits that keep it."""

import json

import dspy
import pytest
from compiling import TRAIN, VAL, right
from engine import asked, program_lm

from dspy_dlpo import Budget, DLPOTeleprompter
from dspy_dlpo.core.result import DLPOResult

GERMAN = "Beantworte die Frage nach der Zahl, z. B. nach ihrem Wert. Die Frist endet am 3. Mai. Gib nur sie aus."
RULE = "Schreibe die Zahl immer in Ziffern und nie als Wort."
ENGLISH_RULE = "Always write the number in digits, and never as a word."


def german_lm(*texts: str) -> dspy.LM:
    edits = json.dumps([{"op": "add", "at": 99, "text": text, "why": "lacking"} for text in texts])

    def answer(call):
        return str(call.number) if any(text in call.system for text in texts) or call.number % 3 == 0 else "unknown"

    return program_lm(answer=answer, edits=lambda call: edits)


def compiled(student: dspy.Module, lm: dspy.LM, **options):
    optimizer = DLPOTeleprompter(right, prompt_model=lm, task_model=lm, budget=Budget(60), num_threads=1, **options)
    return optimizer.compile(student, trainset=TRAIN, valset=VAL)


def to_writer(lm: dspy.LM) -> list[str]:
    return [call.user for call in asked(lm) if "edits" in call.outputs]


def predictor(instructions: str) -> dspy.Predict:
    return dspy.Predict(dspy.Signature("question -> answer", instructions))


def test_the_writer_sees_the_sentences_of_the_language_and_is_told_to_keep_it() -> None:
    lm = german_lm(RULE)
    better = compiled(predictor(GERMAN), lm)
    first = to_writer(lm)[0]
    assert "[2] Die Frist endet am 3. Mai.\n[3] Gib nur sie aus." in first
    assert "Write every sentence in German" in first
    assert better.signature.instructions == f"{GERMAN} {RULE}"
    assert better.detailed_results.languages == ("de",)


def test_an_edit_in_another_language_is_dropped() -> None:
    better = compiled(predictor(GERMAN), german_lm(ENGLISH_RULE))
    reasons = {each.reason for record in better.detailed_results.history for each in record.dropped}
    assert "it is written in English, the prompt is not" in reasons
    assert better.signature.instructions == GERMAN


def test_nothing_is_said_of_languages_where_all_is_english() -> None:
    lm = program_lm()
    better = compiled(predictor("Answer the question."), lm)
    assert to_writer(lm)
    assert not [request for request in to_writer(lm) if "Write every sentence in" in request]
    assert better.detailed_results.languages == ("en",)


@pytest.mark.parametrize("parameters", [("instructions",), ("instructions", "fields")])
def test_a_prompt_in_unspaced_script_is_learned_and_counted(parameters) -> None:
    rule = "请务必用阿拉伯数字写出这个数，不要用文字。"
    prompt = "请根据问题回答一个数。" + "不要解释你的理由。" * 12
    better = compiled(predictor(prompt), german_lm(rule), parameters=parameters)
    assert rule in better.signature.instructions
    assert better.detailed_results.languages[0] == "zh"


def test_a_run_in_another_language_goes_on_and_is_read_back_with_it(tmp_path) -> None:
    whole = compiled(predictor(GERMAN), german_lm(RULE), log_dir=tmp_path)
    lm = german_lm(RULE)
    again = compiled(predictor(GERMAN), lm, log_dir=tmp_path)
    assert again.signature.instructions == whole.signature.instructions
    assert not asked(lm)
    assert json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))["languages"] == ["de"]
    assert DLPOResult.load(tmp_path).languages == ("de",)
    (tmp_path / "result.json").unlink()
    assert DLPOResult.load(tmp_path).languages == ("de",)

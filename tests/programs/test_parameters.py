"""Text parameters beyond instructions: descriptions of fields, and of the tools of an agent."""

import json
import re

import dspy
import pytest
from compiling import TRAIN, VAL, examples, right, scores
from engine import RULE, asked, program_lm

from dspy_dlpo import Budget, DLPOTeleprompter, ProgramError, load_program
from dspy_dlpo.host.parameters import KINDS, read_prompts, write_prompts
from dspy_dlpo.run.claim import score_on_test


def look_up(number: int) -> str:
    """Looks a number up."""
    return f"found {number}"


def wait(seconds: int) -> str:
    """Waits."""
    return str(seconds)


class Described(dspy.Signature):
    """Answer the question."""

    question: str = dspy.InputField(desc="Asked by a person.\nAs it came.")
    answer: str = dspy.OutputField()


class Agents(dspy.Module):
    """Two agents with a tool in common, and a plain predictor."""

    def __init__(self):
        super().__init__()
        shared = dspy.Tool(look_up)
        self.first = dspy.ReActV2("question -> facts", tools=[shared])
        self.more = [dspy.ReActV2("question -> answer", tools=[shared, wait])]
        self.plain = dspy.Predict(Described)


def written_under(heading):
    """A writer that adds the rule below a heading."""

    def edits(call):
        at = next((int(n) for n, text in re.findall(r"^\[(\d+)\] (.*)$", call.user, re.M) if text == heading), 98)
        return json.dumps([{"op": "add", "at": at + 1, "text": RULE, "why": "lacking"}])

    return edits


def agent_lm(**replies):
    """An agent's model that uses its tool rightly where the tool's description holds the rule."""

    def tool_calls(call):
        known = RULE in call.user or int(re.findall(r"number (\d+)", call.all)[0]) % 3 == 0
        number = re.findall(r"number (\d+)", call.all)[0]
        return json.dumps({"tool_calls": [{"name": "submit", "args": {"answer": number if known else "?"}}]})

    heading = "## Tool `look_up`"
    return program_lm(next_thought=lambda c: "Go on.", tool_calls=tool_calls, edits=written_under(heading), **replies)


def compiled(student, lm, parameters, **options):
    with dspy.context(lm=lm):
        optimizer = DLPOTeleprompter(right, budget=Budget(80), num_threads=1, parameters=parameters, **options)
        return optimizer.compile(student, trainset=TRAIN, valset=VAL)


# --- reading and writing ----------------------------------------------------------------------------------------------


def test_all_texts_of_a_predictor_are_one_prompt_and_instructions_come_last():
    assert read_prompts(Agents(), KINDS)["plain"] == (
        "## Field `question`\nAsked by a person.\nAs it came.\n\n## Field `answer`\n\n"
        "## Instructions\nAnswer the question."
    )


def test_an_agent_has_its_users_fields_and_tools_and_not_its_own():
    prompts = read_prompts(Agents(), ("tools", "fields"))
    assert prompts["first.react"] == "## Field `question`\n\n## Tool `look_up`\nLooks a number up."
    assert prompts["more[0].react"] == "## Field `question`\n\n## Tool `wait`\nWaits."


def test_a_tool_of_an_agent_that_is_frozen_stays_as_it_is():
    program = Agents()
    program.first._compiled = True
    prompts = read_prompts(program, KINDS)
    assert "first.react" not in prompts
    assert "look_up" not in prompts["more[0].react"].partition("## Instructions")[0], "the frozen agent has it too"
    assert "## Tool `wait`" in prompts["more[0].react"]


@pytest.mark.parametrize("kinds", [("instructions",), ("fields",), ("tools",), ("instructions", "tools"), KINDS])
def test_what_was_read_and_is_written_back_changes_nothing(kinds):
    program, other = Agents(), Agents()
    write_prompts(program, read_prompts(program, kinds), kinds)
    assert program.dump_state() == other.dump_state()
    assert read_prompts(program, KINDS) == read_prompts(other, KINDS)


def test_each_text_goes_where_its_heading_says_and_nowhere_else():
    program, other = Agents(), Agents()
    prompts = read_prompts(program, KINDS)
    prompts["plain"] = prompts["plain"].replace("## Field `answer`\n", "## Field `answer`\nA number.\n") + " Be short."
    prompts["more[0].react"] = prompts["more[0].react"].replace("Waits.", "Waits so many seconds.")
    write_prompts(program, prompts, KINDS)
    signature = program.plain.signature
    assert signature.fields["answer"].json_schema_extra["desc"] == "A number."
    assert signature.fields["question"].json_schema_extra["desc"] == "Asked by a person.\nAs it came."
    assert signature.instructions == "Answer the question. Be short."
    assert program.more[0].tools["wait"].desc == "Waits so many seconds."
    assert program.first.react.signature.equals(other.first.react.signature)
    assert Described.fields["answer"].json_schema_extra["desc"] == "${answer}"


def test_text_above_the_first_heading_is_a_rule():
    program = Agents()
    write_prompts(program, {"plain": "Be kind.\n" + read_prompts(program, KINDS)["plain"]}, KINDS)
    assert program.plain.signature.instructions == "Be kind.\n\nAnswer the question."


def test_a_lost_heading_leaves_its_text_as_it_was():
    program = Agents()
    write_prompts(program, {"plain": "## Field `answer`\nShort.\n\n## Instructions\nGo on."}, KINDS)
    assert program.plain.signature.fields["question"].json_schema_extra["desc"] == "Asked by a person.\nAs it came."
    assert program.plain.signature.instructions == "Go on."


def test_headings_mean_nothing_where_only_instructions_may_change():
    program = Agents()
    write_prompts(program, {"plain": "## Field `answer`\nShort.\n\n## Instructions\nGo on."})
    assert program.plain.signature.fields["answer"].json_schema_extra["desc"] == "${answer}"
    assert program.plain.signature.instructions.startswith("## Field `answer`")


# --- compiling --------------------------------------------------------------------------------------------------------


def test_a_rule_in_a_tools_description_is_learned_saved_and_loaded(tmp_path):
    lm, student = agent_lm(), dspy.ReActV2("question -> answer", tools=[look_up])
    better = compiled(student, lm, ("tools",))
    assert better.tools["look_up"].desc == f"Looks a number up. {RULE}"
    assert student.tools["look_up"].desc == "Looks a number up."
    assert better.react.signature.equals(student.react.signature), "nothing else may change"
    assert scores(better, lm) == 1.0
    better.save(tmp_path / "better.json")
    fresh = load_program(dspy.ReActV2("question -> answer", tools=[look_up]), tmp_path / "better.json")
    assert fresh.tools["look_up"].desc == better.tools["look_up"].desc
    assert scores(fresh, lm) == 1.0
    fresh.save(tmp_path / "again.json")
    again = load_program(dspy.ReActV2("question -> answer", tools=[look_up]), tmp_path / "again.json")
    assert again.tools["look_up"].desc == better.tools["look_up"].desc


def test_a_saved_program_with_tool_descriptions_still_loads_in_dspys_own_way(tmp_path):
    better = compiled(dspy.ReActV2("question -> answer", tools=[look_up]), agent_lm(), ("tools",))
    better.save(tmp_path / "better.json")
    fresh = dspy.ReActV2("question -> answer", tools=[look_up])
    fresh.load(tmp_path / "better.json")
    assert fresh.tools["look_up"].desc == "Looks a number up."
    copied = better.deepcopy()
    assert copied.tools["look_up"].desc == better.tools["look_up"].desc
    assert copied.dump_state() == better.dump_state()


def test_programs_saved_without_tool_descriptions_load_too(tmp_path):
    dspy.ReActV2("question -> answer", tools=[look_up]).save(tmp_path / "plain.json")
    fresh = load_program(dspy.ReActV2("question -> answer", tools=[look_up]), tmp_path / "plain.json")
    assert fresh.tools["look_up"].desc == "Looks a number up."
    with pytest.raises(ValueError, match=r"must end with \.json"):
        load_program(fresh, tmp_path / "plain.pkl")


def test_a_rule_in_a_fields_description_is_learned_and_saved_by_dspy(tmp_path):
    lm = program_lm(edits=written_under("## Field `answer`"))
    better = compiled(dspy.Predict(Described), lm, ("fields",))
    assert better.signature.fields["answer"].json_schema_extra["desc"] == RULE
    assert better.signature.instructions == "Answer the question."
    better.save(tmp_path / "better.json")
    fresh = dspy.Predict(Described)
    fresh.load(tmp_path / "better.json")
    assert scores(fresh, lm) == scores(better, lm) == 1.0


def test_the_result_says_which_texts_its_prompts_hold_and_is_scored_with_them():
    lm, student = program_lm(edits=written_under("## Field `answer`")), dspy.Predict(Described)
    result = compiled(student, lm, ("fields",)).detailed_results
    assert result.parameters == ("fields",)
    with dspy.context(lm=lm):
        test = score_on_test(student, result, right, examples(range(40, 52)))
    assert test.best == 1.0
    assert test.start < 0.5


def test_headings_and_the_rules_of_an_agent_stay_whatever_the_writer_does():
    def edits(call):
        numbers = re.findall(r"^\[(\d+)\]", call.user, re.M)
        return json.dumps(
            [{"op": "replace", "at": int(n), "text": f"{RULE} ({n})", "why": "all wrong"} for n in numbers]
        )

    lm = program_lm(
        next_thought=lambda c: "Go on.",
        tool_calls=lambda c: json.dumps({"tool_calls": [{"name": "submit", "args": {"answer": "?"}}]}),
        edits=edits,
    )
    student = dspy.ReActV2("question -> answer", tools=[look_up])
    result = compiled(student, lm, KINDS, techniques=()).detailed_results
    start = read_prompts(student, KINDS)["react"]
    kept = [line for line in start.splitlines() if line.startswith("## ") or "You are an Agent" in line or "`" in line]
    proposals = [record.proposal["react"] for record in result.history if record.kind == "step"]
    assert proposals
    for proposal in proposals:
        assert [line for line in kept if line not in proposal and "Given the fields" not in line] == []


@pytest.mark.parametrize("critic", [True, False])
def test_critic_and_writer_are_told_what_the_headings_mean(critic):
    lm = agent_lm()
    compiled(dspy.ReActV2("question -> answer", tools=[look_up]), lm, KINDS, critic=critic)
    for output in ("critique", "edits") if critic else ("edits",):
        requests = [call.user for call in asked(lm) if output in call.outputs]
        assert requests
        assert all("stands what the model is told of that field or tool" in text for text in requests)


def test_other_parameters_are_another_run(tmp_path):
    lm, student = program_lm(), dspy.Predict(Described)
    compiled(student, lm, ("instructions",), log_dir=tmp_path)
    with pytest.raises(Exception, match="parameters"):
        compiled(student, lm, ("instructions", "fields"), log_dir=tmp_path)


@pytest.mark.parametrize("parameters", [(), ("instruction",), ("fields", "demos")])
def test_unknown_kinds_are_refused_with_the_way_out(parameters):
    with pytest.raises(ValueError, match="'instructions', 'fields', 'tools'"):
        DLPOTeleprompter(right, parameters=parameters)


def test_a_program_without_such_texts_is_refused_with_the_way_out():
    with pytest.raises(ProgramError, match='Add "instructions"'):
        compiled(dspy.Predict("question -> answer"), program_lm(), "tools")

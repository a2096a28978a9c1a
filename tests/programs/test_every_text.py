"""Texts beyond signatures: descriptions inside pydantic models, and the list of tools of a `dspy.ReAct`."""

import json
import re
from typing import Annotated, Literal, Optional

import dspy
import pytest
from compiling import TRAIN, VAL, examples, right
from dspy.adapters.baml_adapter import BAMLAdapter
from dspy.adapters.two_step_adapter import TwoStepAdapter
from engine import RULE, asked, program_lm
from pydantic import BaseModel, Field, RootModel

from dspy_dlpo import Budget, DLPOResult, DLPOTeleprompter, LearningRate, Regularization, text_paths
from dspy_dlpo.host.nested import described_parts, joined, parted
from dspy_dlpo.host.parameters import KINDS, read_prompts, write_prompts
from dspy_dlpo.host.program import EvaluationCopies
from dspy_dlpo.host.tool_lists import listed_anew, listed_tool

OLD = "The number that was asked for."
PATH = "extract.reply.items[].value"


class Item(BaseModel):
    value: str = Field(description=OLD)
    unit: Literal["none", "metre"] = "none"


class Answers(BaseModel):
    items: list[Item] = Field(description="One for each question.")


class Extraction(dspy.Signature):
    """Answer the question."""

    question: str = dspy.InputField()
    reply: Answers = dspy.OutputField(desc="What was found.")


class Extractor(dspy.Module):
    def __init__(self):
        super().__init__()
        self.extract = dspy.Predict(Extraction)

    def forward(self, question):
        return dspy.Prediction(answer=self.extract(question=question).reply.items[0].value)


def look_up(number: int, book: str = "main") -> str:
    """Looks a number up.

    It takes a while.
    """
    return f"found {number}"


def agent():
    return dspy.ReAct("question -> answer", tools=[dspy.Tool(look_up, arg_desc={"book": "One of 'main', 'old'."})])


def answered(call):
    value = str(call.number) if call.knows or call.number % 3 == 0 else "unknown"
    return json.dumps({"items": [{"value": value}]})


def written_under(heading):
    """A writer that adds the rule below a heading."""

    def edits(call):
        at = next((int(n) for n, text in re.findall(r"^\[(\d+)\] (.*)$", call.user, re.M) if text == heading), 98)
        return json.dumps([{"op": "add", "at": at, "text": RULE, "why": "lacking"}])

    return edits


def extractor_lm(**replies):
    return program_lm(reply=answered, edits=written_under("## Field `reply.items[].value`"), **replies)


def listed(request):
    """The line of the tool in the list that a request holds."""
    return re.search(r"\(1\) look_up.*", request).group()


def called(call):
    """What an agent's model calls: the tool once, where the list of tools in the request holds the rule."""
    return "look_up" if RULE in listed(call.system) and "observation_0" not in call.user else "finish"


def agent_lm(heading, **replies):
    return program_lm(
        next_thought=lambda c: "Go on.",
        next_tool_name=called,
        next_tool_args=lambda c: f'{{"number": {c.number}}}' if called(c) == "look_up" else "{}",
        answer=lambda c: str(c.number) if "look_up" in c.user or c.number % 3 == 0 else "unknown",
        edits=written_under(heading),
        **replies,
    )


def optimizer(lm, *parameters, **options):
    options = {"budget": Budget(80), "num_threads": 1, **options}
    return DLPOTeleprompter(right, prompt_model=lm, task_model=lm, parameters=parameters, **options)


def compiled(student, lm, *parameters, **options):
    return optimizer(lm, *parameters, **options).compile(student, trainset=TRAIN, valset=VAL)


def score(program, lm):
    with dspy.context(lm=lm):
        return sum(right(each, program(**each.inputs())) for each in VAL) / len(VAL)


def request_of(program, lm):
    """All that the first request of a run sends."""
    before = len(asked(lm))
    with dspy.context(lm=lm):
        program(question="Which is number 7?")
    return asked(lm)[before].system + asked(lm)[before].all


# --- inside pydantic models -------------------------------------------------------------------------------------------


class Node(BaseModel):
    name: str = Field(description="Its name.", alias="title")
    parent: Optional["Node"] = Field(default=None, description="The one above.")


class Names(RootModel[list[Node]]):
    pass


class Rates(BaseModel):
    by_year: dict[str, Item]
    either: Annotated[Node | Item | None, "marked"] = None
    picture: dspy.Image | None = None


@pytest.mark.parametrize(
    ("annotation", "found"),
    [
        (str, {}),
        (Literal["a", "b"], {}),
        (dspy.Image, {}),
        (list[Item], {"x[].value": OLD, "x[].unit": ""}),
        (tuple[Item, ...] | None, {"x[].value": OLD, "x[].unit": ""}),
        (Answers, {"x.items": "One for each question.", "x.items[].value": OLD, "x.items[].unit": ""}),
        (Node, {"x.title": "Its name.", "x.parent": "The one above."}),
        (Names, {"x[].title": "Its name.", "x[].parent": "The one above."}),
        (
            Rates,
            {
                "x.by_year": "",
                "x.by_year[].value": OLD,
                "x.by_year[].unit": "",
                "x.either": "",
                "x.either.title": "Its name.",
                "x.either.parent": "The one above.",
                "x.either.value": OLD,
                "x.either.unit": "",
                "x.picture": "",
            },
        ),
    ],
    ids=str,
)
def test_descriptions_are_found_by_path_in_lists_optionals_dicts_and_models_that_hold_themselves(annotation, found):
    assert described_parts("x", annotation) == found


@pytest.mark.parametrize("own", ["", "An invoice.", "Two\nlines.", "- `x.a`: like a part"])
@pytest.mark.parametrize("parts", [{}, {"x.a": "One."}, {"x.a": "Two\nlines\n\n- `x.b`: no part", "x[].b": "`c`: d"}])
def test_what_is_said_of_a_field_and_of_its_parts_comes_back_as_it_was(own, parts):
    assert parted(joined(own, parts)) == (own, parts)


@pytest.mark.parametrize(
    "adapter", [dspy.ChatAdapter(), dspy.JSONAdapter(), dspy.XMLAdapter()], ids=lambda each: type(each).__name__
)
def test_an_edited_description_reaches_the_request_and_survives_dspys_own_save_and_load(adapter, tmp_path):
    lm, student = extractor_lm(), Extractor()
    with dspy.context(adapter=adapter):
        before = request_of(student, lm)
        better = compiled(student, lm, "nested")
        assert score(better, lm) == 1.0
        better.save(tmp_path / "better.json")
        fresh = Extractor()
        fresh.load(tmp_path / "better.json")
        told = request_of(fresh, lm)
        assert re.search(rf"`reply\.items\[\]\.value`: .*{RULE}", told)
        assert told == request_of(better, lm)
        assert score(fresh, lm) == 1.0
        assert request_of(student, lm) == request_of(Extractor(), lm) == before
    assert Item.model_fields["value"].description == OLD, "the class stays as it is"
    assert better.extract.signature.instructions == "Answer the question."
    assert better.extract.signature.fields["reply"].annotation is Answers


@pytest.mark.parametrize(
    "adapter",
    [dspy.ChatAdapter(), dspy.JSONAdapter(), dspy.XMLAdapter(), BAMLAdapter(), TwoStepAdapter(program_lm())],
    ids=lambda each: type(each).__name__,
)
def test_all_of_dspys_adapters_tell_an_edited_description(adapter):
    program = Extractor()
    write_prompts(program, {"extract": f"## Field `reply.items[].value`\n{RULE}"}, (PATH,))
    messages = adapter.format(program.extract.signature, [], {"question": "Which is number 7?"})
    assert RULE in messages[0]["content"]


def test_only_what_a_path_allows_changes():
    better = compiled(Extractor(), extractor_lm(), PATH)
    assert better.detailed_results.start_prompts == {"extract": f"## Field `reply.items[].value`\n{OLD}"}
    assert better.detailed_results.parameters == (PATH,)
    texts, old = text_paths(better), text_paths(Extractor())
    assert {path for path, text in texts.items() if text != old[path]} == {PATH}


def test_paths_and_kinds_go_together():
    assert read_prompts(Extractor(), (PATH, "instructions")) == {
        "extract": f"## Field `reply.items[].value`\n{OLD}\n\n## Instructions\nAnswer the question."
    }
    assert read_prompts(Extractor(), ("extract.instructions",)) == {"extract": "Answer the question."}


def test_a_path_that_does_not_exist_is_refused_before_anything_is_spent_and_those_that_do_are_told():
    lm = extractor_lm()
    with pytest.raises(ValueError, match=r"'extract\.reply\.amount'.*extract\.reply\.items\[\]\.value"):
        compiled(Extractor(), lm, "instructions", "extract.reply.amount")
    with pytest.raises(ValueError, match="no such text"):
        optimizer(lm, "extract.reply.amount").estimate(Extractor(), trainset=TRAIN, valset=VAL)
    assert asked(lm) == []
    with pytest.raises(ValueError, match="or paths of single texts"):
        DLPOTeleprompter(right, parameters=("instructions", 0.5))


def test_an_error_about_a_path_of_a_large_program_names_the_nearest():
    wide = dspy.Signature("question -> " + ", ".join(f"answer_{i}" for i in range(60)))
    with pytest.raises(ValueError, match=r"these: self\.answer_5.* and 22 more, which text_paths") as caught:
        read_prompts(dspy.Predict(wide), ("self.answer_5x",))
    assert len(str(caught.value)) < 1500


def test_a_description_goes_back_to_that_of_the_class():
    program = Extractor()
    write_prompts(program, {"extract": f"## Field `reply.items[].value`\n{RULE}"}, (PATH,))
    assert RULE in program.extract.signature.fields["reply"].json_schema_extra["desc"]
    write_prompts(program, {"extract": f"## Field `reply.items[].value`\n{OLD}"}, (PATH,))
    assert program.dump_state() == Extractor().dump_state()
    write_prompts(program, {"extract": "## Field `reply.items[].value`\n"}, (PATH,))
    assert program.dump_state() == Extractor().dump_state(), "an empty text is none"


def test_a_field_and_its_parts_are_edited_apart():
    program = Extractor()
    write_prompts(program, {"extract": f"## Field `reply.items[].value`\n{RULE}"}, (PATH,))
    assert text_paths(program)["extract.reply"] == "What was found."
    write_prompts(program, {"extract": "## Field `reply`\nAll answers."}, ("extract.reply",))
    assert text_paths(program)["extract.reply"] == "All answers."
    assert text_paths(program)[PATH] == RULE


# --- the list of tools of a `dspy.ReAct` ------------------------------------------------------------------------------


def test_a_tool_list_is_read_as_the_agent_was_told_it():
    instructions = agent().react.signature.instructions
    said, schemas = listed_tool(instructions, "look_up")
    assert said == look_up.__doc__.replace("\n", "  ")
    assert schemas["book"] == {"type": "string", "default": "main", "description": "One of 'main', 'old'."}
    assert listed_tool(instructions, "look") is None
    assert listed_anew(instructions, "look", "Nothing.") == instructions
    for each in (None, "number", "book"):
        told = said if each is None else schemas[each].get("description", "")
        assert listed_anew(instructions, "look_up", told, each) == instructions


def test_a_list_like_that_of_an_agent_is_made_when_its_tools_had_these_texts_from_the_start():
    student = agent()
    prompts = read_prompts(student, ("tools", "arguments"))
    text = prompts["react"].replace(
        "## Argument `look_up.number`", "## Argument `look_up.number`\nA number.\nOnly one."
    )
    write_prompts(student, {"react": text.replace("Looks a number up.", "Finds a number.")}, ("tools", "arguments"))
    tool = dspy.Tool(look_up, arg_desc={"number": "A number. Only one.", "book": "One of 'main', 'old'."})
    tool.desc = tool.desc.replace("Looks a number up.", "Finds a number.")
    other = dspy.ReAct("question -> answer", tools=[tool])
    assert student.react.signature.instructions == other.react.signature.instructions


@pytest.mark.parametrize("kinds", [("tools",), ("arguments",), ("instructions", "tools"), KINDS])
def test_what_was_read_of_an_agent_and_is_written_back_changes_nothing(kinds):
    program = agent()
    write_prompts(program, read_prompts(program, kinds), kinds)
    assert program.dump_state() == agent().dump_state()


def test_each_text_of_a_tool_stands_once_in_a_prompt():
    prompt = read_prompts(agent(), ("instructions", "tools", "arguments"))["react"]
    assert prompt.count("Looks a number up.") == prompt.count("One of 'main', 'old'.") == 1
    assert "(1) look_up, whose description is <desc>(above)</desc>." in prompt
    assert "One of 'main', 'old'." not in read_prompts(agent(), ("tools",))["react"]


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("kind", "heading"),
    [("tools", "## Tool `look_up`"), ("arguments", "## Argument `look_up.number`")],
)
@pytest.mark.parametrize("more", [(), ("instructions",)])
def test_a_rule_in_a_tools_text_reaches_the_request_of_a_react_and_survives_save_and_load(
    kind, heading, more, tmp_path
):
    lm, student = agent_lm(heading), agent()
    before = request_of(student, lm)
    better = compiled(student, lm, kind, *more)
    assert score(better, lm) == 1.0
    better.save(tmp_path / "better.json")
    fresh = agent()
    fresh.load(tmp_path / "better.json")
    assert RULE in listed(request_of(fresh, lm))
    assert request_of(fresh, lm) == request_of(better, lm)
    assert score(fresh, lm) == 1.0
    assert request_of(student, lm) == before
    assert list(better.tools) == list(student.tools), "names stay"
    assert read_prompts(fresh, (kind, *more)) == read_prompts(better, (kind, *more))


def test_the_rules_of_an_agent_stay_whatever_the_writer_does():
    def edits(call):
        numbers = re.findall(r"^\[(\d+)\]", call.user, re.M)
        return json.dumps([{"op": "replace", "at": int(n), "text": f"All new ({n}).", "why": "wrong"} for n in numbers])

    lm = agent_lm("")
    lm._engine_spec.replies = {**lm._engine_spec.replies, "edits": edits}
    result = compiled(agent(), lm, "instructions", "tools", techniques=()).detailed_results
    start = result.start_prompts["react"]
    kept = [line for line in start[start.index("You are an Agent") :].splitlines() if line]
    proposals = [record.proposal["react"] for record in result.history if record.kind == "step"]
    assert any("All new" in each for each in proposals)
    for proposal in proposals:
        assert [line for line in kept if line not in proposal] == []


def test_the_texts_of_an_agents_tools_are_its_own_though_another_has_the_same_tool():
    class Two(dspy.Module):
        def __init__(self):
            super().__init__()
            tool = dspy.Tool(look_up)
            self.first = dspy.ReAct("question -> facts", tools=[tool])
            self.second = dspy.ReActV2("facts -> answer", tools=[tool])

    program = Two()
    write_prompts(program, {"first.react": f"## Tool `look_up`\n{RULE}"}, ("tools",))
    texts = text_paths(program)
    assert texts["first.react.tools.look_up"].strip() == RULE
    assert texts["second.react.tools.look_up"].startswith("Looks a number up.")


def test_arguments_of_react_v2_are_told_saved_and_loaded(tmp_path):
    from dspy_dlpo import load_program

    def made():
        return dspy.ReActV2("question -> answer", tools=[look_up])

    program, path = made(), "react.tools.look_up.number"
    write_prompts(program, {"react": f"## Argument `look_up.number`\n{RULE}"}, (path,))
    assert program.tools["look_up"].args["number"]["description"] == RULE
    program.save(tmp_path / "program.json")
    assert text_paths(load_program(made(), tmp_path / "program.json"))[path] == RULE
    assert text_paths(made())[path] == ""


def test_a_tool_whose_schema_is_no_plain_data_has_no_arguments_to_describe():
    tool = dspy.Tool(look_up, args={"number": {"type": "integer", "default": object()}})
    paths = text_paths(dspy.ReAct("question -> answer", tools=[tool]))
    assert "react.tools.look_up" in paths
    assert "react.tools.look_up.number" not in paths


# --- as instructions are treated --------------------------------------------------------------------------------------


def test_the_writer_is_shown_paths_and_texts_and_told_what_the_paths_mean():
    lm = extractor_lm()
    compiled(Extractor(), lm, "instructions", "nested")
    requests = [call.user for call in asked(lm) if "edits" in call.outputs]
    assert requests
    for text in requests:
        assert "## Field `reply.items[].value`" in text
        assert OLD in text
        assert "[] stands for each item of a list" in text
        assert "ADD 3:" in text


def test_other_kinds_are_told_of_no_paths():
    lm = program_lm()
    compiled(dspy.Predict("question -> answer"), lm, "instructions", "fields")
    assert not any("stands for each item" in call.user for call in asked(lm))


def test_a_plain_run_sends_what_it_sent_before_whatever_texts_a_program_has():
    lm = extractor_lm()
    better = compiled(Extractor(), lm, "instructions")
    assert better.detailed_results.start_prompts == {"extract": "Answer the question."}
    assert not any("## Field" in call.user for call in asked(lm))


def test_frozen_text_the_learning_rate_and_the_limit_of_words_hold_inside_types():
    lm = extractor_lm()
    frozen = compiled(Extractor(), lm, PATH, frozen=(OLD,), techniques=()).detailed_results
    proposals = [each.proposal["extract"] for each in frozen.history]
    assert proposals
    assert all(OLD in each for each in proposals)
    short = compiled(Extractor(), extractor_lm(), PATH, techniques=[LearningRate(1), Regularization(8)])
    reasons = [each.reason for record in short.detailed_results.history for each in record.dropped]
    assert any("8 words" in each or "grow past" in each for each in reasons)
    assert text_paths(short)[PATH] == OLD


def test_no_example_is_copied_into_a_type():
    copied = "Which is number 2 in the long list of all the numbers that we ever had?"
    train = [dspy.Example(question=copied.replace("2", each.answer), answer=each.answer) for each in TRAIN]
    lm = extractor_lm()
    lm._engine_spec.replies = {
        **lm._engine_spec.replies,
        "edits": lambda c: json.dumps([{"op": "add", "at": 2, "text": copied, "why": "as asked"}]),
    }
    result = (
        optimizer(lm, PATH)
        .compile(Extractor(), trainset=[each.with_inputs("question") for each in train], valset=VAL)
        .detailed_results
    )
    assert [each for record in result.history for each in record.dropped]
    assert copied not in result.best_prompts["extract"]


def test_a_run_is_gone_on_with_and_reported_and_is_another_with_other_paths(tmp_path):
    whole = compiled(Extractor(), extractor_lm(), "nested", log_dir=tmp_path / "whole").detailed_results
    cut = {"budget": Budget(40), "log_dir": tmp_path / "cut"}
    compiled(Extractor(), extractor_lm(), "nested", **cut)
    again = compiled(Extractor(), extractor_lm(), "nested", log_dir=tmp_path / "cut").detailed_results
    assert again.best_prompts == whole.best_prompts
    assert again.best_prompts == DLPOResult.load(tmp_path / "cut").best_prompts
    again.to_html(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "reply.items[].value" in page
    assert RULE in page
    with pytest.raises(Exception, match="parameters"):
        compiled(Extractor(), extractor_lm(), PATH, log_dir=tmp_path / "cut")


def test_the_estimate_counts_what_the_writer_is_shown():
    def tokens(*kinds):
        return optimizer(extractor_lm(), *kinds).estimate(Extractor(), trainset=TRAIN, valset=VAL).tokens.high

    assert tokens("instructions", "nested") > tokens("instructions")


def test_a_copy_for_another_prompt_is_made_with_all_of_its_texts():
    copies, kinds = EvaluationCopies(agent(), ("tools", "instructions")), ("tools", "instructions")
    start = read_prompts(agent(), kinds)
    for text in (RULE, "Something else."):
        prompts = {**start, "react": start["react"].replace("Looks a number up.", text)}
        assert read_prompts(copies.get(prompts, 0), kinds) == prompts


def test_scores_of_the_test_set_are_taken_with_these_texts():
    from dspy_dlpo.run.claim import score_on_test

    lm, student = extractor_lm(), Extractor()
    result = compiled(student, lm, PATH).detailed_results
    with dspy.context(lm=lm):
        assert score_on_test(student, result, right, examples(range(40, 52))).best == 1.0

"""Images, sound, files and bytes are told in words, by their content, wherever they stand."""

import base64
import dataclasses
import json
import subprocess
import sys

import dspy
import pydantic
import pytest
from scripted import engine, fields, scripted_lm

from dspy_dlpo import Budget, DLPOTeleprompter
from dspy_dlpo.host.media import without_media
from dspy_dlpo.host.values import as_text


def uri(content: bytes, form: str = "image/png") -> str:
    return f"data:{form};base64,{base64.b64encode(content * 60).decode()}"


def picture(content: bytes) -> dspy.Image:
    return dspy.Image(url=uri(content))


class Page(pydantic.BaseModel):
    title: str
    scan: dspy.Image
    more: list[dspy.Image] = []
    raw: bytes = b""


@dataclasses.dataclass
class Card:
    name: str
    front: dspy.Image


class Picture:
    """A picture of another library: its text is its place in memory."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def tobytes(self) -> bytes:
        return self.content


class Letter(dspy.Type):
    """A type of a user's own, which is text."""

    body: str

    def format(self):
        return [{"type": "text", "text": self.body}]


class Scan(dspy.Type):
    """A type of a user's own, which is none."""

    page: int
    data: str

    def format(self):
        return [{"type": "scan", "page": self.page, "data": self.data}]


HOLDERS = {
    "alone": picture,
    "in a list": lambda content: [picture(content)],
    "in a tuple": lambda content: (picture(content), 1),
    "in a dict": lambda content: {"a": {"b": [picture(content)]}},
    "in an object": lambda content: Page(title="Cats", scan=picture(content)),
    "in a list of an object": lambda content: Page(title="Cats", scan=picture(b"same"), more=[picture(content)]),
    "in objects in a list": lambda content: [Page(title="Cats", scan=picture(content))],
    "in objects deep inside": lambda content: {"a": {"b": [Page(title="Cats", scan=picture(content))]}},
    "in a dataclass": lambda content: [Card("Cats", picture(content))],
    "beside bytes": lambda content: Page(title="Cats", scan=picture(content), raw=b"\xff\x00"),
    "bytes of an object": lambda content: Page(title="Cats", scan=picture(b"same"), raw=b"\xff" + content),
    "in a history": lambda content: dspy.History(messages=[{"q": picture(content), "a": "Cats"}]),
    "sound": lambda content: {"a": dspy.Audio(data=base64.b64encode(content * 90).decode(), audio_format="wav")},
    "a file": lambda content: [dspy.File(file_data=uri(content, "application/pdf"), filename="a.pdf")],
    "an address": lambda content: [dspy.Image(url=f"https://host/{content.decode()}.png")],
    "a type of one's own": lambda content: [Scan(page=1, data=base64.b64encode(content * 300).decode())],
    "bytes": lambda content: [b"\xff" + content],
    "an address of data in text": lambda content: f"see {uri(content)} there",
    "base64 in text": lambda content: {"image": base64.b64encode(content * 300).decode()},
    "base64 in lines": lambda content: base64.encodebytes(content * 300).decode(),
    "another library's": Picture,
}


@pytest.mark.parametrize("holder", HOLDERS)
def test_other_content_has_other_text_and_equal_content_the_same(holder):
    make = HOLDERS[holder]
    one, again, other = (as_text({"x": make(content)})["x"] for content in (b"fi1St", b"fi1St", b"oT2er"))
    assert one == again
    assert one != other
    assert len(one) < 250
    assert not any(base64.b64encode(content * 60).decode()[:40] in one for content in (b"fi1St", b"same"))


def test_what_stands_beside_an_image_is_shown():
    shown = as_text({"page": Page(title="Cats", scan=picture(b"x"), raw=b"\xff")})["page"]
    assert json.loads(shown)["title"] == "Cats"
    assert json.loads(shown)["scan"].startswith("[Image image/png, 60 bytes, #")


def test_an_image_has_one_text_wherever_it_stands():
    alone = as_text({"x": picture(b"x")})["x"]
    assert alone in as_text({"x": [Page(title="Cats", scan=picture(b"x"))]})["x"]


def test_a_type_that_is_text_is_shown_as_text():
    assert as_text({"x": Letter(body="Dear cat")}) == {"x": "Dear cat"}
    assert as_text({"x": [Letter(body="Dear cat")]}) == {"x": '["Dear cat"]'}


def test_no_password_or_signature_of_an_address_shows():
    shown = as_text({"x": dspy.Image(url="https://me:secret@host/cat.png?sig=s3cr3t")})["x"]
    assert shown.startswith("[Image https://host/cat.png, #")


@pytest.mark.parametrize("text", ["ACGT" * 200, "0123456789abcdef" * 40, "word " * 200, "A1b-" * 20, "x" * 3000])
def test_text_stays_text(text):
    assert without_media(text) == text


def test_a_mark_of_dspys_in_a_text_is_told_and_harmless():
    text = "<<CUSTOM-TYPE-START-IDENTIFIER>>junk<<CUSTOM-TYPE-END-IDENTIFIER>>"
    assert as_text({"x": text})["x"].startswith("[no text, 4 bytes, #")


def test_an_object_without_a_text_of_its_own_has_one_text_in_every_process():
    program = (
        "import dspy; from dspy_dlpo.host.values import as_text\nclass A: pass\nprint(as_text({'x': [A()], 'y': A()}))"
    )
    said = {subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout for _ in range(2)}
    assert said == {"{'x': '[<__main__.A object>]', 'y': '<__main__.A object>'}\n"}


@pytest.mark.parametrize("critic", [True, False])
def test_no_image_goes_into_a_request_to_the_prompt_model_or_to_disk(tmp_path, critic):
    def answer(system: str, user: str) -> str:
        return fields(critique="Names are missing.", edits="[]", label="none")

    def metric(example, prediction, trace=None):
        said = f"wrong, see {uri(b'expected')}"
        return dspy.Prediction(score=0.0, feedback=said)

    lm = scripted_lm(answer)
    program = dspy.Predict(dspy.Signature({"page": (Page, dspy.InputField()), "label": (str, dspy.OutputField())}))
    pages = [Page(title=f"Page {i}", scan=picture(f"scan{i}".encode())) for i in range(12)]
    data = [dspy.Example(page=page, label=page.title).with_inputs("page") for page in pages]
    with dspy.context(lm=lm):
        optimizer = DLPOTeleprompter(
            metric, budget=Budget(metric_calls=40), log_dir=tmp_path / "run", num_threads=1, critic=critic
        )
        optimizer.compile(program, trainset=data[:6], valset=data[6:])
    critics = [user for system, user in engine(lm).asked if "[[ ## critique ## ]]" in system]
    writers = [user for system, user in engine(lm).asked if not system]
    assert (bool(critics), bool(writers)) == (critic, True)
    asked = [*critics, *writers, *(user for _, user in engine(lm).asked if "[[ ## failures ## ]]" in user)]
    assert all("Page " in user and "[Image image/png, " in user for user in asked)
    written = [path.read_text() for path in (tmp_path / "run").iterdir()]
    hidden = [base64.b64encode(name * 60).decode()[:60] for name in (b"expected", b"scan0", b"scan1", b"scan5")]
    assert not any(data in text for data in hidden for text in [*asked, *written])

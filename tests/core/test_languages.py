import pytest
from hypothesis import given
from hypothesis import strategies as st
from texts import texts

from dspy_dlpo.core.edits import Edit, apply, sound
from dspy_dlpo.core.languages import KeepLanguage, written_in
from dspy_dlpo.core.sentences import count_words, split

CODES = [
    "de",
    "fr",
    "es",
    "it",
    "pt",
    "nl",
    "pl",
    "cs",
    "ru",
    "da",
    "fi",
    "hu",
    "tr",
    "zh",
    "ja",
    "ko",
    "th",
    "ar",
    "hi",
]

SENTENCES = [
    ("de", "Die Frist endet am 3. Mai.", "Nenne sie, z. B. in Tagen."),
    ("de", "Antworte mit „Ja. Nein.“ oder gar nicht.", "Gib die Summe an, d. h. den Betrag bzw. den Rest."),
    ("de", "Seit dem 1. Januar gilt Abs. 3 des Gesetzes.", "Nenne ihn."),
    ("fr", "Réponds « Oui. Non. » à la question.", "Cite p. ex. M. Dupont."),
    ("es", "Usa p. ej. una lista.", "Contesta “Sí. No.” sin más."),
    ("ru", "Используй т. е. список.", "Сдай до 5 м.б. рублей."),
    ("ru", "Ответь «Да. Нет.» без слов.", "Закончи."),
    ("da", "Mødet er den 2. juni i Odense.", "Husk det."),
    ("no", "Fristen er 17. mai.", "Svar kort."),
    ("fi", "Kokous on 3. toukokuuta klo 12.", "Tule ajoissa."),
    ("hu", "A határidő 3. május.", "Írj röviden."),
    ("cs", "Sejdeme se 3. května v Praze.", "Piš krátce."),
    ("pl", "Podaj np. dwa przykłady.", "Zob. str. 3 regulaminu."),
    ("hi", "प्रश्न का उत्तर दें।", "संक्षेप में लिखें।"),
    ("ur", "سوال کا جواب دیں۔", "مختصر لکھیں۔"),
    ("ar", "هل فهمت السؤال؟", "اختصر."),
    ("el", "Ποια είναι η ερώτηση;", "Απάντησε."),
    ("km", "ឆ្លើយសំណួរ។", "សរសេរខ្លី។"),
    ("my", "မေးခွန်းကိုဖြေပါ။", "တိုတိုရေးပါ။"),
    ("am", "ጥያቄውን መልስ።", "አጭር ጻፍ።"),
]
UNSPACED = [
    ("ja", "「はい。いいえ。」と答えてください。", "次に進む。"),
    ("zh", "回答“是。否。”即可。", "然后结束。"),
    ("zh", "回答「是。否。」即可！", "然后结束。"),
]


@pytest.mark.parametrize(("code", "first", "second"), SENTENCES)
def test_sentences_end_by_the_rules_of_their_language(code: str, first: str, second: str) -> None:
    with written_in([code]):
        assert split(f"{first} {second}") == (f"{first} ", second)
        assert split(f"{first}\n{second}") == (f"{first}\n", second)


@pytest.mark.parametrize(("code", "first", "second"), UNSPACED)
def test_no_sentence_ends_inside_a_quotation_where_no_spaces_are_written(code: str, first: str, second: str) -> None:
    with written_in([code]):
        assert split(first + second) == (first, second)


def test_short_lines_of_a_script_without_capitals_are_lines_of_their_own() -> None:
    with written_in(["zh"]):
        assert split("请分类\n输出标签") == ("请分类\n", "输出标签")


@given(texts, st.lists(st.sampled_from(["en", *CODES]), max_size=3))
def test_joining_the_sentences_of_any_languages_gives_the_text_back(text: str, codes: list[str]) -> None:
    with written_in(codes):
        assert "".join(split(text)) == text


def test_english_is_the_rule_where_nothing_is_said_and_again_afterwards() -> None:
    text = "Er kommt am 3. Mai z. B. nach Köln."
    before = split(text)
    with written_in(["de"]):
        assert split(text) == (text,)
    assert split(text) == before
    with written_in([]):
        assert split(text) == before


def test_a_sentence_of_another_language_changes_no_other_sentence() -> None:
    german = "Die Frist endet am 3. Mai. Nenne sie, z. B. in Tagen. "
    with written_in(["de"]):
        assert split(f"{german}Always answer in the language of the question, please.")[:2] == split(german)


def test_in_two_languages_a_sentence_ends_only_where_it_does_in_both() -> None:
    text = "Er kommt am 3. Mai. Ask Mr. Smith. Then stop."
    with written_in(["de", "en"]):
        assert split(text) == ("Er kommt am 3. Mai. ", "Ask Mr. Smith. ", "Then stop.")


def test_edits_are_of_the_sentences_of_the_language_in_force() -> None:
    prompt = "Die Frist endet am 3. Mai. Sei kurz."
    with written_in(["de"]):
        kept, _ = sound((Edit("delete", 1),), prompt)
        assert apply(kept, prompt) == "Die Frist endet am 3. Mai. "


@pytest.mark.parametrize(
    ("english", "other"),
    [
        (
            "Answer the question in one word, and give the reason in one sentence.",
            "用一个词回答问题，并用一句话说明理由。",
        ),
        ("Answer the question in one word, and give the reason.", "質問に一語で答え、理由を述べてください。"),
        ("Answer the question in one word, and give the reason.", "ตอบคำถามด้วยคำเดียวและให้เหตุผล"),
        ("Answer the question in one word, and give the reason.", "질문에 한 단어로 답하고 이유를 쓰세요."),
        ("Answer the question in one word, and give the reason.", "Soruyu tek kelimeyle yanıtla ve nedenini yaz."),
        ("Answer the question in one word, and give the reason.", "Vastaa kysymykseen yhdellä sanalla ja perustele."),
    ],
)
def test_a_prompt_and_its_translation_have_about_as_many_words(english: str, other: str) -> None:
    assert 0.5 <= count_words(other) / count_words(english) <= 1.5


def test_an_edit_in_another_language_is_dropped_with_the_reason() -> None:
    rule = KeepLanguage(("de",), ("German",), lambda text: "French" if "oui" in text else "")
    edits = (Edit("add", 0, "Sag ja."), Edit("add", 1, "Dis oui."), Edit("delete", 0))
    kept, dropped = rule.admit(edits, "Antworte.")
    assert kept == (edits[0], edits[2])
    assert [each.reason for each in dropped] == ["it is written in French, the prompt is not"]
    assert "German" in rule.text
    assert KeepLanguage().text == ""

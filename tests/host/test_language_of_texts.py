import subprocess
import sys

import pytest

from dspy_dlpo.host import languages
from dspy_dlpo.host.languages import foreign_language, keep_language, language_of_examples, languages_of

PROMPTS = {
    "de": "Extrahiere den Rechnungsbetrag aus dem Text. Gib nur die Zahl aus.",
    "fr": "Classe le message du client. Réponds par une seule étiquette.",
    "es": "Clasifica el mensaje del cliente. Responde solo con la etiqueta.",
    "it": "Classifica il messaggio del cliente. Rispondi solo con l'etichetta.",
    "pt": "Classifique a mensagem do cliente. Responda apenas com a etiqueta.",
    "nl": "Beantwoord de vraag van de klant. Geef alleen het antwoord.",
    "sv": "Besvara kundens fråga kortfattat. Skriv bara svaret.",
    "pl": "Odpowiedz na pytanie klienta. Podaj tylko liczbę.",
    "cs": "Odpověz na otázku zákazníka. Uveď pouze číslo.",
    "ru": "Классифицируй сообщение клиента. Ответь одним словом.",
    "uk": "Дай відповідь на запитання клієнта. Пиши коротко.",
    "tr": "Müşterinin sorusunu yanıtla. Yalnızca etiketi yaz.",
    "fi": "Vastaa asiakkaan kysymykseen. Kirjoita vain vastaus.",
    "hu": "Válaszolj az ügyfél kérdésére. Csak a számot írd le.",
    "zh": "请对客户的消息进行分类。只回答标签。",
    "ja": "顧客の質問に答えてください。数字だけを書いてください。",
    "ko": "고객의 질문에 답하세요. 숫자만 쓰세요.",
    "th": "ตอบคำถามของลูกค้า เขียนเฉพาะตัวเลข",
    "ar": "أجب عن سؤال العميل. اكتب الرقم فقط.",
    "he": "ענה על שאלת הלקוח. כתוב רק את המספר.",
    "hi": "ग्राहक के प्रश्न का उत्तर दें। केवल संख्या लिखें।",
    "en": "Answer the customer's question. Be brief.",
}
ENGLISH_EDITS = [
    "Write the number in digits.",
    "Always answer in one word, and never explain the reason for it.",
    "Use label REFUND_REQUEST for refunds.",
    "Return JSON: {label: red}.",
    "Think step by step before answering.",
    "Classify messages on late parcels as shipping.",
]


@pytest.mark.parametrize(("code", "prompt"), PROMPTS.items())
def test_the_language_of_a_prompt_is_found(code: str, prompt: str) -> None:
    assert languages_of(prompt) == (code,)


@pytest.mark.parametrize(("code", "prompt"), PROMPTS.items())
def test_a_prompts_own_language_is_never_foreign(code: str, prompt: str) -> None:
    assert foreign_language(prompt, (code,)) == ""


@pytest.mark.parametrize("text", ENGLISH_EDITS)
def test_no_english_edit_is_foreign_to_an_english_prompt(text: str) -> None:
    assert foreign_language(text, ("en",)) == ""


@pytest.mark.parametrize(("code", "prompt"), [each for each in PROMPTS.items() if each[0] != "en"])
def test_a_sentence_in_another_language_is_foreign(code: str, prompt: str) -> None:
    assert foreign_language(prompt, ("en",)) != ""
    assert foreign_language(ENGLISH_EDITS[1], (code,)) == "English"


@pytest.mark.parametrize(
    "text",
    [
        "Antwort: REFUND",
        "`return the answer with the label`",
        "Verwende „the answer is yes“ nie.",
        "Schreibe «Je ne sais pas, merci beaucoup» nur auf Französisch.",
        "next_tool_name, next_tool_args",
        "OK.",
        "customer_support_request_label",
        "",
    ],
)
def test_names_labels_code_and_quotations_pass(text: str) -> None:
    assert foreign_language(text, ("de",)) == ""


def test_a_prompt_in_two_languages_has_both() -> None:
    mixed = f"{PROMPTS['de']}\n\nAlways give the reason for your answer in one short sentence, and nothing else."
    assert set(languages_of(mixed)) == {"de", "en"}
    assert foreign_language(ENGLISH_EDITS[1], languages_of(mixed)) == ""
    assert foreign_language(PROMPTS["ru"], languages_of(mixed)) == "Russian"


def test_examples_tell_where_the_prompt_is_too_short() -> None:
    assert languages_of("text -> label", [PROMPTS["fr"]]) == ("fr",)
    assert languages_of("Answer the question.", [PROMPTS["fr"]]) == ("en",)
    assert languages_of("", []) == ("en",)


def test_the_writer_is_told_the_language_unless_prompt_and_examples_are_english() -> None:
    english, french = PROMPTS["en"], [PROMPTS["fr"]]
    assert keep_language(english, ["What is the sum of these numbers?"]).text == ""
    assert "English" in keep_language(english, french).text
    assert "German" in keep_language(PROMPTS["de"], french).text
    assert language_of_examples(["12 + 4", "7 - 3"]) == ""


def test_plain_english_is_told_without_loading_the_model() -> None:
    code = (
        "from dspy_dlpo.host.languages import keep_language; import sys; "
        "keep_language('Answer the question. Be brief.', ['What is the number of the house?']); "
        "sys.exit('py3langid' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_full_disk_for_temporary_files_is_told_and_ends_nothing(monkeypatch, caplog) -> None:
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("py3langid.langid.LanguageIdentifier.from_model_file", full)
    for cached in (languages._identifier, languages._probabilities):
        cached.cache_clear()
    try:
        assert foreign_language(PROMPTS["ru"], ("en",)) == ""
        assert languages_of(PROMPTS["ru"]) == ("en",)
    finally:
        for cached in (languages._identifier, languages._probabilities):
            cached.cache_clear()
    assert len(caplog.records) == 1
    assert "No space left" in caplog.text
    assert "TMPDIR" in caplog.text


def test_a_prompt_that_tells_too_little_has_no_edit_dropped() -> None:
    spanish = "Si el cliente pide que le devuelvan el dinero, el mensaje pertenece a facturación."
    assert keep_language("Clasifica el texto.", ["ticket 123: refund"]).foreign(spanish) == ""
    assert keep_language("Say the class of the thing.", []).foreign(spanish) == "Spanish"


@pytest.mark.parametrize(
    "names", ["São Paulo, Rio de Janeiro, Belo Horizonte: cidade.", "Homo sapiens, Canis lupus, Felis catus: species."]
)
def test_names_are_no_other_language(names) -> None:
    assert foreign_language(names, ("en",)) == ""

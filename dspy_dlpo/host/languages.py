"""Which language a text is written in: found by ``py3langid``, which needs no network and always says the same."""

from __future__ import annotations

import logging
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

from dspy_dlpo.core.languages import KeepLanguage
from dspy_dlpo.core.sentences import ENGLISH, count_words, split

logger = logging.getLogger(__name__)

# Names for the writer; any other language is called by its code.
NAMES = {
    "af": "Afrikaans", "am": "Amharic", "ar": "Arabic", "az": "Azerbaijani", "be": "Belarusian", "bg": "Bulgarian",
    "bn": "Bengali", "bs": "Bosnian", "ca": "Catalan", "cs": "Czech", "cy": "Welsh", "da": "Danish", "de": "German",
    "el": "Greek", "en": "English", "eo": "Esperanto", "es": "Spanish", "et": "Estonian", "eu": "Basque",
    "fa": "Persian", "fi": "Finnish", "fr": "French", "ga": "Irish", "gl": "Galician", "gu": "Gujarati",
    "he": "Hebrew", "hi": "Hindi", "hr": "Croatian", "hu": "Hungarian", "hy": "Armenian", "id": "Indonesian",
    "is": "Icelandic", "it": "Italian", "ja": "Japanese", "ka": "Georgian", "kk": "Kazakh", "km": "Khmer",
    "kn": "Kannada", "ko": "Korean", "la": "Latin", "lb": "Luxembourgish", "lo": "Lao", "lt": "Lithuanian",
    "lv": "Latvian", "mk": "Macedonian", "ml": "Malayalam", "mn": "Mongolian", "mr": "Marathi", "ms": "Malay",
    "mt": "Maltese", "my": "Burmese", "ne": "Nepali", "nl": "Dutch", "no": "Norwegian", "pa": "Punjabi",
    "pl": "Polish", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "si": "Sinhala", "sk": "Slovak",
    "sl": "Slovenian", "sq": "Albanian", "sr": "Serbian", "sv": "Swedish", "sw": "Swahili", "ta": "Tamil",
    "te": "Telugu", "th": "Thai", "tl": "Tagalog", "tr": "Turkish", "uk": "Ukrainian", "ur": "Urdu", "uz": "Uzbek",
    "vi": "Vietnamese", "zh": "Chinese", "zu": "Zulu",
}  # fmt: skip
# Varieties that the library tells apart and a writer need not.
_VARIETIES = {
    "an": "es", "ary": "ar", "arz": "ar", "ext": "es", "grc": "el", "hbo": "he", "nn": "no", "pcm": "en", "uzs": "uz",
    "wuu": "zh", "yue": "zh",
}  # fmt: skip
# Words of English that no other language has, one in twelve of which makes a text English without a closer look. That
# is a matter of time alone: the library's model takes a second to load, and short runs never need it.
_ENGLISH_WORD = re.compile(
    r"\b(?:the|and|with|this|that|these|your|you|which|should|what|when|must|each|from|given|into|does|their|if|then|"
    r"only|every|always|never|before|write|answer|without|they)\b",
    re.IGNORECASE,
)
_WORDS_PER_ENGLISH = 12
# What says nothing of a language: code, holes, field markers, addresses, quotations, identifiers, labels in capitals.
_NO_LANGUAGE = re.compile(
    r"```.*?```|~~~.*?~~~|`[^`\n]*`|\{\{.*?\}\}|\{%.*?%\}|\{[^{}\n]*\}|\[\[ ## .*? ## \]\]|</?\w+>|\w+://\S+|\S+@\S+|"
    r"„[^“”\"]*[“”\"]|“[^”]*”|«[^»]*»|»[^«]*«|「[^」]*」|『[^』]*』|《[^》]*》|\"[^\"\n]*\"|(?<!\w)'[^'\n]*'(?!\w)|"
    r"\b\w*[_\d]\w*\b|\b[a-z]+[A-Z]\w*\b|\b[A-Z]{2,}\b",
    re.DOTALL,
)
# A prompt of which the library is less sure than this tells too little; its examples are asked, too.
_SURE_OF_PROMPT = 0.6
# A sentence, or examples, in another language than the prompt as a whole.
_SURE_OF_OTHER = 0.95
# An edit is in another language if its likeliest is, at this probability (or plainly English), and the prompt's own
# together have at most that: relatives of the right one share the rest. Of 12,000 English sentences of DSPy and of this
# package none is taken for another, of 3,000 of made-up words three are.
_SURE_OF_EDIT, _UNLIKELY = 0.5, 0.002
# With fewer words, nothing is said of an edit; with fewer letters nothing of any text.
_FEWEST_WORDS, _FEWEST_SMALL, _FEWEST_LETTERS = 4, 3, 5
# So many characters of examples are looked at.
_LOOKED_AT = 3000


def keep_language(prompt: str, examples: Sequence[str]) -> KeepLanguage:
    """The rule that a prompt's language is kept; the writer is told it unless prompt and examples are English.

    Args:
        prompt: The start prompt.
        examples: Inputs of the training set.
    """
    languages = languages_of(prompt, examples)
    is_told = languages != ENGLISH or language_of_examples(examples) not in ("", "en")
    names = tuple(NAMES.get(each, each) for each in languages) if is_told else ()
    if not _is_of(prompt, languages[0]):  # "Clasifica el texto." tells too little to drop an edit for
        return KeepLanguage(languages, names)
    return KeepLanguage(languages, names, partial(foreign_language, languages=languages))


def _is_of(prompt: str, language: str) -> bool:
    """Whether a prompt by itself is likelier in a language than in any other."""
    said = _said(prompt)
    return (language == ENGLISH[0] and _is_plain_english(said)) or _main(_probabilities(said), 0.0) == language


def languages_of(prompt: str, examples: Iterable[str] = ()) -> tuple[str, ...]:
    """The languages of a prompt: first that of the whole, then those of single sentences in another.

    Args:
        prompt: The start prompt.
        examples: Inputs, asked only where the prompt is too short to tell.

    Returns:
        ISO 639 codes; English where nothing can be told.
    """
    units = [said for unit in split(prompt) if (said := _said(unit))]
    english = [_is_plain_english(unit) for unit in units]
    if any(english) and all(plain or _says_little(unit) for unit, plain in zip(units, english, strict=True)):
        return ENGLISH
    main = _main(_probabilities(" ".join(units)), _SURE_OF_PROMPT)
    main = main or _main(_probabilities(" ".join([*units, _sample(examples)])), _SURE_OF_PROMPT) or ENGLISH[0]
    others = [_other(unit, main) for unit in units if count_words(unit) > _FEWEST_WORDS]
    return tuple(dict.fromkeys([main, *filter(None, others)]))


def language_of_examples(examples: Iterable[str]) -> str:
    """The language that inputs are surely written in; empty if that cannot be told."""
    sample = _said(_sample(examples))
    return ENGLISH[0] if _is_plain_english(sample) else _main(_probabilities(sample), _SURE_OF_OTHER)


def foreign_language(text: str, languages: Sequence[str]) -> str:
    """The name of the language that a text is surely written in, if it is none of these; empty otherwise."""
    said = _said(text)
    if count_words(said) < _FEWEST_WORDS or ("en" in languages and _is_plain_english(said)) or _lists_names(said):
        return ""
    found = _probabilities(said)
    own = sum(found.get(language, 0.0) for language in languages)
    other = _main(found, 0.0 if _is_plain_english(said) else _SURE_OF_EDIT)
    return NAMES.get(other, other) if other not in ("", "la") and own <= _UNLIKELY else ""  # names of species are Latin


def _lists_names(said: str) -> bool:
    """Whether hardly a word is written small: "São Paulo, Rio de Janeiro: cidade" says nothing of a language."""
    return count_words(" ".join(word for word in said.split() if not word[0].isupper())) < _FEWEST_SMALL


def _said(text: str) -> str:
    """What a text says in a language, white space and all else left out."""
    return " ".join(_NO_LANGUAGE.sub(" ", text).split())


def _sample(examples: Iterable[str]) -> str:
    return " ".join(list(examples)[:50])[:_LOOKED_AT]


def _is_plain_english(text: str) -> bool:
    english = len(_ENGLISH_WORD.findall(text))
    return bool(english) and english * _WORDS_PER_ENGLISH >= count_words(text)


def _main(found: Mapping[str, float], least: float) -> str:
    """The likeliest language, if it is likely enough."""
    best = max(found, key=lambda language: found[language], default="")
    return best if best and found[best] >= least else ""


def _says_little(text: str) -> bool:
    return text.isascii() and count_words(text) < _FEWEST_WORDS


def _other(unit: str, main: str) -> str:
    found = {} if main == "en" and _is_plain_english(unit) else _probabilities(unit)
    return _main(found, _SURE_OF_OTHER) if found.get(main, 0.0) <= 1 - _SURE_OF_OTHER else ""


@lru_cache(maxsize=2048)
def _probabilities(text: str) -> Mapping[str, float]:
    """The probability of each language; none for a text without enough letters."""
    if sum(map(str.isalpha, text)) < _FEWEST_LETTERS:
        return {}
    identifier, found = _identifier(), dict[str, float]()
    for language, probability in identifier.rank(text) if identifier else ():
        if language != "zxx":  # no language at all
            language = _VARIETIES.get(language, language)
            found[language] = found.get(language, 0.0) + probability
    return found


@lru_cache(maxsize=1)
def _identifier() -> Any:
    """The library's model, loaded once; None where its 15 MB find no room in the directory for temporary files."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # loads numpy, and its model takes a second

    try:
        return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    except OSError as error:
        logger.warning(
            "No language can be told, so that sentences end by English rules and edits in any language "
            "pass: %s. Free some space in %s, or set TMPDIR, and begin again.",
            error,
            tempfile.gettempdir(),
        )
        return None

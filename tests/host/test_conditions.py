"""What may be true of an input: words that stand in it, and numbers beside a word."""

from dspy_dlpo.host.conditions import conditions, in_words


def told(texts, least=1, field="text"):
    """The conditions of texts, in words, with the texts of which they are true."""
    found = conditions([{field: text} for text in texts], range(len(texts)), least)
    return {in_words([condition], alone=True): sorted(examples) for condition, examples in found.items()}


def test_a_word_is_a_condition_however_it_is_written():
    found = told(["Gold, please", "GOLD again", "silver", "gold"])
    assert found['`text` has "Gold"'] == [0, 1, 3]
    assert found['`text` has "silver"'] == [2]


def test_of_words_that_stand_in_the_same_examples_the_longest_is_told_and_no_pair():
    found = told(["a gold contract", "a new silver one", "a gold contract", "a new silver one"])
    assert found == {'`text` has "contract"': [0, 2], '`text` has "silver"': [1, 3]}


def test_a_pair_is_told_where_its_words_stand_in_other_examples_too():
    found = told(["top up now", "top it", "up now", "top up"])
    assert found['`text` has "top up"'] == [0, 3]


def test_words_of_two_sentences_make_no_pair():
    assert '`text` has "end. Start"' not in told(["the end. Start it", "nothing", "the end. Start now"])


def test_what_is_true_of_all_or_of_too_few_is_none():
    assert told(["same red", "same blue", "same red"], least=2) == {'`text` has "red"': [0, 2]}
    assert told(["one", "one"]) == {}


def test_a_question_mark_is_a_condition():
    assert told(["is it?", "it is.", "no?"])['`text` has "?"'] == [0, 2]


def test_a_number_is_told_by_the_word_before_or_after_it():
    found = told(["price: 10 EUR", "price: 250 EUR", "price: 1,200 EUR"])
    assert found['the number after "price" is above 100'] == [1, 2]
    found = told(["after 3 days", "after 30 days", "12 days"])
    assert found['the number before "days" is at most 20'] == [0, 2]


def test_a_field_that_is_a_number_needs_no_word():
    found = told(["7", "31", "12.5"], field="age")
    assert found["`age` is above 20"] == [1]
    assert found["`age` is at most 10"] == [0]


def test_numbers_by_themselves_are_no_words():
    assert told(["5 6", "5 7", "8 6"]) == {}


def test_a_limit_is_the_roundest_number_that_parts_the_values():
    found = told(["0.2 km", "0.26 km", "17 km", "18 km", "149 km", "162 km"])
    limits = {condition.split()[-1] for condition in found}
    assert limits == {"0.2", "10", "17", "100", "150"}


def test_where_there_are_several_inputs_a_number_is_told_with_the_name_of_its_own():
    (condition, *_) = conditions([{"text": "3 days"}, {"text": "30 days"}], range(2), 1)
    assert in_words([condition], alone=False) == 'the number before "days" in `text` is above 10'


def test_keys_and_what_is_written_otherwise_are_words_and_no_numbers():
    long = "1" * 400
    found = told([f"id {long} x", "id 12,34 x", "id 5 x", "id 0 x", ""])
    assert found[f'`text` has "{long}"'] == [0]
    assert found['`text` has "12,34"'] == [1]
    assert found['the number after "id" is above 0'] == [2]

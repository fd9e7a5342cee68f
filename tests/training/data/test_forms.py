from training.data.forms import surface_forms, word_count

KNOWN = frozenset(["the", "pierre", "prince", "of", "mr", "i", "and", "well", "said"])


def test_names_have_the_capital_that_they_mostly_have():
    lines = ["The prince said Pierre, and Pierre said of Mr. Pierre", "and I said I"]
    assert surface_forms(lines, KNOWN) == {"pierre": "Pierre", "mr": "Mr", "i": "I"}


def test_what_begins_a_line_or_a_sentence_does_not_count():
    assert surface_forms(["The prince. The prince! “Well said” (The end)"], KNOWN) == {}


def test_words_that_the_vocabulary_has_not_are_left_out():
    assert surface_forms(["and Natasha"], KNOWN) == {}


def test_of_equally_frequent_forms_the_lower_case_one_counts():
    assert surface_forms(["of Prince and prince"], KNOWN) == {}


def test_words_are_counted_with_marks_and_line_ends():
    assert word_count(["Well, said I.", "3.5 of"]) == 6 + 3

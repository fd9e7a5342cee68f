"""RESULTS.md: each benchmark writes its own section and leaves the others alone."""

from benchmarks.results import table, write_section


def test_a_section_is_replaced_in_its_place_and_the_others_stay(tmp_path):
    results = tmp_path / "RESULTS.md"
    for heading, body in (("First", "one"), ("Second", "two"), ("First", "three")):
        write_section(heading, command="make x", body=body, path=results)
    text = results.read_text()
    assert text.startswith("# Results\n")
    assert text.count("## First") == 1
    assert text.index("three") < text.index("## Second") < text.index("two")
    assert "one\n" not in text
    assert "`make x`" in text


def test_a_table_is_markdown():
    assert table(("a", "b"), [(1, 2.5), ("x", "y")]) == "| a | b |\n| --- | --- |\n| 1 | 2.5 |\n| x | y |"

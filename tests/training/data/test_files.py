from pathlib import Path

import pytest

from training.data.files import DataError, fingerprint, open_data, source_name


def test_a_path_is_opened_as_it_stands(tmp_path: Path):
    file = tmp_path / "load.csv"
    file.write_text("a\n1\n")
    assert open_data(str(file)) == file


def test_a_missing_file_is_refused_with_what_to_give(tmp_path: Path):
    with pytest.raises(DataError, match=r"gone\.csv does not exist: give the path of a file, or package:NAME/PATH"):
        open_data(str(tmp_path / "gone.csv"))


def test_a_folder_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match="is a folder"):
        open_data(str(tmp_path))


def test_a_file_of_an_installed_package_is_found_without_importing_it():
    assert open_data("package:numpy/__init__.py").name == "__init__.py"


def test_a_package_that_is_not_there_names_what_to_install():
    with pytest.raises(DataError, match=r"the package no_such_data is not installed: pip install no-such-data"):
        open_data("package:no_such_data/stocks.csv")


@pytest.mark.parametrize("source", ["package:numpy", "package:/x.csv", "package:numpy/../secret.csv"])
def test_a_source_that_names_no_file_of_a_package_is_refused(source: str):
    with pytest.raises(DataError, match="names no file of a package"):
        open_data(source)


def test_a_fingerprint_is_the_sha256_of_all_bytes_in_order(tmp_path: Path):
    first, second, both = tmp_path / "1", tmp_path / "2", tmp_path / "both"
    first.write_bytes(b"ab")
    second.write_bytes(b"c")
    both.write_bytes(b"abc")
    assert fingerprint(both) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert fingerprint([first, second]) == fingerprint(both)


def test_a_manifest_names_no_folder_of_this_machine():
    assert source_name("/home/somebody/load.csv") == "load.csv"
    assert source_name("package:shop/data/load.csv") == "package:shop/data/load.csv"

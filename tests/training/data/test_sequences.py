import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from training.config import ClassifyConfig
from training.data.files import DataError
from training.data.sequence_files import read_idx
from training.data.sequences import SequenceData, read_sequences


def read(file: Path, **settings: object) -> SequenceData:
    return read_sequences(ClassifyConfig.model_validate({"name": "digits", "data": str(file), **settings}), echo=lambda _: None)


def idx(file: Path, array: np.ndarray, kind: int = 0x08) -> Path:
    content = struct.pack(f">BBBB{array.ndim}I", 0, 0, kind, array.ndim, *array.shape) + array.tobytes()
    file.write_bytes(gzip.compress(content) if file.suffix == ".gz" else content)
    return file


def images(count: int) -> np.ndarray:
    """Images of 4 rows of 3, each filled with its own number."""
    return np.repeat(np.arange(count, dtype=np.uint8), 12).reshape(count, 4, 3)


def idx_pair(tmp_path: Path, count: int = 40, prefix: str = "train", classes: int = 2) -> dict[str, str]:
    labels = (np.arange(count) % classes).astype(np.uint8)
    return {
        "file": str(idx(tmp_path / f"{prefix}-images.gz", images(count))),
        "labels": str(idx(tmp_path / f"{prefix}-labels", labels)),
    }


def npz(tmp_path: Path, name: str = "waves.npz", **arrays: np.ndarray) -> Path:
    np.savez(tmp_path / name, **arrays)
    return tmp_path / name


def csv(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "flowers.csv"
    file.write_text(text)
    return file


def test_an_image_is_read_row_by_row(tmp_path: Path):
    pair = idx_pair(tmp_path)
    data = read(Path(pair["file"]), labels=pair["labels"])
    assert data.train.sequences.shape == (32, 4, 3)
    assert data.train.sequences.dtype == np.float32
    assert data.label_names == ("0", "1")
    assert (data.data.source, data.data.rows) == ("train-images.gz, train-labels", 40)
    assert data.data.description == "40 sequences of 4 rows of 3, 2 labels; 32 train, 4 validation, 4 test"


def test_splits_keep_each_label_in_proportion_and_share_no_sequence(tmp_path: Path):
    pair = idx_pair(tmp_path, count=100)
    data = read(Path(pair["file"]), labels=pair["labels"], validation=0.2, test=0.1)
    splits = (data.train, data.validation, data.test)
    assert [np.bincount(split.labels).tolist() for split in splits] == [[35, 35], [10, 10], [5, 5]]
    seen = np.concatenate([split.sequences[:, 0, 0] for split in splits])
    assert sorted(seen.tolist()) == list(range(100))
    assert all((split.sequences[:, 0, 0] % 2 == split.labels).all() for split in splits)


def test_the_seed_alone_decides_the_splits(tmp_path: Path):
    pair = idx_pair(tmp_path)
    first, same, other = (read(Path(pair["file"]), labels=pair["labels"], seed=seed).test.sequences for seed in (1, 1, 2))
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)


def test_a_test_file_of_its_own_leaves_only_validation_to_draw(tmp_path: Path):
    pair, held_out = idx_pair(tmp_path), idx_pair(tmp_path, count=10, prefix="test")
    data = read(Path(pair["file"]), labels=pair["labels"], test_data=held_out["file"], test_labels=held_out["labels"])
    assert [len(split.labels) for split in (data.train, data.validation, data.test)] == [36, 4, 10]


def test_without_shares_the_training_sequences_serve_for_all(tmp_path: Path):
    pair = idx_pair(tmp_path)
    data = read(Path(pair["file"]), labels=pair["labels"], validation=0, test=0)
    assert data.train is data.validation is data.test


def test_files_of_different_sizes_are_refused(tmp_path: Path):
    pair = idx_pair(tmp_path)
    other = npz(tmp_path, x=np.zeros((4, 5)), y=np.array([0, 1, 0, 1]))
    with pytest.raises(DataError, match="are 4 x 3 and 5 x 1: give files of one size"):
        read(Path(pair["file"]), labels=pair["labels"], test_data=str(other))


def test_an_idx_file_needs_that_of_its_labels(tmp_path: Path):
    with pytest.raises(DataError, match=r"give the IDX file of its labels too \(--labels\)"):
        read(idx(tmp_path / "images", images(4)))


def test_labels_of_another_file_are_refused(tmp_path: Path):
    pair, other = idx_pair(tmp_path), idx_pair(tmp_path, count=10, prefix="other")
    with pytest.raises(DataError, match="has 40 sequences, but there are 10 labels"):
        read(Path(pair["file"]), labels=other["labels"])


@pytest.mark.parametrize("content", [b"", b"\0\0", b"PNG!....", b"\0\0\x08\0", b"\0\0\x42\x01\0\0\0\0"])
def test_what_is_not_idx_is_refused(tmp_path: Path, content: bytes):
    file = tmp_path / "images"
    file.write_bytes(content)
    with pytest.raises(DataError, match="images is not an IDX file"):
        read_idx(file)


@pytest.mark.parametrize(("kept", "added"), [(63, b""), (64, b"x"), (7, b"")])
def test_an_idx_file_of_another_size_than_it_announces_is_refused(tmp_path: Path, kept: int, added: bytes):
    file = idx(tmp_path / "images", images(4))
    file.write_bytes(file.read_bytes()[:kept] + added)
    with pytest.raises(DataError, match=r"announces \d+ bytes .* and has \d+: fetch it again"):
        read_idx(file)


def test_a_gzip_that_is_cut_short_is_refused(tmp_path: Path):
    file = idx(tmp_path / "images.gz", images(40))
    file.write_bytes(file.read_bytes()[:30])
    with pytest.raises(DataError, match="cannot be read"):
        read_idx(file)


def test_numbers_of_idx_are_big_endian(tmp_path: Path):
    file = idx(tmp_path / "numbers", np.array([[1.5, -2]], ">f4"), kind=0x0D)
    assert read_idx(file).tolist() == [[1.5, -2.0]]


@pytest.mark.parametrize("names", [("x", "y"), ("sequences", "labels")])
def test_npz_holds_sequences_and_labels(tmp_path: Path, names: tuple[str, str]):
    file = npz(tmp_path, **{names[0]: np.arange(80.0).reshape(20, 4), names[1]: np.array(["up", "down"] * 10)})
    data = read(file)
    assert data.train.sequences.shape == (16, 4, 1)
    assert data.label_names == ("down", "up")


def test_npz_without_labels_is_refused_with_what_it_has(tmp_path: Path):
    with pytest.raises(DataError, match="has no array of labels: name it labels or y; it has x, target"):
        read(npz(tmp_path, x=np.zeros((4, 2)), target=np.zeros(4)))


def test_sequences_of_different_lengths_are_refused_with_the_remedy(tmp_path: Path):
    ragged = np.array([np.zeros(3), np.zeros(2)], object)
    with pytest.raises(DataError, match="sequences of different lengths: pad them to one length"):
        read(npz(tmp_path, x=ragged, y=np.array([0, 1])))


def test_a_file_that_only_has_the_name_of_npz_is_refused(tmp_path: Path):
    file = tmp_path / "waves.npz"
    file.write_bytes(b"PK but not a zip")
    with pytest.raises(DataError, match=r"is not a \.npz file"):
        read(file)


@pytest.mark.parametrize("wrong", [np.zeros(4), np.zeros((4, 2, 2, 2)), np.array([["a"], ["b"], ["c"], ["d"]])])
def test_sequences_that_are_not_numbers_in_rows_are_refused(tmp_path: Path, wrong: np.ndarray):
    with pytest.raises(DataError, match="save numbers as sequences x time x features"):
        read(npz(tmp_path, x=wrong, y=np.array([0, 1, 0, 1])))


def test_labels_that_are_not_whole_numbers_or_texts_are_refused(tmp_path: Path):
    with pytest.raises(DataError, match="labels are 2 x 1 of float64: save one whole number or text for each sequence"):
        read(npz(tmp_path, x=np.zeros((2, 2)), y=np.zeros((2, 1))))


def test_a_missing_number_is_refused_by_position(tmp_path: Path):
    sequences = np.zeros((4, 3, 2))
    sequences[1, 2, 0] = np.nan
    with pytest.raises(DataError, match="sequence 2: number 1 of row 3 is missing or not finite"):
        read(npz(tmp_path, x=sequences, y=np.array([0, 1, 0, 1])))


def test_a_file_without_numbers_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match="holds no numbers"):
        read(npz(tmp_path, x=np.zeros((0, 3)), y=np.zeros(0, int)))


FLOWERS = "".join(f"{number},{number + 0.5},{'rose' if number % 2 else 'iris'}\n" for number in range(20))


def test_a_csv_gives_one_number_a_row_and_its_last_column_labels(tmp_path: Path):
    data = read(csv(tmp_path, "length,width,kind\n" + FLOWERS))
    assert data.train.sequences.shape == (16, 2, 1)
    assert data.label_names == ("iris", "rose")


def test_a_csv_without_a_header_is_recognised_by_its_numbers(tmp_path: Path):
    data = read(csv(tmp_path, "".join(f"{number},{number},{number},{number},{number % 2}\n" for number in range(20))), rows=2)
    assert data.data.rows == 20
    assert data.train.sequences.shape == (16, 2, 2)


def test_the_label_column_may_stand_anywhere(tmp_path: Path):
    rows = "".join(f"{'ab'[number % 2]},{number}\n" for number in range(20))
    assert read(csv(tmp_path, "kind,size\n" + rows), label="kind").label_names == ("a", "b")


def test_numbers_that_do_not_make_equal_rows_are_refused(tmp_path: Path):
    with pytest.raises(DataError, match="has 2 columns of numbers beside 'kind': they do not make 3 equal rows"):
        read(csv(tmp_path, "length,width,kind\n" + FLOWERS), rows=3)


def test_text_among_the_numbers_is_named_by_row_and_column(tmp_path: Path):
    with pytest.raises(DataError, match=r"flowers\.csv row 3, column 'width': 'wide' is not a number"):
        read(csv(tmp_path, "length,width,kind\n1,2,a\n1,wide,b\n"))


def test_a_number_left_out_is_named_by_row_and_column(tmp_path: Path):
    with pytest.raises(DataError, match="row 3, column 'width': no number"):
        read(csv(tmp_path, "length,width,kind\n1,2,a\n1,,b\n"))


def test_a_label_left_out_is_named_by_row(tmp_path: Path):
    with pytest.raises(DataError, match="row 3, column 'kind': no label"):
        read(csv(tmp_path, "length,width,kind\n1,2,a\n1,2,\n"))


def test_a_csv_that_is_not_text_is_refused(tmp_path: Path):
    file = tmp_path / "flowers.csv"
    file.write_bytes(b"\xff\xfe\n")
    with pytest.raises(DataError, match="cannot be read as a table"):
        read(file)


def test_whole_number_labels_are_ordered_as_numbers(tmp_path: Path):
    assert read(npz(tmp_path, x=np.zeros((36, 2)), y=np.resize([10, 9, 2], 36))).label_names == ("2", "9", "10")


def test_names_are_given_to_labels_counted_from_0(tmp_path: Path):
    data = read(npz(tmp_path, x=np.zeros((20, 2)), y=np.resize([0, 2], 20)), label_names=("cat", "dog", "owl"), validation=0, test=0)
    assert data.label_names == ("cat", "dog", "owl")
    assert np.bincount(data.train.labels).tolist() == [10, 0, 10]


def test_names_set_the_order_of_labels_that_are_texts(tmp_path: Path):
    data = read(npz(tmp_path, x=np.zeros((20, 2)), y=np.resize(["low", "high"], 20)), label_names=("low", "high"), validation=0, test=0)
    assert data.train.labels[:2].tolist() == [0, 1]


def test_a_label_without_a_name_is_refused_by_sequence(tmp_path: Path):
    with pytest.raises(DataError, match="label 'owl' of sequence 3 is none of cat, dog"):
        read(npz(tmp_path, x=np.zeros((3, 2)), y=np.array(["cat", "dog", "owl"])), label_names=("cat", "dog"))


def test_one_label_alone_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match="every label is '3': a classifier needs at least two"):
        read(npz(tmp_path, x=np.zeros((3, 2)), y=np.full(3, 3)))


def test_too_few_sequences_to_split_are_refused(tmp_path: Path):
    with pytest.raises(DataError, match="4 sequences are too few for the shares of validation and test"):
        read(npz(tmp_path, x=np.zeros((4, 2)), y=np.array([0, 1, 0, 1])))


def test_a_folder_of_the_four_mnist_files_is_read_as_one_data_set(tmp_path):
    for name, count in (("train", 40), ("t10k", 10)):
        images = np.random.default_rng(count).integers(0, 256, (count, 4, 3), np.uint8)
        labels = np.arange(count, dtype=np.uint8) % 2
        header = struct.pack(">BBBB3I", 0, 0, 8, 3, count, 4, 3)
        (tmp_path / f"{name}-images-idx3-ubyte").write_bytes(header + images.tobytes())
        (tmp_path / f"{name}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(struct.pack(">BBBBI", 0, 0, 8, 1, count) + labels.tobytes()))
    read = read_sequences(ClassifyConfig(name="digits", data=str(tmp_path)), echo=lambda _line: None)
    assert read.train.sequences.shape[1:] == (4, 3)
    assert len(read.test.labels) == 10
    assert len(read.train.labels) + len(read.validation.labels) == 40


def test_a_folder_without_them_says_which_is_missing(tmp_path):
    with pytest.raises(DataError, match=r"has no train-images-idx3-ubyte or train-images-idx3-ubyte\.gz"):
        read_sequences(ClassifyConfig(name="digits", data=str(tmp_path)), echo=lambda _line: None)

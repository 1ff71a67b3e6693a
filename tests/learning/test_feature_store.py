import errno
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nucloop.errors import DataError
from nucloop.learning import feature_files
from nucloop.learning.feature_store import FeatureStore, StoreConfig
from nucloop.learning.id_index import IdIndex

F = 4
ENCODER = "ab" * 32


def ids(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def vectors(first: float, count: int) -> np.ndarray:
    return (first + np.arange(count * F, dtype=np.float32)).reshape(count, F)


def open_store(folder: Path, encoder: str = ENCODER, **config: int) -> FeatureStore:
    return FeatureStore(folder, encoder, F, StoreConfig(**config))


def test_features_come_back_by_id_also_after_reopening(tmp_path):
    with open_store(tmp_path) as store:
        assert store.put(ids(7, 3, 900_000_000_000), vectors(0, 3)) == 3
    with open_store(tmp_path) as store:
        found, here = store.get(ids(900_000_000_000, 5, 7))

        np.testing.assert_array_equal(here, [True, False, True])
        np.testing.assert_array_equal(found, vectors(0, 3)[[2, 0]])
        np.testing.assert_array_equal(store.missing(ids(5, 3, 6)), [5, 6])
        np.testing.assert_array_equal(store.ids(), [3, 7, 900_000_000_000])
        assert (len(store), store.dropped) == (3, 0)


def test_newer_features_of_an_id_replace_the_older_ones(tmp_path):
    with open_store(tmp_path) as store:
        store.put(ids(1, 2), vectors(0, 2))
        store.put(ids(2, 3), vectors(100, 2))
        np.testing.assert_array_equal(store.get(ids(1, 2))[0], [vectors(0, 1)[0], vectors(100, 1)[0]])


def test_forgotten_features_stay_forgotten(tmp_path):
    with open_store(tmp_path) as store:
        store.put(ids(1, 2), vectors(0, 2))
        store.forget(ids(2, 99))
    with open_store(tmp_path) as store:
        np.testing.assert_array_equal(store.ids(), [1])
        store.put(ids(2), vectors(50, 1))
        np.testing.assert_array_equal(store.ids(), [1, 2])


def test_another_encoders_features_are_never_mixed_in(tmp_path):
    with open_store(tmp_path) as store:
        store.put(ids(1), vectors(0, 1))
    with open_store(tmp_path, "cd" * 32) as other:
        assert len(other) == 0


def test_features_of_another_length_under_one_name_start_afresh(tmp_path):
    with open_store(tmp_path) as store:
        store.put(ids(1), vectors(0, 1))
    with FeatureStore(tmp_path, ENCODER, F + 1) as store:
        assert len(store) == 0


@pytest.mark.parametrize("name", ["rows-1", "ids-1", "blocks-1"])
def test_a_torn_tail_is_noticed_and_dropped(tmp_path, name):
    with open_store(tmp_path) as store:
        store.put(ids(1, 2), vectors(0, 2))
        store.put(ids(3, 4), vectors(20, 2))
    torn = tmp_path / ENCODER[:16] / name
    os.truncate(torn, torn.stat().st_size - 1)

    with open_store(tmp_path) as store:
        np.testing.assert_array_equal(store.ids(), [1, 2])
        store.put(ids(4), vectors(60, 1))
    with open_store(tmp_path) as store:
        np.testing.assert_array_equal(store.get(ids(1, 2, 4))[0], [*vectors(0, 2), *vectors(60, 1)])


def test_a_tail_of_zeros_is_not_taken_for_features(tmp_path):
    with open_store(tmp_path) as store:
        store.put(ids(1), vectors(0, 1))
        store.put(ids(2), vectors(20, 1))
    rows = tmp_path / ENCODER[:16] / "rows-1"
    data = rows.read_bytes()
    rows.write_bytes(data[: 2 * F] + bytes(2 * F))

    with open_store(tmp_path) as store:
        np.testing.assert_array_equal(store.ids(), [1])
        assert store.dropped == 1


def test_compacting_keeps_what_is_asked_for_and_frees_the_rest(tmp_path):
    with open_store(tmp_path) as store:
        for k in range(10):
            store.put(ids(1, 2, 3 + k), vectors(10 * k, 3))
        before = store.nbytes
        store.compact(keep=ids(12, 1, 77))
        assert store.nbytes < before
        np.testing.assert_array_equal(store.get(ids(1, 12))[0], vectors(90, 3)[[0, 2]])
        store.put(ids(5), vectors(1, 1))
    with open_store(tmp_path) as store:
        np.testing.assert_array_equal(store.ids(), [1, 5, 12])
        assert len(list((tmp_path / ENCODER[:16]).iterdir())) == 4


def test_what_a_broken_off_compaction_left_is_swept_away(tmp_path):
    with open_store(tmp_path) as store:
        store.put(ids(1), vectors(0, 1))
    (tmp_path / ENCODER[:16] / "rows-2").write_bytes(b"half")
    with open_store(tmp_path) as store:
        np.testing.assert_array_equal(store.get(ids(1))[0], vectors(0, 1))
        assert not (tmp_path / ENCODER[:16] / "rows-2").exists()


def test_the_store_stays_within_its_setting(tmp_path):
    rows = np.zeros((40_000, F), np.float32)
    with open_store(tmp_path, "cd" * 32, max_bytes=1_000_000) as other:
        assert other.put(np.arange(1, 40_001), rows) == 40_000
    with open_store(tmp_path, max_bytes=1_000_000) as store:
        # the other encoder's features make room
        assert store.put(np.arange(1, 40_001), rows) == 40_000
        assert not (tmp_path / ("cd" * 8)).exists()
        # outdated rows make room
        assert store.put(np.arange(1, 20_001), rows[:20_000]) == 20_000
        assert store.put(np.arange(1, 20_001), rows[:20_000]) == 20_000
        # nothing is left that could
        kept = store.put(np.arange(100_001, 140_001), rows)
        assert 0 < kept < 40_000
        assert store.nbytes <= 1_000_000
        assert store.put(ids(999_999), rows[:1]) <= 1


def test_a_full_disk_is_a_sentence_and_changes_nothing(tmp_path, monkeypatch):
    with open_store(tmp_path) as store:
        store.put(ids(1), vectors(0, 1))
        whole = feature_files._append

        def disk_full(path: Path, data: bytes) -> None:
            if path.name.startswith("ids"):
                raise OSError(errno.ENOSPC, "No space left on device")
            whole(path, data)

        monkeypatch.setattr(feature_files, "_append", disk_full)
        with pytest.raises(DataError, match=r"Cannot keep features in .*No space left.*Make room"):
            store.put(ids(2), vectors(9, 1))
        monkeypatch.undo()
        np.testing.assert_array_equal(store.ids(), [1])
        store.put(ids(3), vectors(30, 1))
    with open_store(tmp_path) as store:
        np.testing.assert_array_equal(store.get(ids(1, 3))[0], [*vectors(0, 1), *vectors(30, 1)])


def test_a_place_that_is_a_file_is_a_sentence(tmp_path):
    (tmp_path / "features").write_text("no folder")
    with pytest.raises(DataError, match="Cannot keep features"):
        open_store(tmp_path / "features")


def test_large_values_are_kept_as_the_largest_that_fit(tmp_path):
    with open_store(tmp_path) as store:
        store.put(ids(1), np.full((1, F), -1e9, np.float32))
        assert np.isfinite(store.get(ids(1))[0]).all()
        with pytest.raises(ValueError, match="finite"):
            store.put(ids(2), np.full((1, F), np.nan))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 12), st.integers(-1, 50)), max_size=30))
def test_the_index_is_a_dictionary(steps):
    index, expected = IdIndex(), {}
    scale = 3_000_000_000
    for k, (number, row) in enumerate(steps):
        key = number * (scale if number % 2 else 1)
        index.put(ids(key), ids(row))
        expected[key] = row
        if row < 0:
            del expected[key]
        assert len(index) == len(expected), k
    np.testing.assert_array_equal(index.ids(), sorted(expected))
    np.testing.assert_array_equal(index.find(index.ids()), [expected[k] for k in sorted(expected)])


def test_the_index_grows_with_the_ids():
    index = IdIndex()
    index.put(ids(3_000_000), ids(5))
    index.put(np.arange(1, 1_000_001), np.arange(1_000_000))
    index.put(ids(4_000_000), ids(6))
    np.testing.assert_array_equal(index.find(ids(3_000_000, 4_000_000, 17, 2_999_999)), [5, 6, 16, -1])
    assert len(index) == 1_000_002

import resource
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from pipeline.reading.kept import Kept, in_file
from pipeline.reading.residual import Pooled

BATCHES = [[3, 1], [4, 0], [2]]
SHAPES = ((5, 2, 3, 4), (5, 2, 3), (5, 2, 4))


@pytest.fixture
def room():
    return Pooled(*(np.broadcast_to(like, shape) for like, shape in zip(map(np.zeros, ((),) * 3, "f?f"), SHAPES, strict=True)))


@pytest.fixture
def whole(rng):
    a, b, c = (rng.standard_normal(shape) for shape in SHAPES)
    return Pooled(a.astype(np.float32), b > 0, c.astype(np.float32))


def batch_of(whole, number):
    return Pooled(*(array[BATCHES[number]] for array in whole))


def test_every_text_comes_to_its_place_and_another_process_finds_it(tmp_path, room, whole):
    kept = Kept(tmp_path / "x", room, BATCHES)
    assert not any(map(kept.has, range(3)))
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(lambda number: kept.put(number, batch_of(whole, number)), (2, 0, 1)))
    again = Kept(tmp_path / "x", room, BATCHES)
    assert all(map(again.has, range(3)))
    assert all(map(np.array_equal, again.arrays, whole))
    assert {p.suffix for p in (tmp_path / "x").iterdir()} == {".raw", ".crc"}


def test_nan_is_kept(tmp_path, room, whole):
    whole.activation[1, 0] = np.nan
    kept = Kept(tmp_path, room, BATCHES)
    kept.put(0, batch_of(whole, 0))
    assert kept.has(0)
    assert np.isnan(kept.arrays.activation[1, 0]).all()


def test_what_is_not_as_it_was_kept_is_not_there(tmp_path, room, whole):
    kept = Kept(tmp_path / "x", room, BATCHES)
    for number in range(3):
        kept.put(number, batch_of(whole, number))
    kept.arrays.finite[4, 1, 2] ^= True
    kept.arrays.embedding[2, 0, 0] += 1
    assert [kept.has(number) for number in range(3)] == [True, False, False]
    (tmp_path / "x").rename(tmp_path / "y")  # as if another run's
    assert not Kept(tmp_path / "y", room, BATCHES).has(0)


@pytest.mark.parametrize("content", [b"", b"\0" * 30, b"\0" * 4000])
def test_a_file_of_another_length_is_made_whole(tmp_path, room, whole, content):
    Kept(tmp_path, room, BATCHES).put(0, batch_of(whole, 0))
    (tmp_path / "activation.raw").write_bytes(content)
    kept = Kept(tmp_path, room, BATCHES)
    assert not kept.has(0)
    kept.put(0, batch_of(whole, 0))
    assert Kept(tmp_path, room, BATCHES).has(0)


def test_a_full_disk_says_so_before_anything_is_read(tmp_path, room):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            Kept(tmp_path, room, BATCHES)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_an_array_in_a_file_takes_its_whole_length_at_once(tmp_path):
    with (tmp_path / "x").open("w+b") as file:
        array = in_file(file, np.broadcast_to(np.float32(0), (1000, 7)))
        assert array.shape == (1000, 7)
        assert (tmp_path / "x").stat().st_blocks * 512 >= 28000

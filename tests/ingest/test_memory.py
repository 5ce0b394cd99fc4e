"""The memory's watermark: where it lies, and what counts."""

import os
from pathlib import Path

import pytest

from ingest.memory import MemoryWatch, memory_max_bytes, rss_bytes, shard_rss_bytes
from tests.ingest.raw_http import until
from tests.ingest.serving import serving

GIB = 1 << 30


def system(folder: Path, cgroup: str, **limits: str) -> tuple[Path, Path]:
    """Lay out a machine of 8 GiB; `limits` are files of the control groups, `__` for `/`."""
    proc, cgroups = folder / "proc", folder / "cgroup"
    (proc / "self").mkdir(parents=True)
    (proc / "meminfo").write_text(f"MemTotal: {8 * GIB >> 10} kB\nMemFree: 1 kB\n")
    (proc / "self" / "cgroup").write_text(cgroup)
    for name, text in limits.items():
        file = cgroups / name.replace("__", "/").replace("MAX", "memory.max")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return proc, cgroups


def test_a_percentage_is_of_the_machine_where_no_group_limits_it(tmp_path: Path) -> None:
    assert memory_max_bytes("50%", *system(tmp_path, "0::/a\n", a__MAX="max\n")) == 4 * GIB


def test_a_percentage_is_of_the_tightest_group(tmp_path: Path) -> None:
    limits = {"a__b__MAX": "max\n", "a__MAX": f"{2 * GIB}\n", "MAX": f"{4 * GIB}\n"}
    assert memory_max_bytes("50%", *system(tmp_path, "0::/a/b\n", **limits)) == GIB


def test_in_a_container_the_groups_own_limit_is_found_at_the_root(tmp_path: Path) -> None:
    assert memory_max_bytes("100%", *system(tmp_path, "0::/host/x\n", MAX=f"{GIB}\n")) == GIB


def test_the_groups_of_old_kernels_are_known(tmp_path: Path) -> None:
    places = system(tmp_path, "9:cpu:/a\n4:memory,hugetlb:/a\n")
    file = places[1] / "memory" / "a" / "memory.limit_in_bytes"
    file.parent.mkdir(parents=True)
    file.write_text(f"{3 * GIB}\n")
    assert memory_max_bytes("100%", *places) == 3 * GIB


def test_a_group_larger_than_the_machine_says_nothing(tmp_path: Path) -> None:
    assert memory_max_bytes("100%", *system(tmp_path, "0::/\n", MAX=f"{99 * GIB}\n")) == 8 * GIB


def test_bytes_are_taken_as_they_are() -> None:
    assert memory_max_bytes(123) == 123


@pytest.mark.parametrize("said", [0, -1, "0%", "101%", "80", "much", "", "8.5%"])
def test_what_is_neither_bytes_nor_a_percentage_is_refused(said: int | str) -> None:
    with pytest.raises(ValueError, match="from 1% to 100%"):
        memory_max_bytes(said)


def test_all_processes_count_together() -> None:
    watch = MemoryWatch(100)
    assert not watch.note(40, {0: 30, 1: 30})
    assert watch.note(41, {0: 30, 1: 30})
    assert watch.used_bytes == 101


def test_a_shard_that_does_not_answer_still_has_its_memory() -> None:
    watch = MemoryWatch(100)
    assert watch.note(40, {0: 30, 1: 31})
    assert watch.note(40, {0: 30, 1: None})


def test_once_full_it_is_until_a_good_part_is_free() -> None:
    watch = MemoryWatch(100)
    assert watch.note(0, {0: 101})
    assert watch.note(0, {0: 96})
    assert not watch.note(0, {0: 94})
    assert not watch.note(0, {0: 99})


def test_a_shard_tells_its_memory_or_its_process_is_looked_at() -> None:
    assert shard_rss_bytes(None) is None
    assert shard_rss_bytes({"memory_bytes": 7, "pid": os.getpid()}) == 7
    found = shard_rss_bytes({"pid": os.getpid()})
    assert found is not None
    assert found > 1 << 20
    assert shard_rss_bytes({"pid": 2**22 + 1}) is None  # No process has such a number.
    assert rss_bytes() is not None


@pytest.mark.parametrize("fault", ["rss_bytes", "Lane.expire"])
async def test_what_is_looked_at_all_the_time_ends_the_process_when_it_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """Unseen, the memory would fill, or requests wait for ever."""

    def fail(*_: object) -> int:
        raise ValueError("not to be read")

    ended: list[int] = []
    monkeypatch.setattr("ingest.gateway.os._exit", ended.append)
    monkeypatch.setattr("ingest.gateway.WATCH_S", 0.01)
    async with serving(tmp_path, deadline_s=0.1):
        assert not ended
        monkeypatch.setattr(f"ingest.gateway.{fault}", fail)
        await until(lambda: ended)
    assert set(ended) == {70}

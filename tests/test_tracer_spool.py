"""Batches on disk: in order, bounded, readable after a kill in the middle of a write, and never in plain."""

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan

from tracer.sending.encode import Batch, Clean, Encoder, split
from tracer.sending.loss import SPOOL_AGE, SPOOL_FULL, Losses, Share
from tracer.sending.spool import Spool
from tracer.settings import Bounds

from .tracer_spans import ended_span

NOW_S = 1_700_000_000.0


def batch(number: int, size: int = 100, created_s: float = NOW_S) -> Batch:
    """Make a batch that is told by its number."""
    return Batch(b"%d " % number + os.urandom(size), (Share(number + 1, f"{number:016x}", 3),), created_s)


def open_spool(directory: Path, most_bytes: int = 1 << 20, losses: Losses | None = None, age_s: float = 3_600.0) -> Spool:
    """Open a spool."""
    return Spool(str(directory), (most_bytes, age_s), losses if losses is not None else Losses())


def read_all(spool: Spool, now_s: float = NOW_S) -> list[Batch]:
    """Take all batches out."""
    found = []
    while (first := spool.first(now_s)) is not None:
        found.append(first)
        spool.drop_first()
    return found


def files(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.clew"))


def test_batches_come_back_in_order(tmp_path: Path) -> None:
    """What is written is what is read, once, and nothing is left on disk."""
    spool, batches = open_spool(tmp_path), [batch(number) for number in range(20)]
    assert all(spool.append(one) for one in batches)
    assert read_all(spool) == batches
    assert not spool.has_any
    assert files(tmp_path) == []


def test_writing_while_reading(tmp_path: Path) -> None:
    """New batches go behind the old ones, also into the segment that is being read."""
    spool, batches = open_spool(tmp_path), [batch(number) for number in range(6)]
    for one in batches[:3]:
        spool.append(one)
    found = []
    for one in batches[3:]:
        found.append(spool.first(NOW_S))
        spool.drop_first()
        spool.append(one)
    assert found + read_all(spool) == batches


def test_the_next_process_sends_what_was_left(tmp_path: Path) -> None:
    """After an end, orderly or not, another spool on the same directory has the batches."""
    first, batches = open_spool(tmp_path), [batch(number) for number in range(3)]
    for one in batches:
        first.append(one)
    assert not open_spool(tmp_path).has_any, "the first still holds them"
    first.close()
    assert read_all(open_spool(tmp_path)) == batches


@pytest.mark.parametrize("cut", [1, 5, 16, 40, 110])
def test_a_torn_tail_costs_only_itself(tmp_path: Path, cut: int) -> None:
    """A process killed in the middle of a write leaves all records before it readable."""
    spool, batches = open_spool(tmp_path), [batch(number) for number in range(3)]
    for one in batches:
        spool.append(one)
    spool.close()
    [path] = files(tmp_path)
    os.truncate(path, path.stat().st_size - cut)
    assert read_all(open_spool(tmp_path)) == batches[:2]
    assert files(tmp_path) == []


@pytest.mark.parametrize("place", [0, 8, 30, 80])
def test_a_damaged_record_is_passed_over(tmp_path: Path, place: int) -> None:
    """The ones after it are found again."""
    spool, batches = open_spool(tmp_path), [batch(number) for number in range(3)]
    for one in batches:
        spool.append(one)
    spool.close()
    [path] = files(tmp_path)
    content = bytearray(path.read_bytes())
    content[place] ^= 0xFF
    path.write_bytes(content)
    assert read_all(open_spool(tmp_path)) == batches[1:]


def test_other_files_are_no_segments(tmp_path: Path) -> None:
    """Rubbish under the name of a segment is passed over and removed, anything else is left alone."""
    (tmp_path / "000-1-1.clew").write_bytes(os.urandom(5_000))
    (tmp_path / "002-1-1.clew").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("mine")
    spool = open_spool(tmp_path)
    spool.append(batch(1))
    assert len(read_all(spool)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_it_is_bounded(tmp_path: Path) -> None:
    """The oldest segments give way, and what was in them is counted by trace."""
    losses = Losses()
    spool = Spool(str(tmp_path), (40 << 20, 3_600.0), losses)
    for number in range(60):
        spool.append(batch(number, 1 << 20))
        assert sum(path.stat().st_size for path in files(tmp_path)) <= 40 << 20
    left = read_all(spool)
    assert left[-1].shares[0].trace_id == 60
    assert [one.shares[0].trace_id for one in left] == list(range(61 - len(left), 61))
    assert losses.by_reason == {SPOOL_FULL: 3 * (60 - len(left))}


def test_what_can_never_fit_is_lost_at_once(tmp_path: Path) -> None:
    """And counted."""
    losses = Losses()
    spool = open_spool(tmp_path, 1 << 20, losses)
    assert spool.append(batch(1, 2 << 20))
    assert (losses.by_reason, spool.has_any) == ({SPOOL_FULL: 3}, False)


def test_what_is_too_old_is_lost(tmp_path: Path) -> None:
    """And counted; the rest is delivered."""
    losses = Losses()
    spool = open_spool(tmp_path, losses=losses, age_s=60.0)
    spool.append(batch(1, created_s=NOW_S - 61))
    spool.append(batch(2, created_s=NOW_S - 59))
    assert [one.shares[0].trace_id for one in read_all(spool)] == [3]
    assert losses.by_reason == {SPOOL_AGE: 3}


def test_a_disk_that_cannot_be_written_to(tmp_path: Path) -> None:
    """It says so, and the batch goes on waiting in memory."""
    spool = open_spool(tmp_path / "spool")
    (tmp_path / "spool").rmdir()
    (tmp_path / "spool").write_text("a file in its place")
    assert not spool.append(batch(1))
    assert not spool.has_any


def test_only_the_owner_may_read(tmp_path: Path) -> None:
    """Prompts are nobody else's."""
    spool = open_spool(tmp_path / "spool")
    spool.append(batch(1))
    assert (tmp_path / "spool").stat().st_mode & 0o077 == 0
    assert files(tmp_path / "spool")[0].stat().st_mode & 0o077 == 0


_CHILD = """
import os, sys
from tracer.sending.loss import Losses
from tracer.sending.spool import Spool
from tracer.sending.encode import Batch
spool = Spool(sys.argv[1], (1 << 20, 3600.0), Losses())
for number in range(5):
    spool.append(Batch(b"child %d" % number, (), 1_700_000_000.0))
print("ready", flush=True)
sys.stdin.read()
"""


def test_what_a_killed_process_left_is_adopted(tmp_path: Path) -> None:
    """Its lock dies with it."""
    child = subprocess.Popen([sys.executable, "-c", _CHILD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None and child.stdout.readline() == b"ready\n"
    assert not open_spool(tmp_path).has_any
    child.kill()
    child.communicate()
    assert [one.body for one in read_all(open_spool(tmp_path))] == [b"child %d" % number for number in range(5)]


def test_a_fork_leaves_the_segments_to_the_parent(tmp_path: Path) -> None:
    """The child writes its own, and what the parent wrote is delivered once."""
    spool = open_spool(tmp_path)
    spool.append(batch(1))
    child = os.fork()
    if child == 0:
        spool.renew()
        is_right = not spool.has_any and spool.append(batch(2))
        os._exit(0 if is_right else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert [one.shares[0].trace_id for one in read_all(spool)] == [2]
    assert [one.shares[0].trace_id for one in read_all(open_spool(tmp_path))] == [3]


# --- encoding -----------------------------------------------------------------------------------------------------


def encoder(losses: Losses | None = None, clean: Clean = lambda span: span, **bounds: int) -> Encoder:
    """Make an encoder."""
    return Encoder(clean, Bounds(**bounds), losses if losses is not None else Losses())


def test_batches_are_bounded_by_number_and_by_bytes() -> None:
    """Every span is in one of them, in order."""
    spans = [ended_span(f"s{number}", attributes={"v": "x" * 1_000}) for number in range(50)]
    assert [one.spans for one in encoder(batch_spans=20).encode(spans, NOW_S)] == [20, 20, 10]
    sizes = [len(gzip.decompress(one.body)) for one in encoder(batch_bytes=10_000).encode(spans, NOW_S)]
    assert max(sizes) <= 10_000
    assert len(sizes) >= 6


def test_an_oversized_span_goes_alone() -> None:
    """It takes nobody with it."""
    spans = [ended_span("small"), ended_span("large", attributes={"v": "x" * 50_000}), ended_span("small")]
    assert [one.spans for one in encoder(batch_bytes=20_000).encode(spans, NOW_S)] == [1, 1, 1]


def test_what_cannot_be_cleaned_or_encoded_is_lost_alone() -> None:
    """And counted, and never sent as it is."""
    losses = Losses()

    def clean(span: ReadableSpan) -> ReadableSpan:
        if span.name == "bad":
            raise RuntimeError
        return span

    odd = ended_span("odd")
    odd._kind = "no kind"  # type: ignore[assignment]  # on purpose
    batches = list(encoder(losses, clean).encode([ended_span("a"), ended_span("bad"), odd, ended_span("b")], NOW_S))
    assert sum(one.spans for one in batches) == 2
    assert losses.by_reason == {"unencodable": 2}


def test_halving() -> None:
    """A batch refused as a whole is halved until it is single spans; none is in two parts."""
    [whole] = encoder().encode([ended_span(f"s{number}", attributes={"clew.run.id": "0123456789abcdef"}) for number in range(5)], NOW_S)
    first, second = split(whole)
    assert (first.spans, second.spans) == (2, 3)
    assert {share.trace_id for share in first.shares}.isdisjoint(share.trace_id for share in second.shares)
    assert {share.run_id for share in first.shares} == {"0123456789abcdef"}
    [single] = encoder().encode([ended_span("one")], NOW_S)
    assert split(single) == []

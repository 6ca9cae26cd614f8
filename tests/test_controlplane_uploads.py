"""Files travel in pieces, are checked on arrival and stored once."""

from __future__ import annotations

import hashlib
import io
import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simkit.controlplane import uploads
from simkit.controlplane.uploads import (
    MESSAGE_BYTES,
    PIECE_BYTES,
    Header,
    Piece,
    Receiver,
    read,
    split,
    store,
    travels_in_pieces,
    upload,
)
from simkit.errors import RefusedError
from simkit.store.database import Database

MIB = 1 << 20


@pytest.fixture
def db():
    with Database(":memory:", "test") as database:
        yield database


class Tape(io.RawIOBase):
    """A stream of `size` bytes that nobody holds, handed out at most `most` at a time."""

    def __init__(self, size: int, most: int = MIB) -> None:
        self.size, self.most, self.at = size, most, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.at

    def seek(self, to: int, whence: int = 0) -> int:
        assert whence == 0
        self.at = to
        return to

    def readinto(self, into) -> int:
        count = min(len(into), self.most, self.size - self.at)
        into[:count] = bytes([self.at // MIB % 251]) * count
        self.at += count
        return count


def received(header: Header, pieces) -> Receiver:
    receiver = Receiver(header)
    for piece in pieces:
        receiver.add(piece)
    return receiver


def traced_peak(act) -> int:
    """Bytes that Python held at most while `act` ran, above what it held before."""
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    try:
        act()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


@pytest.fixture
def small_pieces(monkeypatch):
    """Pieces of 4 bytes and messages of 8, so that every boundary is near."""
    monkeypatch.setattr(uploads, "PIECE_BYTES", 4)
    monkeypatch.setattr(uploads, "MESSAGE_BYTES", 8)


def test_a_file_travels_in_pieces_from_one_byte_above_a_message_on():
    assert not travels_in_pieces(MESSAGE_BYTES)
    assert travels_in_pieces(MESSAGE_BYTES + 1)


def test_pieces_hold_2_mib_and_the_last_one_the_rest():
    data = b"a" * (MESSAGE_BYTES + 1)
    header, pieces = split(data)
    assert [len(piece.data) for piece in pieces] == [PIECE_BYTES, PIECE_BYTES, 1]
    assert header == Header(hashlib.sha256(data).digest(), MESSAGE_BYTES + 1, 3)


def test_a_file_without_bytes_has_no_pieces_and_is_complete_at_once():
    header, pieces = split(b"")
    assert (header.size, header.pieces, list(pieces)) == (0, 0, [])
    assert bytes(Receiver(header).complete()) == b""


@settings(max_examples=200)
@given(st.binary(max_size=40), st.integers(0, 5), st.integers(1, 9))
def test_what_was_split_arrives_whole_from_bytes_and_from_streams_that_hand_out_little(data, skipped, most):
    class Slow(io.BytesIO):
        def read(self, count=-1):
            return super().read(min(count, most))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uploads, "PIECE_BYTES", 4)
        assert bytes(received(*split(data)).complete()) == data
        stream = Slow(b"x" * skipped + data)
        stream.seek(skipped)
        header, pieces = split(stream)
        pieces = list(pieces)
        assert all(len(piece.data) == 4 for piece in pieces[:-1])
        assert bytes(received(header, pieces).complete()) == data


@settings(max_examples=200)
@given(st.binary(min_size=1, max_size=24), st.data())
def test_no_sequence_of_pieces_completes_another_file_than_the_announced_one(data, draw):
    """Pieces in any order, doubled, left out, changed: either every one of the file came in order, or it is refused."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uploads, "PIECE_BYTES", 4)
        header, pieces = split(data)
        pieces = [replace(piece, data=bytes(piece.data)) for piece in pieces]
        sent = draw.draw(st.lists(st.sampled_from(pieces), max_size=9))
        changes = st.sampled_from(
            [lambda b: b, lambda b: b + b"!", lambda b: bytes([b[0] ^ 1]) + b[1:], lambda b: b[1:]]
        )
        receiver, accepted = Receiver(header), []
        for piece in sent:
            piece = replace(piece, data=draw.draw(changes)(piece.data))
            try:
                is_last = receiver.add(piece)
            except RefusedError:
                continue
            accepted.append(piece)
            assert is_last == receiver.is_done == (len(accepted) == header.pieces)
        assert [piece.index for piece in accepted] == list(range(len(accepted)))
        together = b"".join(piece.data for piece in accepted)
        assert len(together) <= len(data)
        if len(accepted) == header.pieces and together == data:
            assert bytes(receiver.complete()) == data
        else:
            with pytest.raises(RefusedError):
                receiver.complete()


@pytest.mark.usefixtures("small_pieces")
def test_each_refusal_says_what_was_seen_and_what_to_send():
    header, pieces = split(b"0123456789")
    first, second, third = pieces
    receiver = Receiver(header)
    other = Piece(bytes(32), 0, b"0123")
    for piece, said in (
        (other, "by its hash this piece is another file's; send the pieces of the announced one"),
        (second, "piece 1 is out of order; send piece 0"),
        (replace(first, data=b"0123456789ab"), "with piece 0 there are 12 bytes, 2 more than announced; announce the"),
    ):
        with pytest.raises(RefusedError, match=said):
            receiver.add(piece)
    with pytest.raises(RefusedError, match="0 of 3 pieces are here; send the others first"):
        receiver.complete()
    assert [receiver.add(piece) for piece in (first, second, third)] == [False, False, True]
    with pytest.raises(RefusedError, match="all 3 pieces are here; send no more"):
        receiver.add(third)
    assert bytes(receiver.complete()) == b"0123456789", "what was refused has left no trace"


@pytest.mark.usefixtures("small_pieces")
def test_another_size_or_hash_than_the_announced_one_is_refused_at_the_end():
    header, pieces = split(b"01234567")
    first, second = pieces
    with pytest.raises(RefusedError, match="8 bytes came, 9 were announced"):
        received(replace(header, size=9), (first, second)).complete()
    with pytest.raises(RefusedError, match="the bytes have another hash"):
        received(header, (first, replace(second, data=b"7654"))).complete()


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (Header(bytes(31), 1, 1), "has 31 bytes; send a SHA-256"),
        (Header(bytes(32), -1, 1), "a file of -1 bytes in 1 pieces"),
        (Header(bytes(32), 1, -1), "a file of 1 bytes in -1 pieces"),
        (Header(bytes(32), 1 << 80, 1 << 80), "more than fit into memory"),
    ],
)
def test_a_header_that_no_file_can_have_is_refused(header, said):
    with pytest.raises(RefusedError, match=said):
        Receiver(header)


def test_a_header_alone_takes_no_more_memory_than_its_pieces_can_fill():
    assert traced_peak(lambda: Receiver(Header(bytes(32), 1 << 40, 1))) < PIECE_BYTES + MIB


def test_a_stream_that_cannot_go_back_is_refused():
    class Pipe(io.BytesIO):
        def seekable(self):
            return False

    with pytest.raises(RefusedError, match="cannot be read twice"):
        split(Pipe(b"abc"))


def test_a_stream_that_is_shorter_the_second_time_is_not_taken_for_whole():
    stream = io.BytesIO(b"a" * (MESSAGE_BYTES + 1))
    header, pieces = split(stream)
    stream.truncate(PIECE_BYTES)
    receiver = received(header, pieces)
    with pytest.raises(RefusedError, match=f"{PIECE_BYTES} bytes came, {MESSAGE_BYTES + 1} were announced"):
        receiver.complete()


def test_cutting_a_stream_of_64_mib_holds_one_piece_at_a_time():
    def cut():
        header, pieces = split(Tape(64 * MIB))
        assert (header.pieces, sum(len(piece.data) for piece in pieces)) == (32, 64 * MIB)

    assert traced_peak(cut) < 4 * PIECE_BYTES


def test_a_file_of_64_mib_is_in_python_once_from_the_stream_to_the_table(db):
    ids = []

    def move():
        with db.transaction() as tx:
            ids.append(upload(tx, 1, Tape(64 * MIB), uploader=3))

    peak = traced_peak(move)
    assert 64 * MIB <= peak < 64 * MIB + 4 * PIECE_BYTES
    digest, stored = hashlib.sha256(), hashlib.sha256()
    for i in range(64):
        digest.update(bytes([i]) * MIB)
    for piece in read(db, ids[0]):
        stored.update(piece)
    assert stored.digest() == digest.digest()
    assert db.rows("SELECT hash FROM files") == [(digest.hexdigest(),)]
    assert db.rows("SELECT count(*), max(octet_length(data)) FROM file_pieces") == [(32, PIECE_BYTES)]


def test_bytes_are_cut_without_being_copied():
    data = bytes(16 * MIB)
    assert traced_peak(lambda: list(split(data)[1])) < MIB


@pytest.mark.usefixtures("small_pieces")
def test_small_files_go_direct_and_large_ones_in_pieces(db, monkeypatch):
    added = []
    add = Receiver.add
    monkeypatch.setattr(Receiver, "add", lambda self, piece: added.append(piece.index) or add(self, piece))
    with db.transaction() as tx:
        upload(tx, 1, b"01234567", uploader=3)
        assert added == []
        upload(tx, 1, io.BytesIO(b"012345678"), uploader=3)
        assert added == [0, 1, 2]
    assert [b"".join(read(db, file_id)) for file_id in (1, 2)] == [b"01234567", b"012345678"]


def test_a_file_is_stored_once_for_each_uploader(db):
    large = bytes(MESSAGE_BYTES + 1)
    with db.transaction() as tx:
        first = upload(tx, 1, b"abc", uploader=3, mimetype="text/plain")
        assert upload(tx, 2, io.BytesIO(b"abc"), uploader=3) == first, "Coder's key is hash and uploader"
        assert upload(tx, 3, b"abc", uploader=4) not in (first, 0)
        assert upload(tx, 4, large, uploader=3) == store(tx, 5, large, uploader=3), (
            "the way it came makes no difference"
        )
    assert db.rows("SELECT id, epoch_us(created_at), created_by, mimetype, hash FROM files ORDER BY id") == [
        (1, 1, 3, "text/plain", hashlib.sha256(b"abc").hexdigest()),
        (2, 3, 4, "application/x-tar", hashlib.sha256(b"abc").hexdigest()),
        (3, 4, 3, "application/x-tar", hashlib.sha256(large).hexdigest()),
    ]


def test_an_empty_file_is_a_file(db):
    with db.transaction() as tx:
        store(tx, 1, Receiver(split(b"")[0]), uploader=3)
    assert list(read(db, 1)) == []
    with pytest.raises(RefusedError, match="there is no file 2"):
        list(read(db, 2))


def test_an_incomplete_upload_stores_nothing(db):
    header, pieces = split(bytes(MESSAGE_BYTES + 1))
    receiver = received(header, [next(pieces)])
    with pytest.raises(RefusedError, match="1 of 3 pieces"), db.transaction() as tx:
        store(tx, 1, receiver, uploader=3)
    assert db.rows("SELECT count(*) FROM files") == [(0,)]

"""Files on their way from a provisioner daemon to the control plane: in pieces if they are large, stored once.

A message holds 4 MiB. What is larger is announced by hash, size and number of pieces, and follows in pieces of 2 MiB.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from simkit.errors import RefusedError
from simkit.store.database import Database, Transaction

PIECE_BYTES = 2 << 20
MESSAGE_BYTES = 4 << 20
TAR = "application/x-tar"
"""The mimetype of a template's module files."""

Data = bytes | bytearray | memoryview


@dataclass(frozen=True)
class Header:
    """What a sender announces. `sha256`: 32 bytes, of the whole; `size` in bytes."""

    sha256: bytes
    size: int
    pieces: int


@dataclass(frozen=True)
class Piece:
    """The piece at `index`, counted from 0. `sha256` is that of the whole: it says which file this belongs to."""

    sha256: bytes
    index: int
    data: Data = field(repr=False)


def travels_in_pieces(size: int) -> bool:
    """True for a file that no message can hold: above 4 MiB. `size` in bytes."""
    return size > MESSAGE_BYTES


def split(source: Data | BinaryIO) -> tuple[Header, Iterator[Piece]]:
    """Announce a file and cut it into pieces. The last piece holds what is left; a file without bytes has none.

    Pieces of bytes are views of them. A stream is read twice from where it stands, first for its hash, and one piece
    at a time is held. Raises RefusedError for a stream that cannot go back.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        view = memoryview(source).cast("B")
        header = _header(hashlib.sha256(view).digest(), len(view))
        return header, _cut(view, header)
    if not source.seekable():
        raise RefusedError("this stream cannot be read twice, and its hash goes ahead; give a file or its bytes")
    from_byte, size, hashed = source.tell(), 0, hashlib.sha256()
    while block := _read_piece(source):
        hashed.update(block)
        size += len(block)
    source.seek(from_byte)
    header = _header(hashed.digest(), size)
    return header, _read_pieces(source, header)


class Receiver:
    """Collects the pieces of the file that `header` announces, in one buffer of the announced size.

    Raises RefusedError for a header that no file can have.
    """

    def __init__(self, header: Header) -> None:
        if len(header.sha256) != 32:
            raise RefusedError(f"the file's hash has {len(header.sha256)} bytes; send a SHA-256, which has 32")
        if header.size < 0 or header.pieces < 0:
            raise RefusedError(f"a file of {header.size} bytes in {header.pieces} pieces; send numbers from 0 on")
        self.header = header
        self._hashed = hashlib.sha256()
        self._next = 0
        self._received = 0
        try:
            # All at once, because a buffer that grows is copied now and then. Never more than the pieces can fill.
            self._buffer = bytearray(min(header.size, header.pieces * PIECE_BYTES))
        except (MemoryError, OverflowError):
            raise RefusedError(f"{header.size} bytes are more than fit into memory; send a smaller file") from None

    @property
    def is_done(self) -> bool:
        """Every announced piece is here. Whether they are the file, `complete` says."""
        return self._next >= self.header.pieces

    def add(self, piece: Piece) -> bool:
        """Take the next piece; True if it was the last one. A piece may have any length, as in Coder.

        Raises RefusedError for a piece of another file, after the last, out of order, or too long for the announced
        size. The receiver is as before, and the right piece may still come.
        """
        if piece.sha256 != self.header.sha256:
            raise RefusedError("by its hash this piece is another file's; send the pieces of the announced one")
        if self.is_done:
            raise RefusedError(f"all {self.header.pieces} pieces are here; send no more")
        if piece.index != self._next:
            raise RefusedError(f"piece {piece.index} is out of order; send piece {self._next}")
        end = self._received + len(piece.data)
        if end > self.header.size:
            raise RefusedError(
                f"with piece {piece.index} there are {end} bytes, {end - self.header.size} more than announced; "
                "announce the file's true size"
            )
        self._buffer[self._received : end] = piece.data
        self._hashed.update(piece.data)
        self._received = end
        self._next += 1
        return self.is_done

    def complete(self) -> memoryview:
        """The whole file: a view of the receiver's buffer, not a copy.

        Raises RefusedError while pieces are missing, and for another size or hash than the announced one.
        """
        if not self.is_done:
            raise RefusedError(f"{self._next} of {self.header.pieces} pieces are here; send the others first")
        if self._received != self.header.size:
            raise RefusedError(
                f"{self._received} bytes came, {self.header.size} were announced; send the file again, header first"
            )
        if self._hashed.digest() != self.header.sha256:
            raise RefusedError("the bytes have another hash than was announced; send the file again, header first")
        return memoryview(self._buffer)[: self._received].toreadonly()


def store(tx: Transaction, now_at: int, file: Receiver | Data, uploader: int, mimetype: str = TAR) -> int:
    """Store a file and return its id: that of the same bytes if this uploader has stored them before.

    `file`: a receiver that is done, or the bytes themselves. Python holds the whole once, in the receiver or with the
    caller, and hands over a view of one piece at a time.

    Raises RefusedError for a receiver that is not complete. As in Coder the uploader need not be a person.
    """
    data = file.complete() if isinstance(file, Receiver) else memoryview(file).cast("B")
    hashed = file.header.sha256.hex() if isinstance(file, Receiver) else hashlib.sha256(data).hexdigest()
    stored = tx.one("SELECT id FROM files WHERE hash = $hash AND created_by = $by", hash=hashed, by=uploader)
    if stored is not None:
        return int(stored[0])
    file_id = tx.insert("files", hash=hashed, created_at=now_at, created_by=uploader, mimetype=mimetype)
    for i, begin in enumerate(range(0, len(data), PIECE_BYTES)):
        tx.insert("file_pieces", file_id=file_id, piece=i, data=data[begin : begin + PIECE_BYTES])
    return file_id


def read(db: Database, file_id: int) -> Iterator[bytes]:
    """A file's bytes, a piece at a time. Raises RefusedError for an id that no file has."""
    if not db.rows("SELECT 1 FROM files WHERE id = $id", id=file_id):
        raise RefusedError(f"there is no file {file_id}")
    count = db.rows("SELECT count(*) FROM file_pieces WHERE file_id = $id", id=file_id)[0][0]
    for i in range(count):
        yield bytes(db.rows("SELECT data FROM file_pieces WHERE file_id = $id AND piece = $i", id=file_id, i=i)[0][0])


def upload(tx: Transaction, now_at: int, source: Data | BinaryIO, uploader: int, mimetype: str = TAR) -> int:
    """Bring a file from a daemon to the table and return its id: in one message if one can hold it, else in pieces.

    Python holds the whole once and two pieces. Raises RefusedError as `split`, `Receiver` and `store` do.
    """
    header, pieces = split(source)
    if not travels_in_pieces(header.size):
        return store(tx, now_at, b"".join(piece.data for piece in pieces), uploader, mimetype)
    receiver = Receiver(header)
    for piece in pieces:
        receiver.add(piece)
    return store(tx, now_at, receiver, uploader, mimetype)


def _header(sha256: bytes, size: int) -> Header:
    return Header(sha256, size, -(-size // PIECE_BYTES))


def _cut(view: memoryview, header: Header) -> Iterator[Piece]:
    for i in range(header.pieces):
        yield Piece(header.sha256, i, view[i * PIECE_BYTES : (i + 1) * PIECE_BYTES])


def _read_pieces(stream: BinaryIO, header: Header) -> Iterator[Piece]:
    for i in range(header.pieces):
        yield Piece(header.sha256, i, _read_piece(stream))


def _read_piece(stream: BinaryIO) -> bytes:
    """The next piece of a stream, shorter only at its end: a raw stream hands out what it has at the moment."""
    block = stream.read(PIECE_BYTES) or b""
    while block and len(block) < PIECE_BYTES and (more := stream.read(PIECE_BYTES - len(block))):
        block += more
    return block

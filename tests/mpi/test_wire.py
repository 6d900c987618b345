# SPDX-License-Identifier: Apache-2.0
"""What is longer than one message of MPI may be is sent in pieces, and comes whole."""

from __future__ import annotations

from pathlib import Path

from tests.mpi.installed import Mpi

PIECES = """
import sys, time
from mpi4py import MPI
from d4py.items import codec
from d4py.items.frame import Frame, Kind
from d4py.mappings.mpi import wire as wires
from d4py.mappings.mpi.parcel import Parcel, sizes

wires._PIECE = int(sys.argv[1])
LONG = 100_000
arrays = [bytearray(bytes([number + 1]) * (LONG + number)) for number in range(3)]
bodies = [["a"], ["b" * LONG], ["c"], ["d" * (LONG - 1), "e"], ["f"]]


class Counting:
    def __init__(self, comm):
        self.comm, self.longest, self.number = comm, 0, 0

    def __getattr__(self, name):
        return getattr(self.comm, name)

    def Isend(self, what, *to):
        self.longest, self.number = max(self.longest, len(what[0])), self.number + 1
        return self.comm.Isend(what, *to)


wire = wires.Wire(MPI.COMM_WORLD, sizes)
seen, said = [], None
if MPI.COMM_WORLD.rank == 0:
    wire._comm = counting = Counting(wire._comm)
    for number, items in enumerate(bodies):
        parcel = Parcel()
        beside = [memoryview(array) for array in arrays[: number % 4]]
        frame = Frame(1, 0, number, number, Kind.DATA, [*map(codec.pickle.PickleBuffer, beside), *items], 0, 0, None, None)
        encoded = codec.encode_frame(frame, parcel)
        assert len(parcel.buffers) == number % 4
        wire.send(1, encoded.head + encoded.body, parcel.buffers)
        wire.send(1, codec.encode_acknowledge(number, 1, number, 1))
    while wire.busy:
        wire.move()
        time.sleep(0.001)
    said = f"longest {counting.longest} sent {counting.number}"
else:
    while len(seen) < 2 * len(bodies):
        for _, data, buffers in wire.receive():
            head = codec.HEAD.unpack_from(data)
            if head[2] == codec.Type.ACKNOWLEDGE:
                seen.append(head[4])
                continue
            frame = codec.decode_frame(head, data[codec.HEAD.size :], Parcel(buffers))
            number = len(seen) // 2
            assert frame.number == number
            assert [item for item in frame.items if isinstance(item, str)] == bodies[number]
            assert [bytes(item) for item in frame.items if not isinstance(item, str)] == [bytes(a) for a in arrays[: number % 4]]
            seen.append(number)
        time.sleep(0.001)
wire.close()
seen = MPI.COMM_WORLD.bcast(seen, root=1)
if said:  # by one rank, in one piece: a launcher mixes what ranks say at once
    print(f"{said} came {seen}")
"""


def test_messages_and_buffers_longer_than_a_piece_come_whole_and_in_order(mpi: Mpi, here: Path) -> None:
    Path("pieces.py").write_text(PIECES)

    whole = mpi.run([mpi.mpiexec, "-n", "2", mpi.python, "-m", "mpi4py", "pieces.py", "1000000"])
    cut = mpi.run([mpi.mpiexec, "-n", "2", mpi.python, "-m", "mpi4py", "pieces.py", "1000"])

    assert (whole.returncode, cut.returncode) == (0, 0), whole.stderr + cut.stderr
    for told in (whole, cut):
        assert "came [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]" in told.stdout
    assert "longest 1000 sent" in cut.stdout
    assert int(whole.stdout.partition(" sent ")[2].split()[0]) == 5 + 5 + 6

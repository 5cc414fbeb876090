"""What real daemons of SIMP/2 do, beside those of SIMP/1, and beside bare commits on the same disk."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from statistics import median, quantiles
from typing import Final

from simp_proto.sealed.frames import TEXT as TEXT_KIND
from simp_proto.sealed.frames import Message, build_message
from tests.bench.figures import IN_FLIGHT, TEXT, WARM_UP, Effort, Figure
from tests.bench.people import Person, attach, latencies, loopback_addresses, messages_per_second, open_chat

BLOCKS: Final = 20
"""Of messages one by one, and of commits alone, in turn."""


def one_by_one(sender: Person, receiver: Person, count: int) -> float:
    """Messages a second, each said when the one before is acknowledged."""
    start = time.perf_counter()
    latencies(sender, receiver, count)
    return count / (time.perf_counter() - start)


def rows_per_second(folder: Path, count: int, each: int) -> float:
    """Rows of a message's size that bare SQLite writes there, so many in each transaction."""
    content = build_message(Message(TEXT_KIND, 0, TEXT.format(0).encode()))
    path = folder / "bare.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute(
            "CREATE TABLE IF NOT EXISTS message (id INTEGER PRIMARY KEY, at INTEGER, fate TEXT, content BLOB)"
        )
        start = time.perf_counter()
        for _ in range(count // each):
            database.execute("BEGIN IMMEDIATE")
            for _ in range(each):
                database.execute("INSERT INTO message (at, fate, content) VALUES (?, 'waiting', ?)", (0, content))
            database.execute("COMMIT")
        return count // each * each / (time.perf_counter() - start)


def measure_sealed_daemons(effort: Effort) -> Iterator[Figure]:
    """Prints what two daemons of SIMP/2 do and take, two of SIMP/1, and the disk alone, in turn."""
    with ExitStack() as stack:
        chats = {}
        for sealed in (False, True):
            names = zip(("alice", "bob"), loopback_addresses(), strict=True)
            alice, bob = (Person(name, host, stack, sealed=sealed) for name, host in names)
            attach(alice, bob)
            open_chat(alice, bob)
            messages_per_second(alice, bob, 0, WARM_UP)
            chats[sealed] = alice, bob
        said = dict.fromkeys(chats, WARM_UP)
        folder = chats[True][0].folder
        flowing: dict[bool, list[float]] = {False: [], True: []}
        commits, batches = [], []
        for _ in range(effort.pairs):
            for sealed, pair in chats.items():
                flowing[sealed].append(messages_per_second(*pair, said[sealed], effort.messages))
                said[sealed] += effort.messages
            commits.append(rows_per_second(folder, effort.single, 1))
            batches.append(rows_per_second(folder, effort.messages, IN_FLIGHT))
        single, times = [], {}
        for _ in range(BLOCKS):  # short ones: a disk that others use is now quick, now slow
            count = effort.single // BLOCKS
            single.append(one_by_one(*chats[True], count) / rows_per_second(folder, count, 1))
        for sealed, pair in chats.items():
            percentiles = quantiles(latencies(*pair, effort.latencies), n=100, method="inclusive")
            times[sealed] = percentiles[49], percentiles[98]
    print(
        f"\nTwo daemons of each version, {len(TEXT.format(0))} bytes a message; what is sealed is stored on both disks"
    )
    print(f"  {'':34} {'SIMP/1':>9} {'SIMP/2':>9}")
    print(
        f"  {f'messages a second, {IN_FLIGHT} in flight':34} {median(flowing[False]):9.0f} {median(flowing[True]):9.0f}"
    )
    for place, name in enumerate(("p50", "p99")):
        print(f"  {f'{name} from client to client, ms':34} {times[False][place]:9.2f} {times[True][place]:9.2f}")
    alone, together = median(commits), median(batches)
    print(f"  SQLite alone, in {folder.parent}: {alone:.0f} commits a second, {together:.0f} rows {IN_FLIGHT} in each")
    ratios = [one / other for one, other in zip(flowing[True], flowing[False], strict=True)]
    yield Figure("sealed and stored messages to SIMP/1's", median(ratios))
    yield Figure("p50 of those to SIMP/1's", times[True][0] / times[False][0], "times")
    yield Figure("p99 of those to SIMP/1's", times[True][1] / times[False][1], "times")
    yield Figure("durable messages one by one to commits", median(single))
    yield Figure(
        f"durable messages, {IN_FLIGHT} in flight, to commits",
        median(one / other for one, other in zip(flowing[True], commits, strict=True)),
    )
    yield Figure(
        f"the same to rows, {IN_FLIGHT} in a commit",
        median(one / other for one, other in zip(flowing[True], batches, strict=True)),
    )

"""The commands: from start to end, and a capture."""

import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from simp_proto.constants import Chat, Control, Type
from simp_proto.datagram import Datagram, build
from tests.bench.figures import TEXT, Effort, Figure
from tests.bench.people import simp_command


def measure_start_up(effort: Effort) -> Iterator[Figure]:
    """Prints the ms that the commands take from start to end, and gives those that have a bound."""
    datagram = build(Datagram(Type.CHAT, Chat.MESSAGE, 1, b"alice", TEXT.format(0).encode()))
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "simp --help": [*simp_command(), "--help"],
        "simp decode": [*simp_command(), "decode", datagram.hex()],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(effort.starts):
        for name, command in commands.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            times[name].append((time.perf_counter() - start) * 1e3)
    print(f"\nStart-up, ms from start to end (median of {effort.starts})")
    for name, each in times.items():
        print(f"  {name:22} {median(each):8.0f}")
        if name.startswith("simp"):
            yield Figure(f"start-up of {name}", median(each), "ms", 200)


def measure_captures(effort: Effort) -> Iterator[Figure]:
    """Prints how fast `simp decode` turns captures into JSON, beside tshark with the dissector, and in what memory."""
    fields = ("type", "operation", "sequence", "user", "length", "checksum", "payload")
    with tempfile.TemporaryDirectory() as folder:
        dissector, small, large = (Path(folder, name) for name in ("simp.lua", "small.pcap", "large.pcap"))
        subprocess.run([*simp_command(), "dissector", "--output", str(dissector)], check=True)
        write_capture(small, effort.captured // 10)
        write_capture(large, effort.captured)
        _, little = run_and_measure([*simp_command(), "decode", "--json", str(small)])
        seconds, much = run_and_measure([*simp_command(), "decode", "--json", str(large)])
        rate = effort.captured / seconds
        print(f"\nA capture of {effort.captured:,} datagrams")
        print(f"  simp decode --json     {rate:8.0f} datagrams a second, {much:.1f} MiB; a tenth: {little:.1f} MiB")
        if tshark := shutil.which("tshark"):
            command = [tshark, "-X", f"lua_script:{dissector}", "-r", str(large), "-T", "json"]
            command += [word for field in fields for word in ("-e", f"simp.{field}")]
            seconds, memory = run_and_measure(command)
            theirs = effort.captured / seconds
            print(f"  tshark -T json         {theirs:8.0f} datagrams a second, {memory:.1f} MiB")
            print(f"  simp to tshark         {rate / theirs:8.2f}")
        else:
            print("  tshark: not installed")
        yield Figure("datagrams of a capture a second", rate, "", 10_000, least=True)
        yield Figure("memory for ten times the datagrams", much / little, "times", 1.1)


def write_capture(path: Path, count: int) -> None:
    """A pcap of plain IP in which chats and their ACKs go to and fro."""
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 101))
        for number in range(count):
            kind, operation = (Type.CHAT, Chat.MESSAGE) if number % 2 == 0 else (Type.CONTROL, Control.ACK)
            text = TEXT.format(number).encode() if number % 2 == 0 else b""
            data = build(Datagram(kind, operation, number // 2 % 2, b"alice", text))
            hosts = bytes((192, 0, 2, 1 + number % 2)), bytes((192, 0, 2, 2 - number % 2))
            udp = struct.pack("!4H", 7777, 7777, 8 + len(data), 0) + data
            ip = struct.pack("!2B3H2BH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + b"".join(hosts)
            packet = ip + udp
            file.write(struct.pack("<4I", number // 1_000, number % 1_000 * 1_000, len(packet), len(packet)) + packet)


def run_and_measure(command: list[str]) -> tuple[float, float]:
    """Seconds from its start to its end, and the most MiB that it took."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with status {process.returncode}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024

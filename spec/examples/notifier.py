"""Sends the lines of its standard input to a person, and reports what became of them.

df -h | python spec/examples/notifier.py bob

Exit status: 0 when all lines arrived, 1 when one didn't, 3 when nobody answered in time, 4 when the person said no,
6 when no daemon runs here.
"""

import argparse
import asyncio
import sys

from simp_client import Fate, NoDaemonError, RefusedError, SimpError, connect


async def notify(options: argparse.Namespace, lines: list[str]) -> int:
    """How many lines didn't arrive."""
    missing = 0
    async with connect(options.user, options.daemon) as client:
        async with asyncio.timeout(options.patience):
            await client.call(options.address)
        for line in lines:
            if await client.say(line) is not Fate.ACKNOWLEDGED:
                missing += 1
                print(f"not delivered: {line!r}", file=sys.stderr)
        await client.leave()
    return missing


def main() -> int:
    parser = argparse.ArgumentParser(description="Send the lines of the standard input to a person.")
    parser.add_argument("address", help="whom to call: the name of somebody who is here, IP or IP:port")
    parser.add_argument("--daemon", default="127.0.0.1", help="IP or IP:port of your own daemon")
    parser.add_argument("--user", default="notifier", help="the name that the person sees")
    parser.add_argument("--patience", type=float, default=60.0, help="seconds that the person has to answer the call")
    options = parser.parse_args()
    sys.stdin.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    lines = [line for line in sys.stdin.read().splitlines() if line.strip()]
    try:
        return 1 if asyncio.run(notify(options, lines)) else 0
    except TimeoutError:
        print("Nobody answered.", file=sys.stderr)
        return 3
    except SimpError as error:
        print(error, file=sys.stderr)
        return 4 if isinstance(error, RefusedError) else 6 if isinstance(error, NoDaemonError) else 1


sys.exit(main())

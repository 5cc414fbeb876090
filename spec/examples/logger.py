"""Takes every call, one after the other, and prints what happens: a JSON object a line, until Ctrl-C.

python spec/examples/logger.py [DAEMON] >> chats.jsonl

What peers write may contain anything. JSON escapes it, so that it can't disturb a terminal or forge a line.
"""

import asyncio
import contextlib
import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime

from simp_client import NotNowError, RefusedError, SimpError, connect


async def main(daemon: str = "127.0.0.1") -> None:
    async with connect("logger", daemon) as client:
        async for event in client.events():
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            print(json.dumps({"time": now, "event": type(event).__name__, **asdict(event)}), flush=True)
            if client.requests and not client.partner:
                with contextlib.suppress(NotNowError, RefusedError):  # whoever calls may be gone by now
                    await client.accept(client.requests[0])


try:
    asyncio.run(main(*sys.argv[1:2]))
except SimpError as error:
    sys.exit(str(error))
except KeyboardInterrupt:
    sys.exit(130)

"""Takes every call, one after the other, and says back what it hears, until Ctrl-C.

python spec/examples/echo_bot.py [DAEMON]        DAEMON: IP or IP:port of a running `simp daemon`, or else 127.0.0.1
"""

import asyncio
import contextlib
import sys

from simp_client import LineError, NotNowError, RefusedError, Said, SimpError, connect


async def main(daemon: str = "127.0.0.1") -> None:
    async with connect("echo", daemon) as client:
        async for event in client.events():
            # Whoever calls may be gone by now, and what they say may be too long to be said back.
            with contextlib.suppress(NotNowError, RefusedError, LineError):
                if isinstance(event, Said):
                    await client.say(f"you said: {event.text}")
                elif client.requests and not client.partner:
                    await client.accept(client.requests[0])


try:
    asyncio.run(main(*sys.argv[1:2]))
except SimpError as error:
    sys.exit(str(error))
except KeyboardInterrupt:
    sys.exit(130)

"""Takes every call, one after the other, and says back what it hears, until Ctrl-C.

python spec/examples/echo_bot.py [DAEMON]        DAEMON: IP or IP:port of a running `simp daemon`, or else 127.0.0.1
"""

import asyncio
import contextlib
import sys

from simp_client import NotNowError, RefusedError, Said, SimpError, connect


async def main(daemon: str = "127.0.0.1") -> None:
    async with connect("echo", daemon) as client:
        async for event in client.events():
            with contextlib.suppress(NotNowError, RefusedError):  # whoever calls may be gone by now
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

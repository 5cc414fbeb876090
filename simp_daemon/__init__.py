"""How a daemon behaves: pure rules, one asyncio shell, one command."""

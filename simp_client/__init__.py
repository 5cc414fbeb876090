"""How a person uses a daemon: pure prompt and view, one shell, one command."""

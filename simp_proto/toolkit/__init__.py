"""The tools that show, make and judge datagrams, each a subcommand of `simp`."""

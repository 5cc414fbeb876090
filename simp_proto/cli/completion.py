"""`simp completion`: Click's own scripts, with which a shell asks `simp` for completions."""

import click
from click.shell_completion import get_completion_class

_SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that lets a shell complete commands, options, their values and files.

    The examples install it, one for each shell; it takes effect in shells that are started afterwards. simp has to be
    on the PATH, and ~/.zshrc must already have run compinit.

    \b
    Examples:
      simp completion bash > ~/.simp.bash && echo '. ~/.simp.bash' >> ~/.bashrc
      simp completion zsh > ~/.simp.zsh && echo '. ~/.simp.zsh' >> ~/.zshrc
      mkdir -p ~/.config/fish/completions && simp completion fish > ~/.config/fish/completions/simp.fish
    """
    completer = get_completion_class(shell)
    assert completer is not None
    click.echo(completer(ctx.find_root().command, {}, "simp", "_SIMP_COMPLETE").source())

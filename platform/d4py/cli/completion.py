# SPDX-License-Identifier: Apache-2.0
"""`d4py completion`: a script that completes commands, options and runs."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Iterator
from dataclasses import dataclass

from d4py.cli.main import COMMANDS, NAMES
from d4py.cli.parser import Namespace, Parser, parser_of

ABOUT = 'Print a script that completes d4py in a shell. bash: eval "$(d4py completion bash)". zsh: the same with zsh. fish: d4py completion fish | source.'
_RUNS = "d4py list --limit 200 --quiet 2>/dev/null"


def options(parser: Parser) -> None:
    """Take a shell."""
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="which shell")


def call(args: Namespace) -> int:
    """Print the script."""
    print({"bash": bash, "zsh": zsh, "fish": fish}[args.shell](), end="")
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What can follow a command."""

    name: str
    about: str
    options: tuple[tuple[str, str], ...]  # option, help
    choices: tuple[str, ...]  # of its first argument
    takes_run: bool


def commands() -> Iterator[Command]:
    """Yield the commands, as their parsers tell."""
    about = {name: text for group in COMMANDS.values() for name, text in group.items()}
    for name in NAMES:
        actions = parser_of(name, importlib.import_module(f"d4py.cli.{name}"))._actions
        flags = tuple(
            (flag, action.help or "")
            for action in actions
            for flag in action.option_strings
            if action.help != argparse.SUPPRESS
        )
        arguments = [action for action in actions if not action.option_strings]
        choices = tuple(str(choice) for choice in (arguments[0].choices or ())) if arguments else ()
        if name == "help":
            choices = tuple(NAMES)
        takes_run = bool(arguments) and arguments[0].metavar == "RUN"
        yield Command(name=name, about=about[name], options=flags, choices=choices, takes_run=takes_run)


def bash() -> str:
    """Return the script for bash."""
    cases = []
    for command in commands():
        flags = " ".join(flag for flag, _ in command.options)
        words = f"$({_RUNS})" if command.takes_run else " ".join(command.choices)
        cases.append(f'        {command.name}) options="{flags}"; words="{words}" ;;')
    return f"""# d4py completion for bash
_d4py() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} options="" words=""
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W "{" ".join(NAMES)} --help --version" -- "$word"))
        return
    fi
    case ${{COMP_WORDS[1]}} in
{chr(10).join(cases)}
    esac
    if [[ $word == -* ]]; then
        COMPREPLY=($(compgen -W "$options" -- "$word"))
    elif [ -n "$words" ]; then
        COMPREPLY=($(compgen -W "$words" -- "$word"))
    else
        COMPREPLY=($(compgen -f -- "$word"))
    fi
}}
complete -o filenames -F _d4py d4py
"""


def zsh() -> str:
    """Return the script for zsh."""
    heads = "\n".join(f"        '{command.name}:{_quoted(command.about)}'" for command in commands())
    cases = []
    for command in commands():
        flags = " ".join(f"'{flag}'" for flag, _ in command.options)
        words = f'${{(f)"$({_RUNS})"}}' if command.takes_run else " ".join(command.choices)
        cases.append(f"        {command.name}) flags=({flags}); values=({words}) ;;")
    return f"""#compdef d4py
# d4py completion for zsh
_d4py() {{
    local -a commands flags values
    commands=(
{heads}
    )
    if (( CURRENT == 2 )); then
        _describe 'command' commands
        return
    fi
    case ${{words[2]}} in
{chr(10).join(cases)}
    esac
    if [[ $PREFIX == -* ]]; then
        compadd -- $flags
    elif (( ${{#values}} )); then
        compadd -- $values
    else
        _files
    fi
}}
compdef _d4py d4py
"""


def fish() -> str:
    """Return the script for fish."""
    lines = ["# d4py completion for fish"]
    for command in commands():
        lines.append(f"complete -c d4py -n __fish_use_subcommand -f -a {command.name} -d '{_quoted(command.about)}'")
        seen = f"-n '__fish_seen_subcommand_from {command.name}'"
        for flag, told in command.options:
            kind = f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}"
            lines.append(f"complete -c d4py {seen} {kind} -d '{_quoted(told)}'")
        if command.takes_run:
            lines.append(f"complete -c d4py {seen} -f -a '({_RUNS})'")
        elif command.choices:
            lines.append(f"complete -c d4py {seen} -f -a '{' '.join(command.choices)}'")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return text.replace("%%", "%").replace("'", "").replace(":", ",")

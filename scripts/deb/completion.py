"""Prints bash's completion of the command `gateway`, made from its own parser so that it cannot be stale."""

from __future__ import annotations

import argparse
import sys

from gateway.cli import _parser

FRAME = """\
# bash completion of gateway, generated from its parser when the package was built
_gateway() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD - 1]}} words="" command="" word
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD - 1}}"; do
        case $word in -*) ;; *) command=$word; break ;; esac
    done
    case $command:$prev in
{values}
    esac
    case $command in
{commands}
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
    [ ${{#COMPREPLY[@]}} -gt 0 ] || case $cur in -*) ;; *) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;; esac
}}
complete -o filenames -F _gateway gateway
"""


def options_of(parser: argparse.ArgumentParser) -> tuple[list[str], dict[str, str]]:
    """Return the words that may follow a command, and how bash lists the values of each option that has one."""
    words: list[str] = []
    values: dict[str, str] = {}
    for action in parser._actions:
        if action.help == argparse.SUPPRESS:
            continue
        words += [text for text in action.option_strings if text.startswith("--")]
        if not action.option_strings and action.choices and not isinstance(action, argparse._SubParsersAction):
            words += [str(choice) for choice in action.choices]
        if action.option_strings and action.nargs != 0:
            kind = {"FILE": "compgen -f", "DIR": "compgen -d"}.get(str(action.metavar), "true")
            values |= dict.fromkeys(action.option_strings, kind)
    return words, values


def completion(parser: argparse.ArgumentParser) -> str:
    """Return the script for a parser with one level of commands."""
    commands = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    top, _ = options_of(parser)
    lines, values = [], []
    for name, command in commands.choices.items():
        words, of_option = options_of(command)
        lines.append(f'        {name}) words="{" ".join(words)}" ;;')
        values += [
            f'        {name}:{option}) mapfile -t COMPREPLY < <({kind} -- "$cur"); return ;;'
            for option, kind in of_option.items()
        ]
    lines.append(f'        "") words="{" ".join([*commands.choices, *top])}" ;;')
    return FRAME.format(values="\n".join(values), commands="\n".join(lines))


if __name__ == "__main__":
    sys.stdout.write(completion(_parser()))

"""How a command gets a password: from the environment, from standard input, or by asking on the terminal.

Never from an argument, which every user of the machine could read. One thread.
"""

from __future__ import annotations

import getpass
import os
import sys

from cairnfs.errors import BadRequest

VARIABLE, NEW_VARIABLE = "CAIRN_PASSWORD", "CAIRN_NEW_PASSWORD"
_LINE_MAX = 4096


def password(
    *, from_stdin: bool, twice: bool = False, prompt: str = "Password: ", variable: str = VARIABLE
) -> str:
    """The next line of standard input, the environment's, or what is answered on the terminal.

    Raises BadRequest where none can be had, or where two answers differ.
    """
    if from_stdin:
        line = sys.stdin.readline(_LINE_MAX)
        return _given(line.removesuffix("\n").removesuffix("\r"), "no password came on standard input")
    if variable in os.environ:
        return _given(os.environ[variable], f"{variable} is empty")
    answer = asked(prompt)
    if twice and asked("Once more: ") != answer:
        raise BadRequest("the two passwords differ", hint="try again")
    return answer


def asked(prompt: str) -> str:
    """A secret from the terminal, where it is not shown. Raises BadRequest without a terminal."""
    if not sys.stdin.isatty():
        raise BadRequest("there is no terminal to ask at", hint=f"give --password-stdin, or set {VARIABLE}")
    try:
        return _given(getpass.getpass(prompt), "nothing was given")
    except EOFError as error:
        raise KeyboardInterrupt from error


def _given(secret: str, complaint: str) -> str:
    if not secret:
        raise BadRequest(complaint)
    return secret

"""The command line: ``python -m fastad demo``, ``grad`` and ``show``.

Only the arguments, the printing and the exit status live here; the work is done by
`fastad.demo` and `fastad.script`.
"""

import argparse
import json
import math
import os
import platform
import sys
import traceback
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import fastad
from fastad.errors import FastadError
from fastad.script import Evaluation, ScriptError, evaluate, picture

FAILED = 2  # what argparse exits with, too
INTERRUPTED = 130  # 128 + SIGINT, as shells have it
READER_GONE = 141  # 128 + SIGPIPE

VALUE_HELP = """\
VALUE is one of
  1e-3, -2, inf     a float
  1,2,3             a list of floats (1, is a list of one)
  n=3, flag=True    a keyword argument, any Python literal, not differentiated

f(x, y) is given one VALUE for each parameter. A function with a single parameter that
is given several floats gets them as a list: f(p) at 1 2 3 is f([1.0, 2.0, 3.0]).

A file that uses `math` works as it is: once the file is loaded, its global names for
`math` and for functions of `math` are given fastad.math's, and a note says so. Imports
inside functions and in other files are left alone, and everything is with --keep-math;
there, a function of the real `math` refuses to lose the derivative (TypeError).
"""
GRAD_HELP = f"""\
Print the value of a function in a Python file, and its gradient.

{VALUE_HELP}"""
SHOW_HELP = f"""\
Draw the computation graph of a function in a Python file, with the sweeps step by step:
a page that opens in any browser, or by the name of the output a drawing (.svg; needs
fastad[show]), Graphviz (.dot) or a listing (.txt, or - for the terminal).

{VALUE_HELP}"""

EPILOG = """\
examples:
  python -m fastad grad model.py:cost 0.5 -1.25
  python -m fastad grad --json model.py:rosenbrock -1.2 1 | jq .gradient
  python -m fastad show model.py:cost 0.5 -1.25

exit status: 0, or 2 with one line on the standard error (--traceback for all of it).
What the file itself prints goes to the standard error.
"""


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(FAILED, f"fastad: {message} (see {self.prog} --help)\n")


def make_parser() -> Parser:
    """Return the parser of the whole command line."""
    parser = Parser(
        prog="python -m fastad", description="Derivatives of ordinary Python."
    )
    parser.add_argument(
        "--version",
        action="version",
        version=f"fastad {fastad.__version__} (Python {platform.python_version()})",
    )
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--traceback", action="store_true", help="after an error, all of its traceback"
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    demo = commands.add_parser(
        "demo",
        parents=[common],
        help="two sweeps, a fit of census data, and what a gradient costs here",
        description="The two sweeps of a small example step by step, a logistic curve "
        "fitted to the US census, and the cost of a gradient on this machine, in about "
        "five seconds.",
    )
    demo.set_defaults(run=run_demo)

    grad = commands.add_parser(
        "grad",
        parents=[common],
        help="value and gradient of a function in your file",
        description=GRAD_HELP,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_target(grad)
    grad.add_argument(
        "--json",
        action="store_true",
        help='print one JSON object; what JSON lacks is "nan", "inf", "-inf"',
    )
    grad.set_defaults(run=run_grad)

    show = commands.add_parser(
        "show",
        parents=[common],
        help="the computation graph of a function in your file, as a page",
        description=SHOW_HELP,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_target(show)
    show.add_argument(
        "-o",
        "--output",
        metavar="NAME",
        help="the file to write, by default FUNCTION.html; - prints the listing",
    )
    show.add_argument(
        "--result",
        metavar="N",
        type=int,
        default=0,
        help="of several results, the one that the backward sweep starts from (from 0)",
    )
    show.add_argument(
        "--open", action="store_true", help="open the page in the browser"
    )
    show.set_defaults(run=run_show)
    return parser


def add_target(command: argparse.ArgumentParser) -> None:
    """Give *command* a function in a file, and the values to call it with."""
    command.add_argument("target", metavar="FILE.py:FUNCTION", type=target)
    command.add_argument("values", metavar="VALUE", nargs="+")
    command.add_argument(
        "--keep-math", action="store_true", help="leave the file's `math` alone"
    )


def target(text: str) -> tuple[str, str]:
    """Split ``FILE.py:FUNCTION``."""
    path, _, name = text.rpartition(":")
    if not path or not name:
        raise argparse.ArgumentTypeError(f"expected FILE.py:FUNCTION, got {text!r}")
    return path, name


def shield_negative_numbers(argv: list[str]) -> list[str]:
    """Put a space before each number with a minus sign, so that it is no option.

    By itself argparse takes ``-2`` for a number, but ``-1e-3``, ``-inf`` and ``-1,2``
    for options; what begins with a space is never one.
    """

    def is_number(text: str) -> bool:
        try:
            float(text.partition(",")[0])
        except ValueError:
            return False
        return True

    return [
        f" {text}" if text[:1] == "-" and is_number(text) else text for text in argv
    ]


def run_demo(arguments: argparse.Namespace) -> int:
    """Run ``demo``."""
    from fastad import demo

    return demo.main()


def run_grad(arguments: argparse.Namespace) -> int:
    """Run ``grad``."""
    path, name = arguments.target
    result = evaluate(path, name, arguments.values, keep_math=arguments.keep_math)
    say_what_was_lent(path, result.lent)
    print(as_json(result) if arguments.json else as_text(result))
    return 0


def run_show(arguments: argparse.Namespace) -> int:
    """Run ``show``."""
    path, name = arguments.target
    drawn, lent = picture(
        path,
        name,
        arguments.values,
        keep_math=arguments.keep_math,
        output=arguments.result,
    )
    say_what_was_lent(path, lent)
    if arguments.output == "-":
        print(drawn)
        return 0
    file = Path(arguments.output or f"{name}.html")
    try:
        drawn.save(file)
    except (FastadError, ImportError) as error:
        raise ScriptError(str(error)) from error
    except OSError as error:
        raise ScriptError(f"cannot write {file}: {error.strerror}") from error
    print(f"wrote {file}")
    if arguments.open:
        webbrowser.open(file.absolute().as_uri())
    return 0


def say_what_was_lent(path: str, lent: list[str]) -> None:
    """Note on the standard error that a file did not run with its own `math`."""
    if lent:
        print(
            f"fastad: note: {path} ran with fastad.math for {', '.join(lent)} "
            "(--keep-math: with its own)",
            file=sys.stderr,
        )


def as_text(result: Evaluation) -> str:
    """Return *result* as lines for a reader, all digits shown."""
    given = result.arguments | result.keywords
    point = ", ".join(f"{name}={value!r}" for name, value in given.items())
    slopes = {
        f"d{result.function}/d{name}": slope for name, slope in entries(result.gradient)
    }
    width = max(map(len, slopes))
    lines = [f"{name:{width}} = {slope!r}" for name, slope in slopes.items()]
    return "\n".join([f"{result.function}({point}) = {result.value!r}", *lines])


def entries(named: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Walk the numbers in *named*: ``x``, and ``x[0]``, ``x[1]``, ... of a list."""
    for name, value in named.items():
        if isinstance(value, list):
            yield from entries({f"{name}[{i}]": item for i, item in enumerate(value)})
        else:
            yield name, value


def as_json(result: Evaluation) -> str:
    """Return *result* as one JSON object on one line."""
    return json.dumps(
        {
            "function": result.function,
            "arguments": for_json(result.arguments),
            "keywords": {name: repr(value) for name, value in result.keywords.items()},
            "value": for_json(result.value),
            "gradient": for_json(result.gradient),
        }
    )


def for_json(value: Any) -> Any:
    """Replace the floats that JSON cannot write by their names."""
    if isinstance(value, dict):
        return {name: for_json(item) for name, item in value.items()}
    if isinstance(value, list):
        return [for_json(item) for item in value]
    return value if math.isfinite(value) else str(value)


def main(argv: list[str] | None = None) -> int:
    """Run the command line *argv*, by default the process's; return its exit status."""
    argv = sys.argv[1:] if argv is None else argv
    arguments = make_parser().parse_args(shield_negative_numbers(argv))
    try:
        status = arguments.run(arguments)
        sys.stdout.flush()
    except ScriptError as error:
        if arguments.traceback:
            traceback.print_exception(error.__cause__ or error)
        print(f"fastad: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("fastad: interrupted", file=sys.stderr)
        return INTERRUPTED
    except OSError as error:  # of the output, as those of the file are ScriptErrors
        # Python flushes once more at exit: let that go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return READER_GONE
        print(f"fastad: cannot write: {error.strerror}", file=sys.stderr)
        return FAILED
    return status


if __name__ == "__main__":
    sys.exit(main())

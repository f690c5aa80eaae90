"""A function in somebody's file: load it, read values for it, differentiate or draw it.

This is what ``python -m fastad grad FILE.py:FUNCTION VALUE...`` and ``show`` do;
`__main__` parses the command line and prints. Whatever goes wrong comes out as a
`ScriptError`, whose message is one line and names the place in the file.
"""

import ast
import contextlib
import functools
import inspect
import math
import os
import sys
import traceback
import types
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fastad
from fastad.errors import FastadError

if TYPE_CHECKING:
    from fastad.pictures import Picture

__all__ = ["Evaluation", "ScriptError", "evaluate", "picture"]

Number = float | list[float]


class ScriptError(FastadError, RuntimeError):
    """A file, a function or a value cannot be used; the message says why in a line."""


@dataclass(frozen=True)
class Evaluation:
    """A function's value and gradient at a point, by the names of its parameters.

    Attributes
    ----------
    function : str
        The function's name.
    arguments, gradient : dict
        For each differentiated parameter a float, or a list of floats.
    keywords : dict
        The keyword arguments, which were passed on as they are.
    value : float
    lent : list of str
        The file's global names that stood for something from `math` and were given its
        counterpart from `fastad.math`.
    """

    function: str
    arguments: dict[str, Number]
    keywords: dict[str, Any]
    value: float
    gradient: dict[str, Number]
    lent: list[str]


def evaluate(
    path: str, name: str, texts: list[str], *, keep_math: bool = False
) -> Evaluation:
    """Load the file *path* and differentiate its function *name* at the values *texts*.

    Parameters
    ----------
    path, name : str
        A Python file, and a function among its global names.
    texts : list of str
        The function's arguments as typed in a shell, see `read_arguments`.
    keep_math : bool, optional
        Leave the file's `math` alone. Otherwise the global names of the file that stand
        for `math` or one of its functions are given `fastad.math` once it is loaded.

    Raises
    ------
    ScriptError
        Anything at all is wrong with the file, the function or the values.

    Notes
    -----
    While the file runs, its folder comes first among the places of import, as under
    ``python FILE.py``, and what it prints goes to the standard error. Its name is not
    ``__main__``.
    """
    with running(path):
        function, values, keywords, lent = prepare(path, name, texts, keep_math)
        signature = inspect.signature(function)
        every = tuple(range(len(values)))
        value, gradient = fastad.value_and_grad(function, every)(*values, **keywords)
    return Evaluation(
        function=name,
        arguments=by_parameter(signature, values),
        keywords=keywords,
        value=value,
        gradient=by_parameter(signature, gradient),
        lent=lent,
    )


def picture(
    path: str, name: str, texts: list[str], *, keep_math: bool = False, output: int = 0
) -> "tuple[Picture, list[str]]":
    """Load the file *path* and `fastad.show` its function *name* at the values *texts*.

    Returns
    -------
    Picture, list of str
        The latter is `Evaluation.lent`. Parameters and errors are those of `evaluate`.
    """
    with running(path):
        function, values, keywords, lent = prepare(path, name, texts, keep_math)
        if keywords:
            function = functools.partial(function, **keywords)
        return fastad.show(function, *values, output=output), lent


def prepare(
    path: str, name: str, texts: list[str], keep_math: bool
) -> tuple[Callable[..., Any], list[Any], dict[str, Any], list[str]]:
    """The function *name* of the file *path*, its values and keywords, and what was lent."""
    values, keywords = read_arguments(texts)
    module = load(path)
    lent = [] if keep_math else lend_math(module)
    function = find_function(module, name)
    signature = inspect.signature(function)
    values = match(signature, values, keywords)
    try:
        signature.bind(*values, **keywords)
    except TypeError as error:
        raise ScriptError(f"{path}: {name}{signature}: {error}") from error
    return function, values, keywords, lent


def read_arguments(texts: list[str]) -> tuple[list[Number], dict[str, Any]]:
    """Read what stands after the function: values in order, and keyword arguments.

    >>> read_arguments(["1.5", "1,-2e-3", "n=3"])
    ([1.5, [1.0, -0.002]], {'n': 3})

    ``VALUE`` is a float, ``VALUE,VALUE`` a list of floats (``VALUE,`` a list of one),
    ``NAME=LITERAL`` a keyword argument, any Python literal: it is passed on as it is,
    not differentiated.
    """
    values: list[Number] = []
    keywords: dict[str, Any] = {}
    for text in map(str.strip, texts):
        keyword, equals, literal = text.partition("=")
        try:
            if equals:
                keywords[keyword] = ast.literal_eval(literal)
            elif "," in text:
                values.append([float(item) for item in text.rstrip(",").split(",")])
            else:
                values.append(float(text))
        except (ValueError, TypeError, SyntaxError) as error:
            wanted = "NAME=LITERAL" if equals else "a number, or numbers as 1,2,3"
            raise ScriptError(f"bad VALUE {text!r}: expected {wanted}") from error
    if not values:
        raise ScriptError("no VALUE to differentiate at")
    return values, keywords


def load(path: str) -> types.ModuleType:
    """Run the file *path* as a module of its own and return it."""
    try:
        source = Path(path).read_bytes()
    except OSError as error:
        raise ScriptError(f"cannot read {path}: {error.strerror}") from error
    module = types.ModuleType(Path(path).stem)
    module.__file__ = path
    # Dataclasses and pickle look a module up by name; one that exists keeps its place.
    sys.modules.setdefault(module.__name__, module)
    exec(compile(source, path, "exec"), vars(module))
    return module


def lend_math(module: types.ModuleType) -> list[str]:
    """Give the global names of *module* that stand for `math` fastad's instead.

    Covered are the module (``import math``, ``import math as m``) and its functions
    (``from math import sin``). Not covered are imports inside functions and in other
    files: there a Var meets the real `math`, which refuses it.

    Returns
    -------
    list of str
        The names that now stand for something else.
    """
    counterparts = {id(math): fastad.math}
    for name, function in vars(math).items():
        if isinstance(function, types.BuiltinFunctionType):
            counterparts[id(function)] = getattr(fastad.math, name, function)
    lent = {
        name: counterparts[id(value)]
        for name, value in vars(module).items()
        if counterparts.get(id(value), value) is not value
    }
    vars(module).update(lent)
    return list(lent)


def find_function(module: types.ModuleType, name: str) -> Callable[..., Any]:
    """Return the function *name* of *module*."""
    path = module.__file__
    try:
        function = getattr(module, name)
    except AttributeError:
        there = [
            key for key, value in vars(module).items() if inspect.isfunction(value)
        ]
        raise ScriptError(
            f"{path} has no function {name}; it has {', '.join(there) or 'none at all'}"
        ) from None
    if not callable(function):
        kind = type(function).__name__
        raise ScriptError(f"{name} in {path} is not a function ({kind})")
    return function


def match(
    signature: inspect.Signature, values: list[Number], keywords: dict[str, Any]
) -> list[Any]:
    """Return the positional arguments for *values*: is it f(x, y) or f(list)?

    A function that takes one argument by position and is given several numbers gets
    them as a list. Any other function gets one value for each parameter.
    """
    kinds = [
        parameter.kind
        for name, parameter in signature.parameters.items()
        if name not in keywords
        and parameter.kind not in (parameter.KEYWORD_ONLY, parameter.VAR_KEYWORD)
    ]
    takes_one = len(kinds) == 1 and kinds[0] is not inspect.Parameter.VAR_POSITIONAL
    several = len(values) > 1 and all(isinstance(value, float) for value in values)
    return [values] if takes_one and several else values


def by_parameter(
    signature: inspect.Signature, numbers: Iterable[Number]
) -> dict[str, Any]:
    """Name *numbers*, one for each positional argument, as the parameters are named.

    >>> by_parameter(inspect.signature(lambda x, *more: x), [1.0, 2.0, 3.0])
    {'x': 1.0, 'more': [2.0, 3.0]}
    """
    named = signature.bind_partial(*numbers).arguments
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in named.items()
    }


@contextlib.contextmanager
def running(path: str) -> Iterator[None]:
    """Run code of the file *path* in here: its imports, its prints, its exceptions."""
    places_of_import = sys.path[:]
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except ScriptError:
        raise
    except SystemExit as error:
        raise ScriptError(f"{place(error, path)}: the file calls sys.exit") from error
    except Exception as error:
        raise ScriptError(f"{place(error, path)}: {summary(error)}") from error
    finally:
        sys.path[:] = places_of_import


def place(error: BaseException, path: str) -> str:
    """Return where in the file *path* an exception comes from, like ``model.py:3``."""
    if isinstance(error, SyntaxError) and error.filename == path:
        return f"{path}:{error.lineno}" if error.lineno else path
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename == path:
            return f"{path}:{frame.lineno}"
    return path


def summary(error: BaseException) -> str:
    """Return an exception in one line, like ``ValueError: math domain error``."""
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    message = " ".join(text.split())
    return f"{type(error).__name__}: {message}" if message else type(error).__name__

"""A Program is an artefact: saved and loaded, pickled and copied; damaged files are refused."""

import contextlib
import copy
import dataclasses
import io
import json
import math as standard_math
import pickle
import random
import re
import struct
import zlib
from collections import OrderedDict, namedtuple

import numpy
import pytest

import fastad
from fastad import Program, _core, math
from fastad.errors import ArgumentError, FileFormatError, PathError
from tests.published import FUNCTIONS
from tests.test_programs import MANY, bits


def saved(program):
    file = io.BytesIO()
    program.save(file)
    return file.getvalue()


def loaded(data):
    return Program.load(io.BytesIO(data))


def through_a_path(folder, program):
    path = folder / "program.fastad"
    program.save(path)
    return Program.load(str(path))


WAYS = {
    "file": lambda program: loaded(saved(program)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{
        f"pickle {protocol}": lambda program, protocol=protocol: pickle.loads(
            pickle.dumps(program, protocol)
        )
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    },
}
ways = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


def check_same(program, other):
    assert str(other) == str(program)
    assert other.instructions() == program.instructions()
    assert other.outputs == program.outputs
    assert repr(other) == repr(program)


# ---- There and back ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "x"), FUNCTIONS.items(), ids=lambda v: getattr(v, "__name__", "")
)
def test_published_functions(f, x, tmp_path):
    program = Program(lambda x: f(x, math), x, lines=True)
    for original in (program, program.gradient()):
        other = through_a_path(tmp_path, original)
        check_same(original, other)
        assert bits(other(x)) == bits(original(x))
        assert saved(other) == saved(original)


@ways
def test_each_way(way):
    for f in MANY.values():
        program = Program(f, [0.75, -1.3])
        other = way(program)
        check_same(program, other)
        assert bits(other([0.75, -1.3])) == bits(program([0.75, -1.3]))
        check_same(program.gradient(), other.gradient())


def random_program(seed):
    """Of all rows, guards and odd constants."""
    draw = random.Random(seed)
    odd = [0.0, -0.0, 1e-320, 1e308, 0.1, float("inf"), float("-inf"), float("nan")]

    def f(x, y):
        known = [x, y]
        for _ in range(60):
            row = draw.choice(ROWS)
            operands = draw.choices([*known, *odd], k=row.arity)
            try:
                z = _core.function(row.name, "")(*operands)
            except (ArithmeticError, ValueError):
                continue
            known.append(z)
            if draw.random() < 0.2:
                bool(known[-1] < known[0]), bool(known[0] == draw.choice(known))
        return draw.choices(known, k=5)

    return Program(f, 0.3, 1.7, lines=draw.random() < 0.5)


ROWS = _core.rows()


def test_random_programs():
    names = set()
    for seed in range(60):
        program = random_program(seed)
        other = loaded(saved(program))
        # Constants are compared by their bits: a nan does not equal itself.
        assert saved(other) == saved(program)
        assert str(other) == str(program)
        assert bits(other(0.3, 1.7)) == bits(program(0.3, 1.7))
        names |= {name for name, _, _ in program.instructions()}
    assert names >= {row.name for row in ROWS} - {"polygamma", "round_to"}
    assert {"guard lt", "guard eq"} <= names


Point = namedtuple("Point", "x y")


@dataclasses.dataclass
class Model:
    rate: float
    spots: list


class OwnList(list):
    pass


PLAIN = {
    "number": 1.5,
    "list": [1.5, 2.0],
    "nested": [[1.5], (2.0, [3.0, []]), ()],
    "dict": {"a": 1.5, "b": [2.0, {"c": 1.0}], "empty": {}},
    "keys": {1: 1.5, None: 2.0, 2.5: 1.0, True is None: 3.0},
    "array": numpy.array([[1.5, 2.0], [0.5, 1.0]]),
    "empty array": numpy.zeros((2, 0, 3)),
    "scalar array": numpy.array(2.5),
    "arrays": [numpy.array([1.5]), {"a": numpy.ones((1, 2))}],
}
OWN = {
    "namedtuple": Point(1.5, 2.0),
    "namedtuple in list": [Point(1.5, [2.0])],
    "dataclass": Model(1.5, [2.0, Point(1.0, 2.0)]),
    "OrderedDict": OrderedDict(a=1.5, b=[1.0]),
    "class of lists": OwnList([1.5]),
    "keys": {Point(1, 2): 1.5, "a": 2.0},
}


def twice(x, _):
    return {"it": x, "again": (x,)}


def check_shapes(program, x):
    """Arguments and result keep their classes, and wrong arguments are refused."""
    for way in ("pickle 4", "deepcopy"):
        other = WAYS[way](program)
        assert repr(other(x, 2.0)) == repr(program(x, 2.0))
        with pytest.raises(ArgumentError):
            other([x, x, x], 2.0)
        with pytest.raises(ArgumentError):
            other(x)


@pytest.mark.parametrize("x", PLAIN.values(), ids=PLAIN)
def test_shapes_in_files(x):
    program = Program(twice, x, 2.0)
    check_shapes(program, x)
    assert repr(loaded(saved(program))(x, 2.0)) == repr(program(x, 2.0))


@pytest.mark.parametrize("x", OWN.values(), ids=OWN)
def test_own_classes_need_a_pickle(x):
    program = Program(twice, x, 2.0)
    check_shapes(program, x)
    with pytest.raises(ArgumentError, match="pickle"):
        saved(program)


def test_a_pickle_holds_no_numbers_of_the_recording():
    program = Program(twice, {"secret": 1234.5678, Point(1, 2): 1.0}, 2.0)
    assert struct.pack(">d", 1234.5678) not in pickle.dumps(program)
    assert struct.pack("<d", 1234.5678) not in pickle.dumps(program)


@ways
def test_sparse_matrices_in_results(way):
    def f(x):
        return [x[0] * x[2], x[1] * 3.0]

    both = fastad.compile(lambda x: (f(x), fastad.sparse_jacobian(f)(x)))
    x, y = [1.0, 2.0, 3.0], [0.5, 0.25, 4.0]
    both(x)
    values, matrix = way(way(both.paths[0].program))(y)
    assert values == f(y)
    assert (matrix.toarray() == fastad.jacobian(f)(y)).all()
    assert matrix.nnz == 3


def test_containers_too_deep_for_a_file():
    deep = 1.5
    for _ in range(150):
        deep = [deep]
    program = Program(lambda x: x, deep)
    assert repr(loaded(saved(program))(deep)) == repr(deep)
    for _ in range(100):
        deep = [deep]
    with pytest.raises(ArgumentError, match="200"):
        saved(Program(lambda x: x, deep))


def decide(x):
    if x > 0.0:  # the first decision
        return x if x != 2.0 else -x
    return 0.0


@ways
def test_guards_keep_their_places(way):
    program = Program(decide, 1.0)
    other = way(way(program))
    assert other(3.0) == 3.0
    for x in (-1.0, 2.0, float("nan")):
        with pytest.raises(PathError) as expected:
            program(x)
        with pytest.raises(PathError) as found:
            other(x)
        assert str(found.value) == str(expected.value)
    with pytest.raises(
        PathError, match=re.escape(__file__) + r".* # the first decision"
    ):
        other.gradient()(-1.0)


def test_the_source_of_a_decision_comes_with_the_program(tmp_path):
    path = tmp_path / "model.py"
    path.write_text("def f(x):\n    return x if x > 0 else -x  # kept\n")
    names = {}
    exec(compile(path.read_text(), str(path), "exec"), names)
    data = saved(Program(names["f"], 1.0))
    path.write_text("another file by now\n" * 5)
    with pytest.raises(PathError, match=r"model.py:2: .*# kept"):
        loaded(data)(-1.0)


def test_paths_of_compiled_functions(tmp_path):
    """What is kept for the exceptions it may raise, and constants, are part of them."""

    @fastad.compile
    @fastad.value_and_grad
    def f(x, steepness, name="x", weights=(1, 2)):
        math.log(x[1])
        return x[0] ** 2 * steepness * len(name) * weights[1] if x[0] > 0 else -x[0]

    f([1.0, 2.0], 3.0, "ab")
    (path,) = f.paths
    for program in (through_a_path(tmp_path, path.program), copy.copy(path.program)):
        check_same(path.program, program)
        assert "log" in str(program)
        assert program([2.0, 3.0], 3.0, "ab") == f([2.0, 3.0], 3.0, "ab")
        with pytest.raises(ArgumentError):
            program([2.0, 3.0], 3.0, "abc")


@pytest.mark.parametrize(
    ("constant", "in_file"),
    [
        (2, True),
        (True, True),
        (None, True),
        ("text \udcff", True),
        (2**100, True),
        (2**70000, False),
        (b"bytes", False),
        (frozenset([1]), False),
        (standard_math.sin, False),
        (numpy.arange(3), False),
    ],
    ids=lambda x: type(x).__name__,
)
def test_constants(constant, in_file):
    @fastad.compile
    def f(x, constant):
        return x * 2.0

    f(1.0, constant)
    program = f.paths[0].program
    assert copy.copy(program)(3.0, constant) == 6.0
    with pytest.raises(ArgumentError):
        copy.copy(program)(3.0, "another")
    if in_file:
        assert loaded(saved(program))(3.0, constant) == 6.0
    else:
        with pytest.raises(ArgumentError):
            saved(program)


def test_a_file_that_is_there_is_replaced(tmp_path):
    path = tmp_path / "a file"
    path.write_bytes(b"x" * 10**5)
    Program(abs, 1.0).save(path)
    assert Program.load(path)(-1.0) == 1.0
    with open(path, "rb") as file:
        assert Program.load(file)(1.0) == 1.0


# ---- What is no program --------------------------------------------------------------


def branch(x):
    y = {"a": x[0] * 3.5 + math.sin(x[1]), "b": [x[0]]}
    return y if x[0] < x[1] else x


DATA = saved(Program(branch, [0.5, 1.0], lines=True))


def taken_apart(data):
    """(description, body) of a file."""
    n = int.from_bytes(data[12:16], "little")
    return json.loads(data[16 : 16 + n]), data[16 + n : -4]


def sealed(description, body, version=1, length=None):
    """A file with the right length and checksum, whatever it says."""
    text = description
    if not isinstance(text, bytes):
        text = json.dumps(description).encode()
    header = struct.pack("<II", version, len(text) if length is None else length)
    return with_checksum(b"\x89fastad\n" + header + text + body)


def with_checksum(data):
    return bytes(data) + struct.pack("<I", zlib.crc32(data))


def check_refused(data, match=None):
    with pytest.raises(FileFormatError, match=match):
        loaded(data)
    with pytest.raises(FileFormatError, match=match):
        _core.unpickle_program(data, ())


def test_it_is_a_value_error_with_the_name_of_the_file(tmp_path):
    path = tmp_path / "some.txt"
    path.write_text("something else entirely")
    with pytest.raises(ValueError, match=r"some.txt: not a program written by fastad"):
        Program.load(path)
    assert issubclass(FileFormatError, fastad.errors.FastadError)
    with pytest.raises(FileNotFoundError):
        Program.load(tmp_path / "nothing")
    with pytest.raises(ArgumentError, match="'rb'"):
        Program.load(io.StringIO("text"))


def test_each_byte_may_be_damaged():
    for place in range(len(DATA)):
        for change in (0x01, 0x80, 0xFF):
            damaged = bytearray(DATA)
            damaged[place] ^= change
            check_refused(bytes(damaged))


def test_truncated_and_extended():
    for n in range(len(DATA)):
        check_refused(DATA[:n])
    check_refused(DATA + b"\0", "damaged or cut off")
    check_refused(DATA + DATA, "damaged or cut off")
    check_refused(DATA[16:])


def test_damage_behind_a_right_checksum():
    """Refused, or a program that is sound enough to do all that programs do."""
    draw = random.Random(0)
    n_read = n_refused = 0
    for _ in range(4000):
        damaged = bytearray(DATA[:-4])
        for _ in range(draw.choice([1, 1, 2, 8])):
            place = draw.randrange(8, len(damaged))
            damaged[place] = draw.choice(
                [draw.randrange(256), 0, 255, damaged[place - 1]]
            )
        try:
            program = loaded(with_checksum(damaged))
        except FileFormatError:
            n_refused += 1
            continue
        n_read += 1
        str(program), program.instructions(), program.stats
        with contextlib.suppress(ValueError):
            program([0.5, 1.0])
            program.trace([0.5, 1.0])
        assert saved(loaded(saved(program))) == saved(program)
    assert n_refused > 1000
    assert n_read > 100


def test_a_table_of_operations_of_another_version():
    description, body = taken_apart(DATA)
    names = [name for name, _ in description["operations"]]
    shuffled = [*reversed(description["operations"]), ["erfinv", 1]]
    new = bytearray(body)
    for place in range(0, 16 * description["instructions"], 16):
        kind = int.from_bytes(new[place : place + 4], "little")
        new[place : place + 4] = struct.pack("<I", len(names) - 1 - kind)
    program = loaded(sealed({**description, "operations": shuffled}, bytes(new)))
    check_same(loaded(DATA), program)


def changed(**entries):
    description, body = taken_apart(DATA)
    return sealed({**description, **entries}, body)


MATRIX = {"matrix": [2, 3], "starts": [0, 1, 2], "columns": [1, 2]}


def changed_matrix(**entries):
    return changed(result={**MATRIX, **entries})


OPERATIONS = taken_apart(DATA)[0]["operations"]
HUGE = 2**62
FAULTS = {
    "empty": (b"", "not a program"),
    "signature": (b"\x89fastad\n", "cut off"),
    "zip": (b"PK\x03\x04" + bytes(100), "first bytes are b'PK"),
    "text mode": (DATA.replace(b"\n", b"\r\n"), "first bytes"),
    "newer": (sealed({}, b"", version=2), "format 2.*newer fastad"),
    "no JSON": (sealed(b"{", b""), "not JSON"),
    "no UTF-8": (sealed(b"\xff\xfe", b""), "not JSON"),
    "deep JSON": (sealed(b"[" * 10**5, b""), "not JSON"),
    "long number": (sealed(b"9" * 10**5, b""), "not JSON"),
    "list": (sealed([], b""), "not a dict"),
    "nothing": (sealed({}, b""), "'operations'"),
    "long description": (sealed(b"{}", b"", length=2**32 - 1), "more than the file"),
    "unknown operation": (
        changed(operations=[["bessel", 2], *OPERATIONS[1:]]),
        r"'bessel' of 2 arguments is none of fastad",
    ),
    "another arity": (
        changed(operations=[[OPERATIONS[0][0], 3], *OPERATIONS[1:]]),
        "of 3 arguments is none",
    ),
    "no operation": (changed(operations=[7]), "7 in the table"),
    "fewer operations": (changed(operations=OPERATIONS[:1]), "of a kind"),
    "operations twisted": (changed(operations=OPERATIONS[::-1]), "instruction 0"),
    "more instructions": (changed(instructions=30), "do not make a file"),
    "fewer outputs": (changed(outputs=1), "do not make a file"),
    "negative": (changed(instructions=-1, outputs=1000), "do not make a file"),
    "huge": (changed(instructions=HUGE), "do not make a file"),
    "huge outputs": (changed(outputs=10**400), "do not make a file"),
    "true": (changed(outputs=True), "True for 'outputs'"),
    "float": (changed(outputs=2.0), "2.0 for 'outputs'"),
    "no arguments": (changed(arguments=None), "None for 'arguments'"),
    "arguments: number": (changed(arguments="number"), "arguments"),
    "arguments: list": (changed(arguments={"list": 2}), "not described as a tuple"),
    "arguments: few": (changed(arguments={"tuple": 1}), "1 numbers.* has 2"),
    "arguments: many": (changed(arguments={"tuple": HUGE}), "where the program has 2"),
    "result: many": (changed(result={"tuple": HUGE}), "where the program has 2"),
    "result: negative": (changed(result={"list": -1}), "result"),
    "result: text": (changed(result={"list": "ab"}), "result"),
    "result: none": (changed(result={}), "result"),
    "result: word": (changed(result="numbers"), "result"),
    "array: negative": (changed(result={"array": [-1, -2]}), "array"),
    "array: huge": (changed(result={"array": [HUGE, HUGE]}), "result"),
    "array: nothing, hugely": (changed(result={"array": [0, HUGE, HUGE]}), "result"),
    "array: axes": (changed(result={"array": [1] * 65 + [2]}), "result"),
    "array: text": (changed(result={"array": "ab"}), "result"),
    "matrix: text": (changed_matrix(columns="ab"), "result"),
    "matrix: negative": (changed_matrix(columns=[-1, 0]), "result"),
    "matrix: huge": (changed_matrix(columns=[0, HUGE]), "result"),
    "matrix: no rows": (changed_matrix(starts=[]), "do not fit"),
    "matrix: few rows": (changed_matrix(starts=[0, 2]), "do not fit"),
    "matrix: one axis": (changed_matrix(matrix=[2]), "do not fit"),
    "matrix: falling": (changed_matrix(starts=[0, 3, 2]), "do not fit"),
    "matrix: late": (changed_matrix(starts=[1, 1, 2]), "do not fit"),
    "matrix: few entries": (changed_matrix(columns=[1]), "do not fit"),
    "matrix: outside": (changed_matrix(columns=[0, 3]), "do not fit"),
    "matrix: twice": (changed_matrix(starts=[0, 2, 2], columns=[1, 1]), "do not fit"),
    "matrix: in turns": (
        changed_matrix(starts=[0, 2, 2], columns=[1, 0]),
        "do not fit",
    ),
    "matrix: few": (
        changed_matrix(starts=[0, 1, 1], columns=[1]),
        "1 numbers where the program has 2",
    ),
    "matrix: argument": (changed(arguments={"tuple": [MATRIX]}), "only a result"),
    "dict: no keys": (changed(result={"dict": 2}), "result"),
    "dict: few keys": (changed(result={"dict": 2, "keys": ["a"]}), "other keys"),
    "dict: keys twice": (changed(result={"dict": 2, "keys": ["a", "a"]}), "other keys"),
    "dict: lists": (changed(result={"dict": 2, "keys": [[], []]}), "result"),
    "dataclass": (changed(result={"dataclass": 2, "keys": ["a", "b"]}), "result"),
    "class": (changed(result={"list": 2, "prototype": 0}), "a class of yours"),
    "class by name": (
        changed(result={"list": 2, "prototype": "os.system"}),
        "class of yours",
    ),
    "constant": (changed(result=[{"constant": []}]), "result"),
    "constant list": (changed(result={"list": [{"constant": []}]}), "result"),
    "keys of a pickle": (changed(result={"dict": 2, "keys": 0}), "class of yours"),
    "files": (changed(files=[1]), "names of files"),
    "lines: odd": (changed(lines=[0]), "lines of files"),
    "lines: many": (changed(lines=[-1] * 1000), "lines of files"),
    "lines: file": (changed(lines=[7, 1]), "lines of files"),
    "lines: text": (changed(lines=["a", 1]), "lines of files"),
    "places: none": (changed(places=[]), "place that is not named"),
    "places: file": (changed(places=[None, [7, 1, ""]]), "table of places"),
    "places: text": (changed(places=[None, [0, 1, None]]), "table of places"),
    "places: short": (changed(places=[None, [0, 1]]), "table of places"),
}


@pytest.mark.parametrize(("data", "match"), FAULTS.values(), ids=FAULTS)
def test_faults_are_named(data, match):
    check_refused(data, match)


def test_planted_entries_of_any_kind():
    odd = [None, True, -1, 0, HUGE, 1e300, "", "number", [], [[]], {}, {"list": {}}]
    for name in taken_apart(DATA)[0]:
        for value in odd:
            with contextlib.suppress(ValueError):
                loaded(changed(**{name: value}))([0.5, 1.0])


def test_each_allocation_may_fail():
    n_failures = 0
    for n in range(1, 100):
        _core.fail_allocation(n)
        try:
            data = saved(loaded(DATA))
        except MemoryError:
            n_failures += 1
        else:
            break
        finally:
            _core.fail_allocation(0)
    assert data == DATA
    assert n_failures > 2

# A Program as bytes, for files and for pickle:
#
#   signature      89 66 61 73 74 61 64 0A
#   version        of the format
#   n              the length of the description
#   description    n bytes of JSON: a dict of
#       fastad         the version that wrote it
#       operations     [name, arity] of each kind of instruction, which the instructions number
#       instructions, outputs, kept    how many
#       arguments, result        how their numbers are arranged: describe_shape
#       files          names of the sources
#       lines          of each instruction its file and line, or null
#       places         of guards: [file, line, its text], or null
#   instructions, outputs, kept  csrc/encode.h
#   checksum       CRC-32 of all bytes before it
#
# Numbers take 4 bytes, the lowest first. A file holds no code and no names of classes: where
# the description points to a prototype, such as a class, it came with the pickle.

cdef bytes SIGNATURE = b"\x89fastad\n"
cdef int FORMAT = 1
cdef int DEEPEST = 200  # containers in each other: json, and what reads it, are recursive


cdef bytes encode_program(Program program, list prototypes):
    """prototypes: takes what only a pickle may hold; None if it shall be a file."""
    import json
    import zlib
    cdef fad_program *p = &program.program
    cdef NodeIds numbers_of_kinds = NodeIds(FAD_N_KINDS)
    cdef bytearray body = bytearray(
        FAD_INSTRUCTION_BYTES * <size_t>p.n_instructions
        + FAD_ID_BYTES * (<size_t>p.n_outputs + p.n_kept)
    )
    operations = number_kinds(p, numbers_of_kinds.ids)
    fad_program_encode(p, numbers_of_kinds.ids, body)
    files = {}
    description = {
        "fastad": version(),
        "operations": operations,
        "instructions": p.n_instructions,
        "outputs": p.n_outputs,
        "kept": p.n_kept,
        "arguments": describe_shape(program.arguments, prototypes, 0),
        "result": describe_shape(program.result, prototypes, 0),
        "lines": describe_lines(program.lines, p.n_instructions, files),
        "places": [describe_place(place, files) for place in program.places.places],
        "files": list(files),
    }
    try:
        text = json.dumps(description, separators=(",", ":")).encode()
    except (ValueError, RecursionError) as error:
        raise ArgumentError(f"the program's keys and constants cannot be written: {error}") from error
    parts = [SIGNATURE, number_bytes(FORMAT), number_bytes(len(text)), text, body]
    cdef bytes data = b"".join(parts)
    return data + number_bytes(zlib.crc32(data))


cdef object number_bytes(number_):
    return int(number_).to_bytes(4, "little")


cdef object number_at(bytes data, Py_ssize_t place):
    return int.from_bytes(data[place:place + 4], "little")


cdef str version():
    return sys.modules["fastad"].__version__


cdef list kinds_of_instructions():
    """The name and the arity of each op."""
    cdef fad_instruction i
    cdef list kinds = []
    names = [row.name for row in rows()]
    names += ["guard lt", "guard le", "guard eq", "guard ne", "input", "constant"]
    for op, name in enumerate(names):
        i.op = op
        kinds.append((name, fad_instruction_arity(&i)))
    return kinds


cdef list number_kinds(const fad_program *program, uint32_t *numbers_of_kinds):
    """The table of the kinds that occur, and of each op its place there."""
    cdef uint32_t id
    cdef list operations = []
    for id in range(program.n_instructions):
        numbers_of_kinds[program.instructions[id].op] = 1
    for op, kind in enumerate(kinds_of_instructions()):
        if numbers_of_kinds[<int>op]:
            numbers_of_kinds[<int>op] = len(operations)
            operations.append(kind)
    return operations


cdef object describe_lines(list lines, Py_ssize_t n, dict files):
    """The number of the file and the line of each instruction, in one list; -1 for none."""
    cdef list described = []
    if lines is None:
        return None
    for place in lines[:n]:
        if place is None:
            described += -1, -1
        else:
            described += files.setdefault(place[0], len(files)), place[1]
    return described


cdef object describe_place(place, dict files):
    if place is None:
        return None
    return files.setdefault(place[0], len(files)), place[1], text_of_place(place)[:200]


# ---- Shapes ---------------------------------------------------------------------------------

cdef tuple NAMES_OF_SHAPES = (
    "number", "constant", "list", "tuple", "dict", "dataclass", "array", "matrix"
)


cdef object describe_shape(Shape shape, list prototypes, int depth):
    """"number", or a dict: {kind: how many numbers, or all items}; "keys"; "prototype".

    A constant is its value; an array its lengths; a sparse matrix, too, with the "starts" of its
    rows and the "columns" of its entries.
    """
    if shape.kind == A_NUMBER:
        return "number"
    if shape.kind == AN_ARRAY:
        return {"array": list(shape.prototype)}
    if shape.kind == A_MATRIX:
        layout = <Layout>shape.prototype
        return {
            "matrix": list(layout.shape), "starts": layout.starts.tolist(),
            "columns": layout.columns.tolist(),
        }
    if shape.kind == A_CONSTANT:
        return describe_constant(shape.prototype, prototypes)
    if depth == DEEPEST:
        raise ArgumentError(f"containers in more than {DEEPEST} others cannot be written")
    items = shape.n
    if shape.items is not None:
        items = [describe_shape(item, prototypes, depth + 1) for item in shape.items]
    described = {NAMES_OF_SHAPES[shape.kind]: items}
    kind = shape.prototype if isinstance(shape.prototype, type) else type(shape.prototype)
    if kind not in (list, tuple, dict):
        described["prototype"] = note_prototype(blank(shape), prototypes, kind.__name__)
    if shape.keys is not None:
        described["keys"] = shape.keys
        if not all([is_plain(key) for key in shape.keys]):
            described["keys"] = note_prototype(
                shape.keys, prototypes, f"keys such as {short(shape.keys[0])}"
            )
    return described


cdef object describe_constant(constant, list prototypes):
    if is_plain(constant):
        return {"constant": constant}
    number_ = note_prototype(constant, prototypes, f"constants such as {short(constant)}")
    return {"constant": None, "prototype": number_}


cdef bint is_plain(x):
    """Whether JSON gives back an equal one: not for nan, nor for ints of thousands of digits."""
    if type(x) is int:
        return x.bit_length() < 10000
    return x is None or type(x) in (str, float, bool) and x == x


cdef object note_prototype(prototype, list prototypes, str what):
    """The number of what only a pickle may hold."""
    if prototypes is None:
        raise ArgumentError(
            "a file holds numbers and text in lists, tuples, dicts and arrays, but no "
            f"{what}: pickle the Program instead"
        )
    prototypes.append(prototype)
    return len(prototypes) - 1


cdef object blank(Shape shape):
    """The prototype with zeros for numbers: it may hold what is not to be pickled."""
    if isinstance(shape.prototype, type):
        return shape.prototype
    prototype = copy_of(shape.prototype)
    for key in shape.keys:
        if shape.kind == A_DICT:
            prototype[key] = 0.0
        else:
            object.__setattr__(prototype, key, 0.0)
    return prototype


@cython.final
cdef class ShapeReader:
    """Makes Shapes of descriptions, which may say anything."""

    cdef str what           # is described
    cdef object room        # how many numbers may still come
    cdef tuple prototypes

    cdef Shape read(self, described, int depth):
        if described == "number":
            self.take(1)
            return a_number_shape
        if not isinstance(described, dict) or depth > DEEPEST:
            raise self.fault(described)
        cdef Shape shape = Shape()
        for kind in (A_CONSTANT, A_LIST, A_TUPLE, A_DICT, A_DATACLASS, AN_ARRAY, A_MATRIX):
            if NAMES_OF_SHAPES[kind] in described:
                shape.kind = kind
                break
        else:
            raise self.fault(described)
        content = described[NAMES_OF_SHAPES[kind]]
        if shape.kind == A_CONSTANT:
            shape.prototype = content
            if "prototype" in described:
                shape.prototype = self.prototype(described["prototype"])
            elif not is_plain(content):
                raise self.fault(content)
            return shape
        if shape.kind == AN_ARRAY:
            self.read_array(shape, content)
            return shape
        if shape.kind == A_MATRIX:
            self.read_matrix(shape, content, described.get("starts"), described.get("columns"))
            return shape
        self.read_items(shape, content, depth)
        if shape.kind == A_DICT or shape.kind == A_DATACLASS:
            self.read_keys(shape, described.get("keys"))
        self.read_prototype(shape, described.get("prototype"))
        return shape

    cdef int take(self, n) except -1:
        if type(n) is not int or not 0 <= n <= self.room:
            raise FileFormatError(
                f"the shape of {self.what} holds {short(n)} numbers where the program has "
                f"{self.room}"
            )
        self.room -= n
        return 0

    cdef int read_array(self, Shape shape, lengths) except -1:
        import numpy
        if type(lengths) is not list or len(lengths) > 64 or not all(
            [type(n) is int and 0 <= n <= sys.maxsize for n in lengths]
        ):
            raise self.fault(lengths)
        self.take(math.prod(lengths))
        shape.n = math.prod(lengths)
        shape.prototype = tuple(lengths)
        try:
            numpy.empty(shape.prototype)
        except ValueError as error:
            raise FileFormatError(
                f"the shape of {self.what} has an array {short(lengths)}: {error}"
            ) from error
        return 0

    cdef int read_matrix(self, Shape shape, lengths, starts, columns) except -1:
        for numbers_ in (lengths, starts, columns):
            if type(numbers_) is not list or not all(
                [type(n) is int and 0 <= n < 1 << 31 for n in numbers_]
            ):
                raise self.fault(numbers_)
        ends = starts[1:]
        is_sound = len(lengths) == 2 and len(ends) == lengths[0] and (
            starts == sorted(starts) and starts[:1] == [0] and max(starts) == len(columns)
        )
        if is_sound:
            for start, end in zip(starts, ends):
                row = columns[start:end]
                is_sound &= row == sorted(set(row)) and max(row, default=-1) < lengths[1]
        if not is_sound:
            raise FileFormatError(
                f"the shape of {self.what} has a sparse matrix {short(lengths)} whose rows or "
                "columns do not fit together"
            )
        self.take(len(columns))
        shape.n = len(columns)
        shape.prototype = Layout(tuple(lengths), starts, columns)
        return 0

    cdef int read_items(self, Shape shape, items, int depth) except -1:
        if type(items) is list:
            shape.items = [self.read(item, depth + 1) for item in items]
            shape.n = len(items)
        else:
            self.take(items)
            shape.n = items
        return 0

    cdef int read_keys(self, Shape shape, keys) except -1:
        if type(keys) is int:
            keys = self.prototype(keys)
        elif type(keys) is not list or not all([is_plain(key) for key in keys]):
            raise self.fault(keys)
        if len(keys) != shape.n or len(set(keys)) != shape.n:
            raise FileFormatError(
                f"the shape of {self.what} has {shape.n} items, but other keys: {short(keys)}"
            )
        shape.keys = keys
        return 0

    cdef int read_prototype(self, Shape shape, number_) except -1:
        if number_ is not None:
            shape.prototype = self.prototype(number_)
        elif shape.kind == A_LIST:
            shape.prototype = list
        elif shape.kind == A_TUPLE:
            shape.prototype = tuple
        elif shape.kind == A_DICT:
            shape.prototype = dict.fromkeys(shape.keys)
        else:
            raise self.fault("dataclass")
        return 0

    cdef object prototype(self, number_):
        if type(number_) is int and 0 <= number_ < len(self.prototypes):
            return self.prototypes[number_]
        raise FileFormatError(
            f"the shape of {self.what} needs a class of yours, which a pickle would hold"
        )

    cdef object fault(self, described):
        return FileFormatError(
            f"{short(described)} in the shape of {self.what} is none of a number, constant, "
            "list, tuple, dict or array"
        )


cdef Shape read_shape(described, str what, n, tuple prototypes):
    """The Shape of n numbers."""
    cdef ShapeReader reader = ShapeReader.__new__(ShapeReader)
    reader.what = what
    reader.room = n
    reader.prototypes = prototypes
    shape = reader.read(described, 0)
    if reader.room:
        raise FileFormatError(
            f"the shape of {what} holds {n - reader.room} numbers where the program has {n}"
        )
    return shape


# ---- Reading --------------------------------------------------------------------------------

cdef Program decode_program(bytes data, tuple prototypes):
    """FileFormatError unless the bytes are what encode_program writes."""
    cdef Program program = Program.__new__(Program)
    check_envelope(data)
    description = read_description(data)
    start = 16 + number_at(data, 12)
    decode_instructions(program, data, start, description)
    program.arguments = read_shape(
        entry(description, "arguments", (dict, str)), "the arguments",
        program.program.n_inputs, prototypes
    )
    if program.arguments.kind != A_TUPLE or program.arguments.prototype is not tuple:
        raise FileFormatError("the arguments are not described as a tuple")
    if program.arguments.has_matrices():
        raise FileFormatError("the arguments have a sparse matrix, which only a result may have")
    program.result = read_shape(
        entry(description, "result", (dict, str)), "the result",
        program.program.n_outputs, prototypes
    )
    files = entry(description, "files", list)
    if not all([type(name) is str for name in files]):
        raise FileFormatError("the description has names of files that are none")
    program.lines = read_lines(
        entry(description, "lines", (list, type(None))), files, program.program.n_instructions
    )
    program.places.places = [
        read_place(described, files) for described in entry(description, "places", list)
    ]
    return program


cdef int check_envelope(bytes data) except -1:
    import zlib
    if data[:8] != SIGNATURE:
        raise FileFormatError(
            f"not a program written by fastad: the first bytes are {data[:8]!r}, and should "
            f"be {SIGNATURE!r}"
        )
    if len(data) < 20:
        raise FileFormatError(f"cut off: {len(data)} bytes are not even a header")
    if number_at(data, 8) != FORMAT:
        raise FileFormatError(
            f"written in format {number_at(data, 8)}, and fastad {version()} reads format "
            f"{FORMAT}: a newer fastad may read it"
        )
    if zlib.crc32(memoryview(data)[:len(data) - 4]) != number_at(data, len(data) - 4):
        raise FileFormatError(
            f"damaged or cut off: the checksum at the end of its {len(data)} bytes is not "
            "that of the others"
        )
    return 0


cdef dict read_description(bytes data):
    import json
    n = number_at(data, 12)
    if n > len(data) - 20:
        raise FileFormatError(f"the description has {n} bytes, more than the file")
    try:
        description = json.loads(data[16:16 + n].decode())
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"the description is not JSON: {error}") from error
    if not isinstance(description, dict):
        raise FileFormatError("the description is not a dict")
    return description


cdef object entry(dict description, str name, kinds):
    value = description.get(name)
    if not isinstance(value, kinds) or isinstance(value, bool):
        raise FileFormatError(f"the description has {short(value)} for {name!r}")
    return value


cdef int decode_instructions(
    Program program, bytes data, Py_ssize_t start, dict description
) except -1:
    cdef fad_fault fault
    cdef fad_frame frame
    cdef NodeIds ops = ops_of_kinds(
        entry(description, "operations", list), description.get("fastad")
    )
    n_instructions = entry(description, "instructions", int)
    n_outputs = entry(description, "outputs", int)
    n_kept = entry(description, "kept", int)
    counts = (
        f"{short(n_instructions)} instructions, {short(n_outputs)} outputs and {short(n_kept)} "
        "that are kept"
    )
    length = FAD_INSTRUCTION_BYTES * n_instructions + FAD_ID_BYTES * (n_outputs + n_kept)
    if min(n_instructions, n_outputs, n_kept) < 0 or start + length + 4 != len(data):
        raise FileFormatError(f"{counts} do not make a file of {len(data)} bytes")
    if max(n_instructions, n_outputs, n_kept) > FAD_MAX_INSTRUCTIONS:
        raise FileFormatError(f"{counts}: at most {FAD_MAX_INSTRUCTIONS} of each will do")
    frame.n_instructions, frame.n_outputs = n_instructions, n_outputs
    frame.n_kept = n_kept
    frame.n_kinds, frame.ops = ops.n, ops.ids
    frame.n_places = len(entry(description, "places", list))
    status = fad_program_decode(
        &program.program, &frame, <const unsigned char *>data + start, &fault
    )
    check_memory(status)
    if status:
        raise FileFormatError(
            f"{fault.place.decode()} {fault.number} {fault.problem.decode()}"
        )
    return 0


cdef NodeIds ops_of_kinds(list operations, writer):
    """Of each kind in a file's table its op."""
    cdef NodeIds ops = NodeIds(len(operations))
    cdef dict known = {kind: op for op, kind in enumerate(kinds_of_instructions())}
    for number_, kind in enumerate(operations):
        if not (
            isinstance(kind, list) and len(kind) == 2
            and type(kind[0]) is str and type(kind[1]) is int
        ):
            raise FileFormatError(f"{short(kind)} in the table of operations")
        if tuple(kind) not in known:
            raise FileFormatError(
                f"the operation {short(kind[0])} of {kind[1]} arguments is none of fastad "
                f"{version()}; the file is by fastad {short(writer)}"
            )
        ops.ids[<Py_ssize_t>number_] = known[tuple(kind)]
    return ops


cdef object read_lines(list lines, list files, Py_ssize_t n):
    """(file, line) or None of each instruction, from the list of numbers."""
    cdef list places = []
    cdef Py_ssize_t k
    if lines is None:
        return None
    if not all([type(number_) is int and number_ >= -1 for number_ in lines]) or (
        len(lines) % 2 or len(lines) > 2 * n or max(lines[::2], default=-1) >= len(files)
    ):
        raise FileFormatError("the description has lines of files that it does not name")
    for k in range(0, len(lines), 2):
        places.append(None if lines[k] < 0 else (files[lines[k]], lines[k + 1]))
    return places


cdef object read_place(described, list files):
    """(file, line, text) or None: of a file that need not be here."""
    if described is None:
        return None
    if not isinstance(described, list) or [type(item) for item in described] != [
        int, int, str
    ] or not 0 <= described[0] < len(files):
        raise FileFormatError(f"{short(described)} in the table of places")
    return files[described[0]], described[1], described[2]


# ---- The methods of Program -----------------------------------------------------------------

cdef object save_program(Program program, file):
    data = encode_program(program, None)
    if not hasattr(file, "write"):
        with open(file, "wb") as opened:
            opened.write(data)
        return
    written = file.write(data)
    if written is not None and written != len(data):
        raise OSError(f"only {written} of the program's {len(data)} bytes could be written")


cdef Program load_program(file):
    if hasattr(file, "read"):
        data, name = file.read(), getattr(file, "name", "file")
    else:
        name = file
        with open(file, "rb") as opened:
            data = opened.read()
    if not isinstance(data, bytes):
        raise ArgumentError(f"{short(file)}: it must be open for reading bytes, in mode 'rb'")
    try:
        return decode_program(data, ())
    except FileFormatError as error:
        raise FileFormatError(f"{name}: {error}") from error


def unpickle_program(bytes data, tuple prototypes):
    """What a pickled Program calls."""
    return decode_program(data, prototypes)


# ---- C --------------------------------------------------------------------------------------

cdef str program_as_c(Program program, name, path):
    from fastad.c_code import c_code, is_free
    cdef Program simple = Program.__new__(Program)
    cells = {row.name: row.value for row in rows()}
    special = fad_special_text.decode()
    if not isinstance(name, str) or not is_free(name, cells, special):
        raise ArgumentError(
            f"{short(name)} cannot name the function: it must be an identifier of C that is no "
            "keyword and no function that the file may call"
        )
    check_memory(fad_program_simplify(&program.program, &simple.program))
    simple.program.n_kept = 0  # nobody asks for the flags
    check_memory(fad_program_drop_dead(&simple.program))
    simple.places = program.places
    text = c_code(
        name, simple.instructions(), simple.outputs, simple.program.n_inputs,
        simple.conditions(), cells, special, version()
    )
    if path is not None:
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
    return text

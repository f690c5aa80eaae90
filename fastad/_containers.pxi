# Numbers in any arrangement: lists, tuples, namedtuples, dicts, dataclasses and NumPy arrays,
# nested in each other. An arrangement is taken apart into a flat list of its numbers and a
# Shape, and a Shape puts any flat list of numbers together again in the same way.
#
# For compiled functions what is not a number may be a constant: part of the Shape.


cdef enum kind_of_shape:
    A_NUMBER, A_CONSTANT, A_LIST, A_TUPLE, A_DICT, A_DATACLASS, AN_ARRAY, A_MATRIX


cdef enum leaf_rule:
    ONLY_NUMBERS     # and anything else is an error
    NUMBERS          # what is no number is a constant
    ONLY_FLOATS      # also an int is a constant
    A_RESULT         # likewise, but a sparse matrix holds numbers
    ANYTHING         # as ONLY_FLOATS, and what is no number stays as it is
    ANY_RESULT       # likewise, but a sparse matrix holds numbers: those that are not zero


class NotAConstant(ArgumentError):
    """Something may change without that its comparison tells."""


@cython.final
cdef class Shape:
    """How numbers are arranged."""

    cdef kind_of_shape kind
    cdef Py_ssize_t n         # of items, or of the numbers in an array or sparse matrix
    cdef object prototype     # the class of a list or tuple, a copy of a dict or dataclass,
                              # the shape of an array, the Layout of a matrix, the constant itself
    cdef list keys            # of a dict or dataclass
    cdef list items           # a Shape each; None if all items are numbers

    cdef object fill(self, list numbers_, Py_ssize_t *place):
        """Such an arrangement of the numbers from place on, which moves behind them.

        It may keep the list of numbers itself.
        """
        cdef list items
        if self.kind == A_NUMBER:
            place[0] += 1
            return numbers_[place[0] - 1]
        if self.kind == A_CONSTANT:
            return self.prototype.copy() if is_array(self.prototype) else self.prototype
        if self.items is None:
            if place[0] == 0 and self.n == len(numbers_) > 0:
                items = numbers_  # the caller has no other use for them
            else:
                items = numbers_[place[0]:place[0] + self.n]
            place[0] += self.n
        else:
            items = [(<Shape>shape).fill(numbers_, place) for shape in self.items]
        return self.arranged(items)

    cdef object arranged(self, list items):
        """The items as such a list, tuple, ...; it may keep the list."""
        if self.kind == A_LIST:
            return items if self.prototype is list else self.prototype(items)
        if self.kind == A_TUPLE:
            return as_tuple(self.prototype, items)
        if self.kind == AN_ARRAY:
            return as_array(items, self.prototype)
        if self.kind == A_MATRIX:
            return (<Layout>self.prototype).matrix(items)
        filled = copy_of(self.prototype)
        for key, item in zip(self.keys, items):
            if self.kind == A_DICT:
                filled[key] = item
            else:
                object.__setattr__(filled, key, item)
        return filled

    def leaves(self):
        """In order, for each number 0.0, for each array its shape (a list), for each constant (c,)."""
        if self.kind == A_NUMBER:
            return [0.0]
        if self.kind == A_CONSTANT:
            return [(self.prototype,)]
        if self.kind == AN_ARRAY:
            return [list(self.prototype)]
        return [leaf for shape in self.shapes() for leaf in (<Shape>shape).leaves()]

    def with_leaves(self, leaves):
        """Such an arrangement of other things, from an iterator."""
        if self.kind in (A_NUMBER, A_CONSTANT, AN_ARRAY):
            return next(leaves)
        return self.arranged([(<Shape>shape).with_leaves(leaves) for shape in self.shapes()])

    cdef bint is_like(self, Shape other):
        """Whether the numbers are arranged in the same way; a tuple is like a list."""
        if self.n != other.n or (self.kind != other.kind and not (
            self.kind in (A_LIST, A_TUPLE) and other.kind in (A_LIST, A_TUPLE)
        )):
            return False
        if self.kind == AN_ARRAY or self.kind == A_MATRIX:
            return self.prototype == other.prototype
        if self.kind == A_CONSTANT:
            return are_same_constants(self.prototype, other.prototype)
        if self.keys is not None and self.keys != other.keys:
            return False
        if self.items is None and other.items is None:
            return True
        return all([
            (<Shape>a).is_like(<Shape>b) for a, b in zip(self.shapes(), other.shapes())
        ])

    cdef bint has_matrices(self):
        if self.items is None:
            return self.kind == A_MATRIX
        return any([(<Shape>shape).has_matrices() for shape in self.items])

    cdef bint has_constants(self):
        if self.items is None:
            return self.kind == A_CONSTANT
        return any([(<Shape>shape).has_constants() for shape in self.items])

    cdef list shapes(self):
        if self.items is not None:
            return self.items
        return [a_number_shape] * self.n

    def arrange(self, numbers_):
        """`fill` for Python: these numbers, as many as it takes."""
        cdef Py_ssize_t place = 0
        return self.fill(list(numbers_), &place)

    def places(self, str name=""):
        """A name for each of the numbers: name[1], name['key'], name.field[0, 2]."""
        if self.kind == A_NUMBER:
            return [name]
        if self.kind == AN_ARRAY:
            import itertools
            indices = itertools.product(*map(range, self.prototype))
            return [f"{name}[{', '.join(map(str, index))}]" for index in indices]
        return [
            place
            for k, shape in enumerate(self.shapes())
            for place in (<Shape>shape).places(name + self.step_to(k))
        ]

    cdef str step_to(self, Py_ssize_t k):
        """What the name of an item ends with: [1], ['key'], .field."""
        key = k if self.keys is None else self.keys[k]
        return f".{key}" if self.kind == A_DATACLASS else f"[{key!r}]"


cdef Shape a_number_shape = Shape()
a_number_shape.kind = A_NUMBER
a_number_shape.n = 1


cdef Shape take_apart(object x, list numbers_, leaf_rule rule=ONLY_NUMBERS):
    """The shape of x; appends its numbers, which are floats, Vars and Duals.

    ArgumentError if there is something else in it that the rule does not take.
    """
    cdef double value = 0.0
    cdef Shape shape
    cdef type kind = type(x)
    if kind is float or is_ours(x):
        numbers_.append(x)
        return a_number_shape
    shape = Shape()
    shape.prototype = kind
    if rule != ONLY_NUMBERS and has_more_than_items(x, kind):
        raise NotAConstant(f"{short(x)}, {a_type(x)}, has attributes beside its items")
    if isinstance(x, list):
        shape.kind = A_LIST
        take_items(shape, x if kind is list else list(x), numbers_, rule)
    elif isinstance(x, tuple):
        shape.kind = A_TUPLE
        take_items(shape, list(x), numbers_, rule)
    elif isinstance(x, dict):
        shape.kind = A_DICT
        shape.prototype = copy_of(x)
        shape.keys = list(x)
        take_items(shape, [x[key] for key in shape.keys], numbers_, rule)
    elif hasattr(kind, "__dataclass_fields__"):
        shape.kind = A_DATACLASS
        shape.prototype = copy_of(x)
        shape.keys = names_of_fields(x) if rule == ONLY_NUMBERS else names_of_attributes(x)
        take_items(shape, [getattr(x, name) for name in shape.keys], numbers_, rule)
    elif is_array(x) and not (rule != ONLY_NUMBERS and is_constant_array(x, rule)):
        shape.kind = AN_ARRAY
        shape.prototype = x.shape
        take_items(shape, items_of_array(x), numbers_, ONLY_NUMBERS)
        if shape.items is not None:
            raise ArgumentError("an array must hold numbers, and no arrays or lists")
    elif (rule < ONLY_FLOATS or is_floating(x)) and number(x, &value):
        numbers_.append(value)
        return a_number_shape
    elif kind is MatrixOfVars or (rule == A_RESULT or rule == ANY_RESULT) and is_matrix(x):
        shape.kind = A_MATRIX
        shape.prototype, entries = parts_of_matrix(x, rule == ANY_RESULT)
        take_items(shape, entries, numbers_, rule)
    elif rule != ONLY_NUMBERS:
        make_constant(shape, x, rule)
    else:
        raise ArgumentError(
            f"{short(x)}, {a_type(x)}, is neither a number nor a list, tuple, dict, dataclass "
            "or array of numbers"
        )
    return shape


def taken_apart(x):
    """The numbers in x and their shape: ``shape.arrange(numbers)`` is like x."""
    cdef list numbers_ = []
    cdef Shape shape = take_apart(x, numbers_)
    return numbers_, shape


cdef int take_items(Shape shape, list items, list numbers_, leaf_rule rule) except -1:
    shape.n = len(items)
    if are_floats_or_ours(items):
        numbers_.extend(items)
        return 0
    shape.items = []
    Py_EnterRecursiveCall(" in nested containers of numbers")
    try:
        for item in list(items):  # a copy, in case another class changes it meanwhile
            shape.items.append(take_apart(item, numbers_, rule))
        shape.n = len(shape.items)
    finally:
        Py_LeaveRecursiveCall()
    if all([inner is a_number_shape for inner in shape.items]):
        shape.items = None
    return 0


cdef bint are_floats_or_ours(list items):
    for item in items:
        if type(item) is not float and not is_ours(item):
            return False
    return True


cdef bint is_array(x):
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(x, numpy.ndarray)


cdef list items_of_array(x):
    numpy = sys.modules["numpy"]
    if type(x) is not numpy.ndarray:
        raise ArgumentError(
            f"{a_type(x)}: of arrays only plain numpy.ndarray will do; convert it with "
            "numpy.asarray"
        )
    if x.dtype.kind not in "fiubO" or x.dtype.itemsize > 8:
        raise ArgumentError(f"an array of dtype {x.dtype}: convert it with .astype(float)")
    return x.tolist() if x.ndim == 1 else x.ravel().tolist()


cdef object as_array(list items, shape):
    """A float array of floats, or an object array."""
    cdef Py_ssize_t k
    cdef double[::1] cells
    numpy = sys.modules["numpy"]
    if are_all_floats(items):
        array = numpy.empty(len(items))
        if items:
            cells = array
            for k in range(len(items)):
                cells[k] = PyFloat_AS_DOUBLE(items[k])
    else:
        array = numpy.empty(len(items), dtype=object)
        for k in range(len(items)):
            array[k] = items[k]  # one by one: an item may be a list
    return array if len(shape) == 1 else array.reshape(shape)


cdef object as_tuple(object kind, list items):
    if kind is tuple:
        return tuple(items)
    if hasattr(kind, "_make"):
        return kind._make(items)
    return kind(items)


cdef object copy_of(object x):
    if type(x) is dict:
        return dict(x)
    import copy
    return copy.copy(x)


cdef list names_of_fields(object x):
    import dataclasses
    return [field.name for field in dataclasses.fields(x)]


cpdef list names_of_attributes(object x):
    """Of a dataclass object: its fields, and what has been set beside them."""
    names = [name for name in names_of_fields(x) if hasattr(x, name)]
    return names + [name for name in getattr(x, "__dict__", ()) if name not in names]


cpdef bint has_more_than_items(object x, type kind):
    """Whether a list, tuple or dict of a class of its own has attributes, too."""
    if kind is list or kind is tuple or kind is dict:
        return False
    return isinstance(x, (list, tuple, dict)) and len(getattr(x, "__dict__", ())) > 0


# ---- Constants ------------------------------------------------------------------------------

cdef int make_constant(Shape shape, x, leaf_rule rule) except -1:
    """NotAConstant if x may change without that comparing it with itself tells."""
    shape.kind = A_CONSTANT
    shape.n = 0
    shape.prototype = x.copy() if is_array(x) else x
    if rule < ANYTHING and not is_array(x) and not is_constant(x):
        raise NotAConstant(
            f"{short(x)}, {a_type(x)}, is compared by identity and may have changed: pass what "
            "a function depends on as numbers, text, tuples or a frozen dataclass"
        )
    return 0


cdef bint is_constant(x):
    """Whether something that cannot change, or that tells by == if it did."""
    import enum
    import types
    cdef type kind = type(x)
    if x is None or x is Ellipsis or isinstance(x, (
        type, types.FunctionType, types.BuiltinFunctionType, types.ModuleType, enum.Enum,
        Recipe, Compiled,
    )) or str(kind.__module__).startswith("fastad."):
        return True
    # As of text, ints, Fractions and frozen dataclasses; but not of plain objects.
    return (
        kind.__hash__ is not object.__hash__ and kind.__hash__ is not None
        and kind.__eq__ is not object.__eq__ and not isinstance(x, types.MethodType)
    )


cdef bint is_constant_array(x, leaf_rule rule):
    """Whether an array holds no floats that a function may be differentiated to."""
    return x.dtype.kind not in ("fO" if rule >= ONLY_FLOATS else "fiubO")


cdef bint is_floating(x):
    """Whether x is a float or one of NumPy's."""
    numpy = sys.modules.get("numpy")
    return isinstance(x, float) or numpy is not None and isinstance(x, numpy.floating)


cpdef bint are_same_constants(x, y):
    if type(x) is not type(y):
        return False
    if is_matrix(x):
        return x is y
    if is_array(x):
        return x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes()
    try:
        return x is y or bool(x == y)
    except Exception:  # whatever their class raises
        return False


# ---- Keys: what differs where a Shape does ----------------------------------------------------

cdef inline Py_hash_t with_hash(Py_hash_t key, Py_hash_t hash_) noexcept:
    return <Py_hash_t>((<uint64_t>key ^ <uint64_t>hash_) * 0x9E3779B97F4A7C15u)


cdef Py_hash_t key_within(x, bint loose) except? -1:
    """Of numbers always the same; equal for constants that are the same; the rest need not
    differ."""
    cdef type kind = type(x)
    if kind is float or is_ours(x):
        return 0
    if kind is int or kind is bool:
        return 0 if loose else hash(x)
    if isinstance(x, (list, tuple)):
        return key_of_items(list(x), loose)
    if kind is str or x is None:
        return hash(x)
    if isinstance(x, dict):
        return key_of_items(list(x.values()), loose)
    if hasattr(kind, "__dataclass_fields__"):
        return key_of_items([getattr(x, name) for name in names_of_attributes(x)], loose)
    if is_array(x):
        if not is_constant_array(x, NUMBERS if loose else ONLY_FLOATS):
            return 0
        return hash(x.tobytes())
    if is_floating(x) or loose and (isinstance(x, numbers.Real) or is_numpy_bool(x)):
        return 0
    try:
        return hash(x)
    except Exception:  # whatever their class raises
        return 0


cdef Py_hash_t key_of_items(list items, bint loose) except? -1:
    cdef Py_hash_t key = 0
    Py_EnterRecursiveCall(" in nested containers of numbers")
    try:
        for item in items:
            key = with_hash(key, 0 if type(item) is float else key_within(item, loose))
    finally:
        Py_LeaveRecursiveCall()
    return key


cdef list way_to_difference(Shape a, Shape b):
    """The indices that lead to the first place where they differ, none if they themselves do;
    or None if nothing does."""
    cdef list shapes, others, way
    cdef Py_ssize_t k
    if a.kind != b.kind or a.n != b.n or a.keys != b.keys:
        return []
    if a.kind in (A_NUMBER, A_CONSTANT, AN_ARRAY, A_MATRIX):
        return None if a.is_like(b) else []
    shapes, others = a.shapes(), b.shapes()
    for k in range(a.n):
        way = way_to_difference(shapes[k], others[k])
        if way is not None:
            return [k, *way]
    return None


cdef str place_along(Shape shape, list way):
    """[1]['key'].field"""
    place = ""
    for k in way:
        place += shape.step_to(k)
        shape = shape.shapes()[k]
    return place


cdef Shape shape_along(Shape shape, list way):
    """What is there, or None."""
    for k in way:
        if shape.kind in (A_NUMBER, A_CONSTANT, AN_ARRAY, A_MATRIX) or k >= shape.n:
            return None
        shape = shape.shapes()[k]
    return shape


cdef str brief(Shape shape):
    """A constant, or the size of something."""
    if shape is None:
        return "nothing"
    if shape.kind == A_CONSTANT:
        return short(shape.prototype)
    if shape.kind == AN_ARRAY:
        return f"an array of shape {shape.prototype}"
    return "a float" if shape.kind == A_NUMBER else f"{shape.n} items"


# ---- Reading numbers where the Shape is known -----------------------------------------------

cdef bint read(Shape shape, x, double *numbers_, Py_ssize_t *place, bint loose, bint *ours) except -1:
    """Whether x has that shape; writes its numbers from place on, which moves behind them.

    loose: an int will do for a float.  ours: becomes true where there is a Var or Dual.
    """
    cdef type kind = type(x)
    if shape.kind == A_NUMBER:
        return read_number(x, numbers_, place, loose, ours)
    if shape.kind == A_CONSTANT:
        return are_same_constants(shape.prototype, x)
    if shape.kind == A_LIST or shape.kind == A_TUPLE:
        if kind is not shape.prototype or len(x) != shape.n or has_more_than_items(x, kind):
            return False
        return read_items(shape, x, numbers_, place, loose, ours)
    if shape.kind == AN_ARRAY:
        return is_array(x) and read_array(shape, x, numbers_, place, loose, ours)
    if kind is not type(shape.prototype) or has_more_than_items(x, kind):
        return False
    if shape.kind == A_DICT:
        if list(x) != shape.keys:
            return False
        return read_items(shape, list(x.values()), numbers_, place, loose, ours)
    if names_of_attributes(x) != shape.keys:
        return False
    items = [getattr(x, name) for name in shape.keys]
    return read_items(shape, items, numbers_, place, loose, ours)


cdef bint read_items(
    Shape shape, items, double *numbers_, Py_ssize_t *place, bint loose, bint *ours
) except -1:
    cdef Py_ssize_t k = 0
    if shape.items is None:
        for item in items:
            if k == shape.n or not read_number(item, numbers_, place, loose, ours):
                return False
            k += 1
        return k == shape.n
    for item in items:
        if k == shape.n:
            return False
        if not read(<Shape>shape.items[k], item, numbers_, place, loose, ours):
            return False
        k += 1
    return k == shape.n


cdef inline bint read_number(x, double *numbers_, Py_ssize_t *place, bint loose, bint *ours) except -1:
    if type(x) is float:
        numbers_[place[0]] = PyFloat_AS_DOUBLE(x)
    elif is_ours(x):
        ours[0] = True
        numbers_[place[0]] = primal(x)
    elif not (loose or is_floating(x)) or not number(x, &numbers_[place[0]]):
        return False
    place[0] += 1
    return True


cdef object fill_doubles(Shape shape, const double *numbers_, Py_ssize_t *place):
    """`Shape.fill` with plain numbers, of which there is no list."""
    cdef list items
    cdef Py_ssize_t first = place[0]
    if shape.kind == A_NUMBER:
        place[0] += 1
        return numbers_[first]
    if shape.kind == A_CONSTANT:
        return shape.fill(None, place)
    if shape.items is not None:
        items = [fill_doubles(<Shape>item, numbers_, place) for item in shape.items]
        return shape.arranged(items)
    place[0] += shape.n
    if shape.kind == AN_ARRAY:
        return array_of_doubles(numbers_ + first, shape.n, shape.prototype)
    if shape.kind == A_MATRIX:
        entries = array_of_doubles(numbers_ + first, shape.n, shape.n)
        return (<Layout>shape.prototype).matrix(entries)
    return shape.arranged(list_of_floats(numbers_ + first, shape.n))


cdef object array_of_doubles(const double *numbers_, Py_ssize_t n, lengths):
    cdef Py_buffer buffer
    numpy = sys.modules["numpy"]
    array = numpy.empty(lengths)
    if n == 0:  # then there need not be any memory
        return array
    PyObject_GetBuffer(array, &buffer, PyBUF_SIMPLE)
    memcpy(buffer.buf, numbers_, n * sizeof(double))
    PyBuffer_Release(&buffer)
    return array


cdef bint read_array(
    Shape shape, x, double *numbers_, Py_ssize_t *place, bint loose, bint *ours
) except -1:
    """Of an array of floats at once, of any other number by number."""
    cdef Py_buffer buffer
    cdef Py_ssize_t k
    cdef bint is_read
    if type(x) is not sys.modules["numpy"].ndarray:
        return False
    try:
        PyObject_GetBuffer(x, &buffer, PyBUF_RECORDS_RO)
    except ValueError:  # such as for times
        return False
    try:
        if not has_shape(&buffer, shape.prototype):
            return False
        is_read = copy_doubles(&buffer, shape.n, numbers_ + place[0])
    finally:
        PyBuffer_Release(&buffer)
    if is_read:
        place[0] += shape.n
        return True
    if is_constant_array(x, NUMBERS if loose else ONLY_FLOATS):
        return False
    return read_items(shape, items_of_array(x), numbers_, place, loose, ours)


cdef bint has_shape(Py_buffer *buffer, tuple lengths):
    cdef Py_ssize_t k
    if buffer.ndim != len(lengths):
        return False
    for k in range(buffer.ndim):
        if buffer.shape[k] != <Py_ssize_t>lengths[k]:
            return False
    return True


cdef bint copy_doubles(Py_buffer *buffer, Py_ssize_t n, double *numbers_):
    """Copy the buffer, if it holds doubles in this machine's order that lie evenly."""
    cdef Py_ssize_t k, stride = sizeof(double)
    cdef char *item = <char *>buffer.buf
    if buffer.format[0] != 100 or buffer.format[1] != 0:  # "d"
        return False
    if buffer.ndim == 1:
        stride = buffer.strides[0]
    elif not PyBuffer_IsContiguous(buffer, 67):  # "C"
        return False
    if n > 0 and stride == sizeof(double):
        memcpy(numbers_, item, n * sizeof(double))
    else:
        for k in range(n):
            memcpy(&numbers_[k], item + k * stride, sizeof(double))
    return True

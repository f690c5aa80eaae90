# Numbers in any arrangement: lists, tuples, namedtuples, dicts, dataclasses and NumPy arrays,
# nested in each other. An arrangement is taken apart into a flat list of its numbers and a
# Shape, and a Shape puts any flat list of numbers together again in the same way.


cdef enum kind_of_shape:
    A_NUMBER, A_LIST, A_TUPLE, A_DICT, A_DATACLASS, AN_ARRAY


@cython.final
cdef class Shape:
    """How numbers are arranged."""

    cdef kind_of_shape kind
    cdef Py_ssize_t n         # of items, or of the numbers in an array
    cdef object prototype     # the class of a list or tuple, a copy of a dict or dataclass,
                              # the shape of an array
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
        if self.items is None:
            if place[0] == 0 and self.n == len(numbers_) > 0:
                items = numbers_  # the caller has no other use for them
            else:
                items = numbers_[place[0]:place[0] + self.n]
            place[0] += self.n
        else:
            items = [(<Shape>shape).fill(numbers_, place) for shape in self.items]
        if self.kind == A_LIST:
            return items if self.prototype is list else self.prototype(items)
        if self.kind == A_TUPLE:
            return as_tuple(self.prototype, items)
        if self.kind == AN_ARRAY:
            return as_array(items, self.prototype)
        filled = copy_of(self.prototype)
        for key, item in zip(self.keys, items):
            if self.kind == A_DICT:
                filled[key] = item
            else:
                object.__setattr__(filled, key, item)
        return filled

    cdef bint is_like(self, Shape other):
        """Whether the numbers are arranged in the same way; a tuple is like a list."""
        if self.n != other.n or (self.kind != other.kind and not (
            self.kind in (A_LIST, A_TUPLE) and other.kind in (A_LIST, A_TUPLE)
        )):
            return False
        if self.kind == AN_ARRAY:
            return self.prototype == other.prototype
        if self.keys is not None and self.keys != other.keys:
            return False
        if self.items is None and other.items is None:
            return True
        return all([
            (<Shape>a).is_like(<Shape>b) for a, b in zip(self.shapes(), other.shapes())
        ])

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
        keys = range(self.n) if self.keys is None else self.keys
        form = "{}.{}" if self.kind == A_DATACLASS else "{}[{!r}]"
        return [
            place
            for key, shape in zip(keys, self.shapes())
            for place in (<Shape>shape).places(form.format(name, key))
        ]


cdef Shape a_number_shape = Shape()
a_number_shape.kind = A_NUMBER
a_number_shape.n = 1


cdef Shape take_apart(object x, list numbers_):
    """The shape of x; appends its numbers, which are floats, Vars and Duals.

    ArgumentError if there is anything else in it.
    """
    cdef double value = 0.0
    cdef Shape shape
    cdef type kind = type(x)
    if kind is float or is_ours(x):
        numbers_.append(x)
        return a_number_shape
    shape = Shape()
    shape.prototype = kind
    if isinstance(x, list):
        shape.kind = A_LIST
        take_items(shape, x if kind is list else list(x), numbers_)
    elif isinstance(x, tuple):
        shape.kind = A_TUPLE
        take_items(shape, list(x), numbers_)
    elif isinstance(x, dict):
        shape.kind = A_DICT
        shape.prototype = copy_of(x)
        shape.keys = list(x)
        take_items(shape, [x[key] for key in shape.keys], numbers_)
    elif hasattr(kind, "__dataclass_fields__"):
        shape.kind = A_DATACLASS
        shape.prototype = copy_of(x)
        shape.keys = names_of_fields(x)
        take_items(shape, [getattr(x, name) for name in shape.keys], numbers_)
    elif is_array(x):
        shape.kind = AN_ARRAY
        shape.prototype = x.shape
        take_items(shape, items_of_array(x), numbers_)
        if shape.items is not None:
            raise ArgumentError("an array must hold numbers, and no arrays or lists")
    elif number(x, &value):
        numbers_.append(value)
        return a_number_shape
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


cdef int take_items(Shape shape, list items, list numbers_) except -1:
    shape.n = len(items)
    if are_all_floats(items):
        numbers_.extend(items)
        return 0
    shape.items = []
    Py_EnterRecursiveCall(" in nested containers of numbers")
    try:
        for item in list(items):  # a copy, in case another class changes it meanwhile
            shape.items.append(take_apart(item, numbers_))
        shape.n = len(shape.items)
    finally:
        Py_LeaveRecursiveCall()
    if all([inner is a_number_shape for inner in shape.items]):
        shape.items = None
    return 0


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

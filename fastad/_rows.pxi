# The table of operations, as Python sees it.


class Row:
    """A row of csrc/ops.def: one operation.

    Attributes
    ----------
    name, doc : str
    arity : int
    value : str
        The cell that computes the value, a Python expression in x, y, z.
    partials : tuple of str
        One cell for each argument, in x, y, z and v, the value.
    domain : str
        One of the names of `domains`.
    """

    def __init__(self, name, arity, value, partials, domain, doc):
        self.name = name
        self.arity = arity
        self.value = value
        self.partials = partials
        self.domain = domain
        self.doc = doc

    def __repr__(self):
        return f"<Row {self.name}: {', '.join((self.value, *self.partials))}>"


def rows():
    """All operations, in the order of the table."""
    cdef int op, k
    table = []
    for op in range(<int>FAD_N_OPS):
        table.append(Row(
            fad_op_rows[op].name.decode(),
            fad_op_rows[op].arity,
            fad_op_rows[op].value.decode(),
            tuple([fad_op_rows[op].partials[k].decode() for k in range(fad_op_rows[op].arity)]),
            fad_domain_rows[fad_op_rows[op].domain].name.decode(),
            fad_op_rows[op].doc.decode(),
        ))
    return table


def domains():
    """Of each domain, what an error message advises."""
    cdef int k
    return {
        fad_domain_rows[k].name.decode(): fad_domain_rows[k].remedy.decode()
        for k in range(FAD_N_DOMAINS)
    }


def row_value(str name, double x, double y=0.0, double z=0.0):
    """The value cell of a row, as C evaluates it: nan or inf where it is not defined."""
    return fad_op_value(opcode_of[name], x, y, z)


def row_partials(str name, double x, double y=0.0, double z=0.0):
    """The partial cells of a row, as C evaluates them: a tuple of arity floats."""
    cdef double partials[3]
    cdef int op = opcode_of[name]
    fad_op_partials(<fad_opcode>op, x, y, z, fad_op_value(<fad_opcode>op, x, y, z), partials)
    return tuple([partials[k] for k in range(fad_op_rows[op].arity)])


def function(str name, str module):
    """The row as a function: floats in, a float out; with a Var, a Var out."""
    return row_function(opcode_of[name], module)


def plain_value(x):
    """The float inside, of which a program that is being recorded shall not know."""
    return primal(x)


def is_recording():
    """Whether some function is being recorded as a program."""
    return n_recordings > 0


# ---- For tests and benchmarks --------------------------------------------------------------

def live_vars():
    """How many Vars there are."""
    return count_live_vars()


def thread_stats():
    """`Tape.stats` of this thread's own tape."""
    cdef fad_tape *tape = thread_tape()
    return {
        "nodes": tape.n_nodes,
        "bytes": fad_tape_bytes(tape),
        "peak": max(tape.peak, tape.n_nodes),
        "collections": tape.n_collections,
    }


def collect():
    """Collect this thread's own tape."""
    collect_tape(thread_tape())


def fail_allocation(unsigned long n):
    """From the n-th allocation on every one of the core's fails; 0 ends that."""
    fad_memory_fail_from(n)


def fail_allocations_above(size_t n_bytes):
    """Larger ones of the core fail; 0 ends that."""
    fad_memory_fail_above(n_bytes)


def time_sweep(Var y, int repeat):
    """Seconds of each of `repeat` bare backward sweeps from y, in C."""
    cdef int k
    check_fresh(y)
    if fad_tape_reserve_adjoints(y.tape) < 0:
        raise OutOfMemoryError("no memory for a sweep")
    seconds = []
    for k in range(repeat):
        start = time.perf_counter()
        fad_sweep_backward(y.tape, y.id, 1.0)
        seconds.append(time.perf_counter() - start)
        clear_inputs(y.tape)
    return seconds

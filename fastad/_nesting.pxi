# Nested derivatives: operations on numbers of two levels, that is on Vars of two tapes, or on
# Vars and Duals.
#
# Tapes are ordered by opening. An operation belongs to the innermost tape among its operands;
# an operand of an outer tape is a constant of it whose value happens to be a Var. So the
# value of the operation, its partials and later the sweep are computed with Vars of the outer
# tape, by the same rows: exact at any order, and without confusion of the levels.
#
# Nothing is paid until it happens. Then the inner tape gets an Outer and a new epoch, which
# sends all further operations on its Vars to the slow path; they all keep the epoch before.


@cython.final
cdef class Outer:
    """What a nested tape keeps besides the nodes of its arena, whose partials are floats."""

    cdef dict values    # id -> its value, where that is a Var of an outer tape
    cdef dict partials  # id -> the partials (a, b) of the node, where one of them is


cdef inline bint belongs(Var x, fad_tape *tape):
    """Whether x is on the tape, in its present epoch."""
    return x.tape == tape and is_fresh(x)


cdef inline bint is_fresh(x):
    if type(x) is Var:
        return (<Var>x).epoch == (<Var>x).tape.epoch - is_special((<Var>x).tape)
    return (<Dual>x).epoch == (<Dual>x).tape.epoch


cdef inline bint is_special(fad_tape *tape):
    """Whether operations on the tape's Vars must not take the fast path."""
    return tape.outer != NULL or tape.program != NULL


cdef inline fad_tape *tape_of(x):
    return (<Var>x).tape if type(x) is Var else (<Dual>x).tape


cdef inline bint has_outer(x):
    """Whether more than floats may be inside x, or it stands for an instruction."""
    if type(x) is Var:
        return is_special((<Var>x).tape)
    return (<Dual>x).outer != NULL


cdef int open_to_outer(fad_tape *tape, Var inner, outer) except -1:
    """Let values and partials on the tape be Vars of outer tapes."""
    if tape.outer != NULL:
        return 0
    if not tape.nests:
        raise MixedTapesError(
            f"{inner!r} and {outer!r} belong to two tapes: make all inputs of a computation on "
            "one. (Only the tapes inside fastad.grad and its kin nest in others)"
        )
    cdef Outer of_tape = Outer()
    of_tape.values = {}
    of_tape.partials = {}
    Py_INCREF(of_tape)
    tape.outer = <void *>of_tape
    tape.epoch += 1
    return 0


cdef void close_to_outer(fad_tape *tape) noexcept:
    if tape.outer != NULL:
        of_tape = <object>tape.outer
        tape.outer = NULL
        Py_DECREF(of_tape)


cdef object value_one_level_out(x):
    """The value of x as its own level sees it: a float, or a number of an outer level."""
    if type(x) is Var:
        if (<Var>x).tape.outer == NULL:
            return (<Var>x)._value
        return (<Outer>(<Var>x).tape.outer).values.get((<Var>x).id, (<Var>x)._value)
    if (<Dual>x).outer == NULL:
        return (<Dual>x)._value
    return (<tuple>(<Dual>x).outer)[0]


cdef object innermost(operands):
    """The Var or Dual of the level that was opened last, or None; all are fresh."""
    inner = None
    for operand in operands:
        if not is_ours(operand):
            continue
        check_fresh(operand)
        # By hand a Dual and a Var can be of the same level: then the Dual is the inner one,
        # since it needs no tape to hold the Var.
        if inner is None or tape_of(operand).opened > tape_of(inner).opened or (
            type(operand) is Dual and tape_of(operand).opened == tape_of(inner).opened
        ):
            inner = operand
    return inner


cdef bint must_nest(operands):
    """Whether an operation on these operands needs an outer level."""
    inner = innermost(operands)
    if inner is None:
        return False
    for operand in operands:
        if is_ours(operand) and (tape_of(operand) != tape_of(inner) or has_outer(operand)):
            return True
    return False


cdef object slow_nested(fad_opcode op, asked_by by, tuple operands, inner):
    """An operation on the level of `inner`, where a value may be of an outer level."""
    cdef fad_tape *tape = tape_of(inner)
    cdef list values = []
    cdef list arguments = []
    cdef list partials = []
    cdef double number_ = 0.0
    cdef Py_ssize_t k
    for operand in operands:
        if not is_ours(operand):
            if not take_number(op, by, operand, &number_):
                return NotImplemented
            values.append(number_)
        elif tape_of(operand) == tape:
            values.append(value_one_level_out(operand))
        else:
            if type(inner) is Var:
                open_to_outer(tape, inner, operand)
            values.append(operand)
    value = apply(op, by, tuple(values))
    arguments_of_rule = dict(zip("xyz", values))
    for k in range(len(operands)):
        if is_ours(operands[k]) and tape_of(operands[k]) == tape:
            arguments.append(operands[k])
            partials.append(partial_rule(op, k)(v=value, **arguments_of_rule))
    if type(inner) is Dual:
        return nested_dual(value, nested_tangents(arguments, partials), tape)
    return record_nested(value, arguments, partials)


cdef object apply(fad_opcode op, asked_by by, tuple operands):
    """The operation on floats and Vars."""
    for operand in operands:
        if is_ours(operand):
            return slow(op, by, operands)
    return checked_value(op, by, operands)


cdef object record_nested(value, list arguments, list partials):
    """A result on the tape of the arguments, where value and partials may be Vars."""
    cdef fad_tape *tape = (<Var>arguments[0]).tape
    cdef Py_ssize_t k, n = len(arguments)
    cdef uint32_t ids[3]
    cdef double floats[3]
    cdef Var result
    make_room(tape, 3)
    for k in range(n):
        ids[k] = (<Var>arguments[k]).id
        floats[k] = primal(partials[k])
        tape.n_odd += not isfinite(floats[k])
    cdef uint32_t id = fad_tape_record_chain(tape, n, ids, floats)
    result = <Var>new_var(primal(value), tape, id)
    if tape.outer != NULL:
        result.epoch = tape.epoch - 1
        of_tape = <Outer>tape.outer
        if is_ours(value):
            of_tape.values[id] = value
        if n == 1:
            of_tape.partials[id] = (partials[0], 0.0)
        elif n == 2:
            of_tape.partials[id] = (partials[0], partials[1])
        else:  # two nodes, see fad_tape_record_chain
            of_tape.partials[id - 1] = (partials[0], partials[1])
            of_tape.partials[id] = (1.0, partials[2])
    return result


cdef inline double primal(x):
    """The plain float inside."""
    if type(x) is Var:
        return (<Var>x)._value
    if type(x) is Dual:
        return (<Dual>x)._value
    return x


# ---- The rules, on floats and Vars ----------------------------------------------------------

@cython.final
cdef class Rule:
    """A row as a function inside a partial cell: nan and inf, but no exceptions."""

    cdef fad_opcode op

    def __call__(self, *operands):
        return apply(self.op, BY_RULE, operands)


cdef dict partial_rules = {}  # (opcode, argument) -> the compiled cell
cdef dict rule_functions = {}


cdef object partial_rule(int op, Py_ssize_t k):
    cdef Rule rule
    if (op, k) not in partial_rules:
        from fastad.rules import compile_cell
        if not rule_functions:
            for name, opcode in opcode_of.items():
                rule = Rule()
                rule.op = <fad_opcode><int>opcode
                rule_functions[name] = rule
            rule_functions["plain"] = stop_gradient
        cell = fad_op_rows[op].partials[k].decode()
        partial_rules[op, k] = compile_cell(cell, rule_functions)
    return partial_rules[op, k]


# ---- The sweep, on floats and Vars ----------------------------------------------------------

cdef list sweep_nested(fad_tape *tape, dict seeds, bint raises):
    """The adjoints of the pinned inputs; zero absorbs, and says so, as in a careful sweep.

    seeds: id -> the adjoint that the node starts with.
    """
    cdef uint64_t n_absorbed = 0
    adjoints = sweep_nested_in_silence(tape, seeds, &n_absorbed)
    gradient = [0.0 if adjoint is None else adjoint for adjoint in adjoints]
    report(n_absorbed, any([isnan(primal(x)) for x in gradient]), raises)
    return gradient


cdef list sweep_nested_in_silence(fad_tape *tape, dict seeds, uint64_t *n_absorbed):
    """The adjoints of the pinned inputs, None for those that are not reached."""
    cdef Py_ssize_t n_inputs = tape.n_pinned, id = max(seeds)
    cdef list adjoints = [None] * max(id + 1, n_inputs)
    cdef dict of_nodes = {} if tape.outer == NULL else (<Outer>tape.outer).partials
    cdef fad_node node
    cdef fad_checkpoint *checkpoint = tape.checkpoints
    for start, seed in seeds.items():
        adjoints[start] = seed
    while checkpoint != NULL and checkpoint.first > id:
        checkpoint = checkpoint.before
    fad_tape_set_busy(tape)  # what a checkpoint calls must not record here
    try:
        while id >= n_inputs:
            if checkpoint != NULL and id < end_of_checkpoint(checkpoint):
                (<Checkpoint>checkpoint.owner).pull_back_nested(tape, adjoints, n_absorbed)
                id = <Py_ssize_t>checkpoint.first - 1
                checkpoint = checkpoint.before
                continue
            adjoint = adjoints[id]
            if adjoint is not None:
                adjoints[id] = None
                node = tape.nodes[id]
                partials = of_nodes.get(id)
                pa, pb = (node.pa, node.pb) if partials is None else partials
                if node.a != <uint32_t>id:  # no constant that `where` has chosen
                    accumulate(adjoints, node.a, product_of(adjoint, pa, n_absorbed))
                    if node.b != <uint32_t>id:
                        accumulate(adjoints, node.b, product_of(adjoint, pb, n_absorbed))
            id -= 1
    finally:
        fad_tape_end_busy(tape)
    return adjoints[:n_inputs]


cdef int accumulate(list adjoints, Py_ssize_t id, x) except -1:
    adjoints[id] = sum_of(adjoints[id], x)
    return 0


cdef object sum_of(x, y):
    """x + y of floats and numbers of ours; None and 0.0 add nothing."""
    if x is None or is_float(x, 0.0):
        return y
    return apply(FAD_OP_add, BY_RULE, (x, y))


cdef object product_of(x, y, uint64_t *n_absorbed):
    """x * y of floats and numbers of ours; a plain 0.0 absorbs the other, which counts if it
    is not finite."""
    if is_float(x, 0.0) or is_float(y, 0.0):
        n_absorbed[0] += not (isfinite(primal(x)) and isfinite(primal(y)))
        return 0.0
    if is_float(x, 1.0):
        return y
    if is_float(y, 1.0):
        return x
    return apply(FAD_OP_mul, BY_RULE, (x, y))


cdef inline bint is_float(x, double value):
    return not is_ours(x) and <double>x == value

# Tapes: each thread's own, the pool's for the verbs, and the user's.


# ---- The tape of a thread ---------------------------------------------------------------

cdef uint64_t last_thread_id = 0  # ids of thread states start at 1 and are never reused
cdef fad_tape *last_thread_tape = NULL
cdef fad_tape *orphans = NULL  # tapes of finished threads, whose Vars are still good


cdef class ThreadTape:
    """Holds a thread's tape in the thread's dictionary; the tape outlives it."""

    cdef fad_tape *tape

    def __dealloc__(self):
        global last_thread_id
        last_thread_id = 0
        if self.tape != NULL:
            make_orphan(self.tape)


cdef fad_tape *thread_tape() except NULL:
    """The tape of the running thread."""
    global last_thread_id, last_thread_tape
    cdef uint64_t thread_id = PyThreadState_GetID(PyThreadState_Get())
    if thread_id == last_thread_id:
        return last_thread_tape
    cdef dict of_thread = <dict><object>PyThreadState_GetDict()
    cdef ThreadTape holder = of_thread.get("fastad tape")
    if holder is None:
        holder = ThreadTape()
        recycle_orphans()
        holder.tape = take_tape()
        holder.tape.opened = 0  # outside of all others
        of_thread["fastad tape"] = holder
    last_thread_id = thread_id
    last_thread_tape = holder.tape
    return last_thread_tape


cdef void make_orphan(fad_tape *tape) noexcept:
    """Keep the tape for the Vars that are on it."""
    global orphans
    tape.next = orphans
    orphans = tape


cdef void recycle_orphans() noexcept:
    """Give those back to the pool that no Var is on and nobody sweeps."""
    cdef fad_tape **place = &orphans
    cdef fad_tape *tape
    if orphans == NULL:
        return
    find_tapes_with_vars()
    while place[0] != NULL:
        tape = place[0]
        if tape.busy or tape_has_vars(tape):
            place = &tape.next
        else:
            place[0] = tape.next
            give_tape(tape)


cdef void give_tape(fad_tape *tape) noexcept:
    """Back to the pool; but not from under another thread that is sweeping it."""
    if tape.busy:
        make_orphan(tape)
    else:
        close_to_outer(tape)
        fad_tape_give(tape)
        release_dropped_checkpoints()


cdef fad_tape *take_tape() except NULL:
    cdef fad_tape *tape = fad_tape_take()
    if tape == NULL:
        raise OutOfMemoryError("no memory for another tape")
    return tape


# ---- Inputs and results -----------------------------------------------------------------

cdef Var new_input(fad_tape *tape, double value):
    ensure_room(tape)
    cdef Var x = <Var>new_var(value, tape, fad_tape_record_input(tape))
    x.epoch -= tape.outer != NULL
    return x


cdef object step(x, double value):
    """A result of that value whose derivative is 0."""
    cdef double partial = 0.0
    if type(x) is Dual:
        return step_of_dual(x, value)
    check_fresh(x)
    if (<Var>x).tape.program != NULL:
        return constant_instruction((<Var>x).tape, value)
    if has_outer(x):
        return record_nested(value, [x], [0.0])
    return record(value, [x], &partial)


cdef object result_of(double value, list arguments, const double *partials):
    """The result of an operation on one or more Vars, or Duals, of one level."""
    if type(arguments[0]) is Dual:
        return sum_of_duals(value, arguments, partials)
    return record(value, arguments, partials)


cdef object record(double value, list arguments, const double *partials):
    """The result of an operation on one or more Vars, in any number.

    All must be fresh and on one tape, which is not open to outer ones.
    """
    cdef Py_ssize_t n = len(arguments), k
    cdef fad_tape *tape = (<Var>arguments[0]).tape
    cdef uint32_t *ids = <uint32_t *>PyMem_Malloc(n * sizeof(uint32_t))
    if ids == NULL:
        raise MemoryError()
    try:
        make_room(tape, max(1, n - 1))
        for k in range(n):
            ids[k] = (<Var>arguments[k]).id
            tape.n_odd += not isfinite(partials[k])
        return new_var(value, tape, fad_tape_record_chain(tape, n, ids, partials))
    finally:
        PyMem_Free(ids)


# ---- Forks ------------------------------------------------------------------------------

def end_sweeps_of_other_threads():
    """In a forked process: they will never end by themselves."""
    fad_tape_end_all_busy()


# ---- Sweeps -----------------------------------------------------------------------------

cdef enum:
    LONG_SWEEP = 50000  # nodes, about 0.1 ms: from here on other threads may run meanwhile


cdef struct Seeds:
    Py_ssize_t n
    const uint32_t *ids
    const double *adjoints
    uint32_t first, last  # the smallest and the largest of the ids


cdef int sweep(fad_tape *tape, uint32_t start, double seed, bint raises) except -1:
    """Leave the adjoints of the inputs in tape.adjoints; on failure all are 0 again."""
    cdef unsigned char *reached = NULL
    sweep_and_reach(tape, start, seed, raises, &reached)
    fad_memory_free(reached)
    return 0


cdef int sweep_and_reach(
    fad_tape *tape, uint32_t start, double seed, bint raises, unsigned char **reached
) except -1:
    """The same; reached is then what a careful sweep found out, or NULL. The caller frees it."""
    cdef Seeds seeds
    seeds.n, seeds.ids, seeds.adjoints = 1, &start, &seed
    seeds.first = seeds.last = start
    cdef uint64_t n_absorbed = sweep_in_silence(tape, &seeds, reached)
    try:
        if reached[0] != NULL:
            fad_tape_set_busy(tape)  # the adjoints are not cleared yet
            try:
                report(n_absorbed, an_input_is_nan(tape), raises)
            finally:
                fad_tape_end_busy(tape)
    except BaseException:
        clear_inputs(tape)
        fad_memory_free(reached[0])
        reached[0] = NULL
        raise
    return 0


cdef uint64_t sweep_in_silence(
    fad_tape *tape, const Seeds *seeds, unsigned char **reached
) except? 0xffffffffffffffff:
    """The sweep, plain where that will do. Returns how many products a zero absorbed."""
    if tape.busy:
        raise BusyTapeError("another thread is sweeping this tape: wait until it is done")
    if fad_tape_reserve_adjoints(tape) < 0:
        raise OutOfMemoryError(
            f"no memory for the adjoints of {tape.n_nodes} nodes: the tape is as it was"
        )
    if tape.n_odd == 0:
        if seeds.last < LONG_SWEEP:
            sweep_plainly(tape, seeds)
        else:
            fad_tape_set_busy(tape)
            with nogil:
                sweep_plainly(tape, seeds)
            fad_tape_end_busy(tape)
        if not an_input_is_nan(tape):
            return 0
        clear_inputs(tape)
    reached[0] = new_reached(tape, seeds)
    sow(tape, seeds)
    try:
        return sweep_carefully(tape, seeds, reached[0])
    except BaseException:
        fad_memory_free(reached[0])
        reached[0] = NULL
        raise


cdef inline void sweep_plainly(fad_tape *tape, const Seeds *seeds) noexcept nogil:
    if tape.n_pinned:  # a verb's tape
        sow(tape, seeds)
        fad_sweep_backward_from_seeds(tape, seeds.last)
    else:
        fad_sweep_backward_in_a_crowd(tape, seeds.last, seeds.adjoints[0])


cdef inline void sow(fad_tape *tape, const Seeds *seeds) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(seeds.n):
        tape.adjoints[seeds.ids[k]] += seeds.adjoints[k]


cdef unsigned char *new_reached(fad_tape *tape, const Seeds *seeds) except NULL:
    """A byte for each node that the sweep may reach: 1 for those with a seed."""
    cdef size_t n = tape.n_nodes if tape.checkpoints != NULL else seeds.last + 1
    cdef unsigned char *reached = <unsigned char *>fad_memory_zeroed(n)
    cdef Py_ssize_t k
    if reached == NULL:
        raise OutOfMemoryError("no memory for a sweep: the tape is as it was")
    for k in range(seeds.n):
        reached[seeds.ids[k]] = 1
    return reached


cdef uint64_t sweep_carefully(
    fad_tape *tape, const Seeds *seeds, unsigned char *reached
) except? 0xffffffffffffffff:
    """The sweep where 0 absorbs what is not finite; it stops at each checkpoint.

    On failure all adjoints are 0 again.
    """
    cdef fad_checkpoint *checkpoint = tape.checkpoints
    cdef uint32_t id = seeds.last, lowest = seeds.first
    cdef uint64_t n_absorbed = 0
    tape.n_reached = 0
    fad_tape_set_busy(tape)  # what a checkpoint calls must not record here
    try:
        while checkpoint != NULL:
            if checkpoint.first <= id:
                n_absorbed += fad_sweep_backward_carefully(
                    tape, id, end_of_checkpoint(checkpoint), &lowest, reached
                )
                n_absorbed += (<Checkpoint>checkpoint.owner).pull_back(tape, &lowest, reached)
                id = checkpoint.first - 1
            checkpoint = checkpoint.before
        return n_absorbed + fad_sweep_backward_carefully(tape, id, 0, &lowest, reached)
    except BaseException:
        memset(tape.adjoints, 0, (<size_t>seeds.last + 1) * sizeof(double))
        raise
    finally:
        fad_tape_end_busy(tape)


cdef int report(uint64_t n_absorbed, bint is_nan, bint raises) except -1:
    """What a careful sweep came upon: a warning, or an error."""
    if raises and (n_absorbed or is_nan):
        raise_not_smooth()
    if n_absorbed:
        warn_of_absorption()
    return 0


cdef int raise_not_smooth() except -1:
    raise NonSmoothError(
        "a derivative is not defined here: an operation has an infinite or undefined partial, "
        "as sqrt has at 0"
    )


cdef int warn_of_absorption() except -1:
    warnings.warn(
        "an infinite or undefined partial met an exactly zero factor and was taken as 0: at a "
        "point where an operation is not smooth, such as sqrt at 0, check the derivative",
        NonSmoothWarning,
        stacklevel=users_stacklevel(),
    )
    return 0


cdef int users_stacklevel() except -1:
    """The stacklevel of a warning that points at the user's line."""
    cdef int level = 1
    frame = sys._getframe()  # Cython's functions have none
    while frame.f_back is not None and not is_of_user(frame.f_code.co_filename):
        frame = frame.f_back
        level += 1
    return level


cdef bint an_input_is_nan(fad_tape *tape) noexcept:
    cdef uint32_t *ids = fad_tape_reached_inputs(tape)
    cdef uint32_t k
    if tape.n_pinned:  # a verb's inputs
        for k in range(tape.n_pinned):
            if isnan(tape.adjoints[k]):
                return True
        return False
    for k in range(tape.n_reached):
        if isnan(tape.adjoints[ids[k]]):
            return True
    return False


cdef void clear_inputs(fad_tape *tape) noexcept:
    cdef uint32_t id = tape.last_input
    while id != FAD_NO_NODE:
        tape.adjoints[id] = 0.0
        id = next_input(tape, id)


cdef inline uint32_t next_input(fad_tape *tape, uint32_t id) noexcept:
    cdef uint32_t following = tape.nodes[id].b
    return FAD_NO_NODE if following == id else following


cdef int backward(
    fad_tape *tape, uint32_t start, double seed, bint accumulate, bint raises
) except -1:
    """Sweep, then move the adjoints of the inputs into their gradients."""
    cdef unsigned char *reached = NULL
    cdef uint32_t *ids
    cdef uint32_t k
    cdef fad_node *node
    sweep_and_reach(tape, start, seed, raises, &reached)

    # An adjoint of 0 may mean "not reached", which leaves a gradient alone, or "reached,
    # and the derivative is 0"; only a walk over the edges tells them apart.
    if reached == NULL and has_more_inputs(tape, start):
        reached = <unsigned char *>fad_memory_zeroed(<size_t>start + 1)
        if reached == NULL:
            clear_inputs(tape)
            raise OutOfMemoryError("no memory for a sweep: the gradients are as they were")
        reached[start] = 1
        fad_sweep_reach(tape, start, start, reached)
    fad_memory_free(reached)

    ids = fad_tape_reached_inputs(tape)
    for k in range(tape.n_reached):
        node = &tape.nodes[ids[k]]
        node.pa = node.pa + tape.adjoints[ids[k]] if accumulate else tape.adjoints[ids[k]]
        node.pb = 1.0
        tape.adjoints[ids[k]] = 0.0
    collect_if_wasteful(tape)
    release_dropped_checkpoints()
    return 0


cdef bint has_more_inputs(fad_tape *tape, uint32_t start) noexcept:
    """Whether there are other inputs up to start than the reached ones."""
    cdef uint32_t id = tape.last_input, n = 0
    while id != FAD_NO_NODE:
        n += id <= start
        if n > tape.n_reached:
            return True
        id = next_input(tape, id)
    return False


# ---- Tape -------------------------------------------------------------------------------

@cython.final
cdef class Tape:
    """A tape of one's own: a recording that ends where one says.

    Nobody needs one. It gives back its memory at once, and Vars on it that are used later
    are refused, where the thread's own tape would keep what they depend on.

    Examples
    --------
    >>> from fastad import Tape
    >>> with Tape() as t:
    ...     x, y = t.var(3.0), t.var(4.0)
    ...     (x * y).backward()
    ...     gradient = x.grad, y.grad
    >>> gradient
    (4.0, 3.0)
    >>> t.stats["nodes"]
    0
    """

    cdef fad_tape *tape

    def __cinit__(self, *args, **keywords):
        if args or keywords:
            raise ArgumentError("Tape() takes no arguments: Tape().var(2.0) makes an input")
        self.tape = take_tape()

    def __dealloc__(self):
        if self.tape != NULL:
            give_tape(self.tape)

    cdef int check_open(self) except -1:
        if self.tape == NULL:
            raise StaleVarError("this Tape is closed: make a new one")
        return 0

    def var(self, value, /):
        """A new input on this tape.

        Raises
        ------
        ArgumentError
            (a TypeError) if `value` is not a real number.
        StaleVarError
            (a RuntimeError) if the tape has been closed.
        """
        cdef double number_ = 0.0
        self.check_open()
        if not number(value, &number_):
            raise ArgumentError(
                f"var({short(value)}): a Var is made from one real number, not from "
                f"{a_type(value)}"
            )
        return new_input(self.tape, number_)

    def close(self):
        """End the recording and give back its memory.  Closing twice does no harm."""
        if self.tape == NULL:
            return
        if self.tape.busy:
            raise BusyTapeError("another thread is sweeping this tape: close it afterwards")
        give_tape(self.tape)
        self.tape = NULL

    def __enter__(self):
        self.check_open()
        return self

    def __exit__(self, *exception):
        self.close()

    @property
    def stats(self):
        """A dict: nodes now, bytes reserved, peak of nodes, collections so far."""
        if self.tape == NULL:
            return {"nodes": 0, "bytes": 0, "peak": 0, "collections": 0}
        return {
            "nodes": self.tape.n_nodes,
            "bytes": fad_tape_bytes(self.tape),
            "peak": max(self.tape.peak, self.tape.n_nodes),
            "collections": self.tape.n_collections,
        }

    def __repr__(self):
        if self.tape == NULL:
            return "<Tape, closed>"
        return f"<Tape, {self.tape.n_nodes} nodes>"

    def __reduce_ex__(self, protocol):
        raise TypeError("a Tape belongs to its process and cannot be pickled")

# Compiled functions: recorded once, replayed without Python.
#
#   a call           find the Entry whose shapes the arguments have, and read their numbers
#   Entry            one arrangement of arguments with its constants; has the Paths
#   a key            an int that differs where the arrangement or the constants do, or most often
#   Path             one way through the function: a program, laid out as a schedule
#   a replay         run the path that was right last; if a guard fails, the path that was last
#                    right on the other side of it; if there is none, record
#   Fork             paths that agree up to a guard, and which of them was last right on each side
#
# An int that was taken out of a number is a guard with many sides: one for each int.
#
# What a replay cannot answer for, the function itself answers: where the processor's flags or
# a nan say that Python may have raised an exception, or where nothing can be recorded.


@cython.final
cdef class Scratch:
    """Memory for one call: the slots, of which the inputs are the first, and then the outputs."""

    cdef double *memory
    cdef size_t n

    def __dealloc__(self):
        fad_memory_free(self.memory)

    cdef int reserve(self, size_t n) except -1:
        """Room for n numbers; those that are there stay."""
        if n <= self.n:
            return 0
        grown = <double *>fad_memory_resize(self.memory, n * sizeof(double))
        if grown == NULL:
            raise OutOfMemoryError(f"no memory for {n} numbers")
        self.memory, self.n = grown, n
        return 0


cdef Scratch scratch_with(list numbers_):
    """With these inputs."""
    cdef Scratch scratch = Scratch()
    cdef Py_ssize_t k
    scratch.reserve(len(numbers_))
    for k in range(len(numbers_)):
        scratch.memory[k] = numbers_[k]
    return scratch


@cython.final
cdef class Fork:
    """A guard where paths part: of each side the path that was last right."""

    cdef dict recent  # side -> Path

    def __cinit__(self):
        self.recent = {}


@cython.final
cdef class Path:
    """One way through a compiled function: its conditions, and the program that they hold for.

    Attributes
    ----------
    conditions : list
        What the function decided on, in order: each has `file`, `line` and `outcome`.
    program : Program
    uses : int
        How often it gave the result.
    """

    cdef readonly Program program
    cdef readonly Py_ssize_t uses
    cdef fad_schedule schedule
    cdef Program recording  # as it was recorded; None once it has been confirmed
    cdef bint is_doubtful   # it gave something else than the function on floats
    cdef list sides         # of each guard: the outcome, or (c,) where something was equal to c
    cdef dict forks         # guard -> Fork

    def __cinit__(self):
        memset(&self.schedule, 0, sizeof(fad_schedule))
        self.program = Program.__new__(Program)
        self.forks = {}

    def __dealloc__(self):
        fad_schedule_free(&self.schedule)

    @property
    def conditions(self):
        return self.program.conditions()

    @property
    def bytes(self):
        """Memory of the program and its schedule."""
        cdef uint64_t n = self.program.program.n_instructions
        return n * sizeof(fad_instruction) + fad_schedule_bytes(&self.schedule)

    def __repr__(self):
        lines = [f"{self.program.stats['instructions']} instructions, used {self.uses} times"]
        lines += [f"  {condition!r}" for condition in self.conditions]
        return "\n".join(lines)


@cython.final
cdef class Entry:
    """The arguments of calls that are alike but for their numbers, and what is known of them."""

    cdef Py_hash_t key     # of the arguments
    cdef Py_ssize_t uses   # calls, and points of vmap
    cdef list shapes       # of the positional arguments
    cdef Shape keywords    # None if there are none
    cdef Shape owner       # of the function's owner, None if it has none
    cdef Scratch owned     # its numbers
    cdef Py_ssize_t n      # numbers in the arguments
    cdef list paths
    cdef Path recent       # that was right last
    cdef str reason        # why calls are not replayed, or None
    cdef Compiled partials # value and Jacobian, for calls with Vars

    cdef tuple arguments_of(self, list numbers_):
        """(args, kwargs) with these numbers."""
        cdef Py_ssize_t place = 0
        args = tuple([(<Shape>shape).fill(list(numbers_), &place) for shape in self.shapes])
        if self.keywords is None:
            return args, {}
        return args, self.keywords.fill(list(numbers_), &place)


cdef Path new_path(Program recording):
    """Simplified and laid out."""
    cdef Path path = Path()
    cdef Program program = path.program
    check_memory(fad_program_simplify(&recording.program, &program.program))
    check_memory(fad_schedule_make(&program.program, &path.schedule))
    program.arguments, program.result = recording.arguments, recording.result
    program.places = recording.places
    path.recording = recording
    path.sides = sides_of(&program.program)
    return path


cdef Path insert_path(Entry entry, Path path):
    """Link the path with those that part from it; returns it, or the like of it that was there."""
    cdef dict parting = {}
    for other in entry.paths:
        guard_ = first_difference((<Path>other).sides, path.sides)
        if guard_ < 0:
            return other
        parting.setdefault(guard_, []).append(other)
    for guard_, others in parting.items():
        fork = None
        for other in others:
            fork = (<Path>other).forks.get(guard_, fork)
        if fork is None:
            fork = Fork()
        for other in others:
            (<Path>other).forks[guard_] = fork
            (<Fork>fork).recent.setdefault((<Path>other).sides[guard_], other)
        path.forks[guard_] = fork
        (<Fork>fork).recent[path.sides[guard_]] = path
    entry.paths.append(path)
    if entry.recent is None:
        entry.recent = path
    return path


cdef Py_ssize_t first_difference(list x, list y):
    """The first place where they differ, or -1: equal, or one begins with the other."""
    cdef Py_ssize_t k
    for k in range(min(len(x), len(y))):
        if x[k] != y[k]:
            return k
    return -1


cdef Path path_beyond(Path path, Py_ssize_t guard_, const double *inputs):
    """The path that was last right where this one fails, or None."""
    cdef Fork fork = path.forks.get(guard_)
    if fork is None:
        return None
    here = path.sides[guard_]
    others = [side for side in fork.recent if side != here]
    if type(here) is tuple and others != [0]:
        return fork.recent.get((value_at_guard(path, guard_, inputs),))
    return fork.recent[others[0]] if others else None


cdef double value_at_guard(Path path, Py_ssize_t guard_, const double *inputs) except? -1.0:
    """What is compared with a constant there."""
    cdef fad_program *program = &path.program.program
    cdef Buffer values = Buffer(program.n_instructions)
    cdef uint32_t id
    cdef fad_instruction *i
    fad_replay(program, inputs, values.numbers, NULL)
    for id in range(program.n_instructions):
        i = &program.instructions[id]
        if not fad_instruction_is_guard(i):
            continue
        if guard_ == 0:
            if program.instructions[i.args[0]].op == FAD_CONSTANT:
                return values.numbers[i.args[1]]
            return values.numbers[i.args[0]]
        guard_ -= 1


cdef str last_parting(Entry entry):
    """'; the last two parted at file:line: the source line'"""
    cdef Path path = entry.paths[len(entry.paths) - 1]
    if not path.forks:
        return ""
    condition = path.conditions[max(path.forks)]
    if condition.file is None:
        return ""
    return f"; the last ones parted at {condition!r}"


cdef int note_recent(Entry entry, Path path) except -1:
    """The path was right: at each of its forks, and altogether."""
    entry.recent = path
    for guard_, fork in path.forks.items():
        (<Fork>fork).recent[path.sides[guard_]] = path
    return 0


cdef enum:
    MANY_STEPS = 400  # of a replay, for which it is worth to let other threads run
    MAX_ENTRIES = 64
    WORTHWHILE = 4    # uses of an entry: it is recorded twice, and costs some calls more


cdef bint is_for_another_main(module):
    """Whether cloudpickle asks, which writes what belongs to __main__ by value: other machines
    run another program."""
    return module.__name__ == "__main__" and (
        "cloudpickle" in sys._getframe().f_globals.get("__name__", "")
    )


cdef class Compiled:
    """A function that is recorded at its first call and replayed in C at later ones.

    Made by `fastad.compile`.
    """

    cdef readonly object function
    cdef readonly Py_ssize_t max_paths
    cdef tuple loose         # the argnums that the function differentiates
    cdef object owner        # whose method the function is, or has beneath it; None if nobody's
    cdef list entries        # what was used last comes first
    cdef list scratch        # not in use
    cdef dict __dict__
    cdef object __weakref__
    cdef Py_ssize_t n_hits, n_recorded, n_eager
    cdef double seconds
    cdef Py_ssize_t n_wasted # entries in a row that were thrown away and had not been worthwhile
    cdef bint is_closed      # to new entries: there have been too many
    cdef bint has_warned

    def __init__(self, function, max_paths, loose):
        import functools
        self.function, self.max_paths, self.loose = function, max_paths, loose
        self.owner = owner_of(function)
        self.entries = []
        self.scratch = []
        functools.update_wrapper(self, function)

    def __get__(self, instance, owner):
        import types
        return self if instance is None else types.MethodType(self, instance)

    def __reduce__(self):
        module = sys.modules.get(getattr(self, "__module__", None))
        found = module
        for name in getattr(self, "__qualname__", "").split("."):
            found = getattr(found, name, None)
        if found is self and not is_for_another_main(module):
            return self.__qualname__
        return Compiled, (self.function, self.max_paths, self.loose)

    def __repr__(self):
        return f"<compiled {name_of(self.function)}: {len(self.paths)} paths>"

    @property
    def paths(self):
        """The paths through the function that are known: for each its conditions."""
        return [path for entry in self.entries for path in (<Entry>entry).paths]

    @property
    def stats(self):
        """Counts: calls that were replayed ("hits"), recorded ("misses"), or left to the function
        ("eager"); entries, paths, their instructions and bytes; and the seconds that recording
        took."""
        paths = self.paths
        return {
            "hits": self.n_hits,
            "misses": self.n_recorded,
            "eager": self.n_eager,
            "entries": len(self.entries),
            "paths": len(paths),
            "instructions": sum([path.program.stats["instructions"] for path in paths]),
            "bytes": sum([path.bytes for path in paths]),
            "seconds": self.seconds,
        }

    def __call__(self, *args, **kwargs):
        cdef bint ours = False
        cdef Scratch scratch = self.scratch.pop() if self.scratch else Scratch()
        cdef Entry entry
        try:
            entry = self.entry_of(args, kwargs, scratch, &ours)
            if entry is None or entry.reason is not None:
                return self.call_eagerly(args, kwargs)
            if ours:
                return self.call_with_vars(entry, args, kwargs)
            return self.replay(entry, scratch, args, kwargs)
        finally:
            self.scratch.append(scratch)

    cdef object call_eagerly(self, tuple args, dict kwargs):
        self.n_eager += 1
        return self.function(*args, **kwargs)

    cdef int warn(self, why) except -1:
        """Once, that calls are as slow as those of the function itself."""
        if not self.has_warned:
            self.has_warned = True
            warnings.warn(
                f"{name_of(self.function)} runs uncompiled: {why}", NotCompiledWarning,
                stacklevel=users_stacklevel(),
            )
        return 0

    # -- entries

    cdef Entry entry_of(self, tuple args, dict kwargs, Scratch scratch, bint *ours):
        """The entry for these arguments, old or new, and their numbers; None if they cannot have
        one."""
        cdef Entry entry = self.known_entry(args, kwargs, scratch, ours)
        if entry is not None:
            entry.uses += 1
            return entry
        if self.is_closed:
            return None
        try:
            entry = self.new_entry(args, kwargs)
            self.take_owner(entry)
        except ArgumentError as error:  # but the function may know better
            self.warn(error)
            return None
        if not self.reads(entry, args, kwargs, scratch, ours):
            return None  # such as a number whose value changes
        self.entries.insert(0, entry)
        while len(self.entries) > MAX_ENTRIES:
            self.note_thrown_away(self.entries.pop())
        return entry

    cdef Entry known_entry(self, tuple args, dict kwargs, Scratch scratch, bint *ours):
        """The entry for these arguments, and their numbers; None if there is none yet."""
        cdef Py_ssize_t k
        cdef Py_hash_t key
        cdef Entry entry
        if not self.entries:
            return None
        entry = self.entries[0]
        if self.reads(entry, args, kwargs, scratch, ours):
            return entry
        key = self.key_of(args, kwargs)
        for k in range(len(self.entries)):
            entry = self.entries[k]
            if entry.key == key and self.reads(entry, args, kwargs, scratch, ours):
                if self.entries[k] is entry:
                    self.entries.insert(0, self.entries.pop(k))
                return entry
        return None

    cdef Py_hash_t key_of(self, tuple args, dict kwargs) except? -1:
        """Equal for any two calls of which an entry that reads the one reads the other."""
        cdef Py_ssize_t k, n = len(args)
        cdef Py_hash_t key = n
        for k in range(n):
            key = with_hash(key, key_within(args[k], self.is_loose(k, n)))
        if kwargs:
            key = with_hash(key, key_within(kwargs, False))
        return key if self.owner is None else with_hash(key, self.key_of_owner())

    cdef Py_hash_t key_of_owner(self) except? -1:
        """Also of its numbers."""
        cdef list numbers_ = []
        try:
            take_apart(self.owner, numbers_, ONLY_FLOATS)
        except ArgumentError:
            return 0
        return with_hash(key_within(self.owner, False), hash(tuple(numbers_)))

    cdef int note_thrown_away(self, Entry entry) except -1:
        """The cache is too small; close it if what is recorded hardly ever comes again."""
        self.n_wasted = self.n_wasted + 1 if entry.uses < WORTHWHILE else 0
        if self.n_wasted < MAX_ENTRIES or self.is_closed:
            return 0
        self.is_closed = True
        self.warn(
            f"of its last {2 * MAX_ENTRIES} recordings hardly any has been used again, and there "
            f"will be no more. {what_varies(self.function, self.entries[:3])}"
        )
        return 0

    cdef bint reads(self, Entry entry, tuple args, dict kwargs, Scratch scratch, bint *ours) except -1:
        """Whether the arguments are those of the entry; their numbers then are in scratch."""
        cdef Py_ssize_t place = 0, k, n = len(args)
        if n != len(entry.shapes) or len(kwargs) != (entry.keywords.n if entry.keywords else 0):
            return False
        if self.owner is not None and not self.is_owner_of(entry, scratch):
            return False
        scratch.reserve(entry.n)
        ours[0] = False
        for k in range(n):
            if not read(
                <Shape>entry.shapes[k], args[k], scratch.memory, &place, self.is_loose(k, n), ours
            ):
                return False
        return entry.keywords is None or read(
            entry.keywords, kwargs, scratch.memory, &place, False, ours
        )

    cdef bint is_owner_of(self, Entry entry, Scratch scratch) except -1:
        """Whether the function's owner is what it was, to the last bit of its numbers."""
        cdef Py_ssize_t place = 0
        cdef bint ours = False
        cdef size_t n = entry.owned.n
        scratch.reserve(n)
        return (
            read(entry.owner, self.owner, scratch.memory, &place, False, &ours) and not ours
            and (n == 0 or memcmp(scratch.memory, entry.owned.memory, n * sizeof(double)) == 0)
        )

    cdef bint is_loose(self, Py_ssize_t k, Py_ssize_t n):
        """Whether at the k-th of n positions an int is a float: the function differentiates it."""
        return len(self.loose) > 0 and (k in self.loose or k - n in self.loose)

    cdef Entry new_entry(self, tuple args, dict kwargs):
        cdef Entry entry = Entry()
        numbers_ = self.numbers_in(args, kwargs, entry)
        entry.key = self.key_of(args, kwargs)
        entry.uses = 1
        entry.n = len(numbers_)
        entry.paths = []
        return entry

    cdef int take_owner(self, Entry entry) except -1:
        """Note what the function's owner is now; NotAConstant if that may change unseen."""
        cdef list numbers_ = []
        if self.owner is None:
            return 0
        try:
            entry.owner = take_apart(self.owner, numbers_, ONLY_FLOATS)
            if not are_all_floats(numbers_):
                raise NotAConstant(f"{short(self.owner)}, whose method it is, holds Vars or Duals")
        except ArgumentError:
            self.is_closed = True  # saves the next calls the attempt
            raise
        entry.owned = scratch_with(numbers_)
        return 0

    cdef list numbers_in(self, tuple args, dict kwargs, Entry entry):
        """The numbers in arguments, and their shapes into the entry."""
        cdef list numbers_ = []
        cdef Py_ssize_t k, n = len(args)
        entry.shapes = [
            take_apart(args[k], numbers_, NUMBERS if self.is_loose(k, n) else ONLY_FLOATS)
            for k in range(n)
        ]
        entry.keywords = take_apart(kwargs, numbers_, ONLY_FLOATS) if kwargs else None
        return numbers_

    # -- replaying

    cdef object replay(self, Entry entry, Scratch scratch, tuple args, dict kwargs):
        """The result from the path that is right for these numbers, recorded if need be."""
        cdef Path path = entry.recent
        cdef bint is_new = False
        cdef uint32_t failed = 0
        cdef Py_ssize_t n_tries = len(entry.paths)
        cdef bint is_sound = False
        while True:
            if path is None:
                recorded = self.record(entry, scratch)
                if type(recorded) is not Path:
                    return self.call_unrecorded(entry, recorded, args, kwargs)
                path, is_new = recorded, True
            failed = self.run(path, scratch, &is_sound)
            if failed == FAD_NO_GUARD:
                break
            n_tries -= 1
            if is_new or n_tries < 0:  # a value is right on the border, by a bit
                return self.call_eagerly(args, kwargs)
            path = path_beyond(path, failed, scratch.memory)
        if not is_sound:
            return self.call_eagerly(args, kwargs)
        if path is not entry.recent:
            note_recent(entry, path)
        result = self.result_of(path, scratch)
        path.uses += 1
        if is_new:
            return self.checked(path, result, args, kwargs)
        self.n_hits += 1
        if path.recording is not None:
            self.confirm(entry, path, scratch)
            if entry.reason is not None:
                return self.call_eagerly(args, kwargs)
        return result

    cdef object checked(self, Path path, result, tuple args, dict kwargs):
        """The result of a new path, if the function gives the same on floats; if not, what that
        gives, and the second use of the path will say why."""
        y = self.function(*args, **kwargs)
        path.is_doubtful = not are_close(result, y)
        return y if path.is_doubtful else result

    cdef uint32_t run(self, Path path, Scratch scratch, bint *is_sound) except? 0:
        """The first guard that fails.  is_sound: no exception of Python's may have been missed."""
        cdef fad_schedule *schedule = &path.schedule
        scratch.reserve(schedule.n_slots + schedule.n_outputs)
        cdef double *slots = scratch.memory
        cdef double *outputs = slots + schedule.n_slots
        cdef uint32_t failed
        cdef bint is_flagged, has_nan
        if schedule.n_steps < MANY_STEPS:
            fad_flags_clear()
            failed = fad_replay_schedule(schedule, slots, slots, outputs)
            is_flagged = fad_flags_raised()
        else:
            with nogil:
                fad_flags_clear()
                failed = fad_replay_schedule(schedule, slots, slots, outputs)
                is_flagged = fad_flags_raised()
        has_nan = fad_has_nan(outputs, schedule.n_outputs)
        is_sound[0] = not (has_nan or is_flagged)
        return failed

    cdef object result_of(self, Path path, Scratch scratch):
        cdef Py_ssize_t place = 0
        return fill_doubles(path.program.result, scratch.memory + path.schedule.n_slots, &place)

    # -- recording

    cdef object record(self, Entry entry, Scratch scratch):
        """A new path; or why there is none: an exception; or None, if not here, or no longer."""
        if len(entry.paths) >= self.max_paths:
            self.warn(
                f"it has taken max_paths={self.max_paths} paths, and now needs another"
                f"{last_parting(entry)}. fastad.where and fastad.maximum choose without a path "
                "of their own; a number that is printed or becomes an int makes one for each "
                "value"
            )
            return None
        numbers_ = list_of_floats(scratch.memory, entry.n)
        started = time.perf_counter()
        try:
            recording = self.recording(entry, numbers_, False)
            if recording.raised:  # and the function went on: another point may not raise
                return None
            path = new_path(recording)
        except (ArithmeticError, ValueError):  # at this point; and only with Vars perhaps
            return None
        except Exception as error:
            return error
        self.seconds += time.perf_counter() - started
        self.n_recorded += 1
        return insert_path(entry, path)

    cdef object call_unrecorded(self, Entry entry, error, tuple args, dict kwargs):
        """What the function gives or raises where recording it raised that error, or None."""
        y = self.call_eagerly(args, kwargs)
        if error is not None:
            entry.reason = str(error)
            self.warn(f"it works on floats, but cannot be recorded: {error}")
        return y

    cdef Program recording(self, Entry entry, list numbers_, bint lines):
        """What the function does with these numbers."""
        cdef Program program = Program.__new__(Program)
        cdef list outputs = []
        cdef fad_tape *tape = take_tape()
        program.keeps = True
        program.lines = [] if lines else None
        open_recording(tape, program)
        try:
            inputs = [instruction_input(tape, number_) for number_ in numbers_]
            args, kwargs = entry.arguments_of(inputs)
            y = self.function(*args, **kwargs)
            if program.hashed:
                raise NotAConstant(
                    "it hashes its numbers, for a set, a dict or a cache, which tell floats apart "
                    "by value: compare them with =="
                )
            self.check_unchanged(entry, args, kwargs, inputs)
            program.arguments = tuple_shape(entry.shapes, entry.keywords)
            program.result = take_apart(y, outputs, A_RESULT)
            add_outputs(tape, outputs)
        finally:
            close_recording(tape)
            give_tape(tape)
        return program

    cdef int check_unchanged(self, Entry entry, tuple args, dict kwargs, list inputs) except -1:
        """NotAConstant if the function has written into its arguments."""
        cdef Entry now = Entry()
        found = self.numbers_in(args, kwargs, now)
        is_same = len(found) == len(inputs) and all([x is y for x, y in zip(found, inputs)])
        before = tuple_shape(entry.shapes, entry.keywords)
        if not is_same or not before.is_like(tuple_shape(now.shapes, now.keywords)):
            raise NotAConstant("it changes its arguments, which a replay would not")
        return 0

    cdef int confirm(self, Entry entry, Path path, Scratch scratch) except -1:
        """ImpureFunctionError unless the function still does, at the second use of a path, what
        was recorded."""
        cdef Py_ssize_t k
        numbers_ = list_of_floats(scratch.memory, entry.n)
        first, path.recording = path.recording, None
        second = self.recording(entry, numbers_, False)
        k = first_changed(first, second)
        if k < 0:
            if path.is_doubtful:
                entry.reason = "it does something else on floats than on the Vars that record it"
                self.warn(entry.reason)
            return 0
        entry.paths, entry.recent = [], None
        try:
            lines = self.recording(entry, numbers_, True).lines
        except Exception:
            lines = []
        raise ImpureFunctionError(
            f"{name_of(self.function)} did something else when it was called again"
            f"{what_changed(first, second, k)}{place_in(lines, k)}. A compiled function must "
            "depend on nothing but its arguments: pass what changes as an argument, or do not "
            "compile it"
        )

    # -- with Vars and Duals

    cdef object call_with_vars(self, Entry entry, tuple args, dict kwargs):
        """Inside of a program, or for a pattern, the operations of the function; else one for each
        output, whose partials come from a replay."""
        cdef list numbers_ = self.numbers_in(args, kwargs, Entry())
        cdef Py_ssize_t k
        inner = innermost(numbers_)
        if n_recordings and any([is_ours(recorded_part(x)) for x in numbers_]):
            return self.function(*args, **kwargs)
        cdef fad_tape *level = tape_of(inner)
        if level.is_sparse:
            return self.function(*args, **kwargs)
        active = [k for k in range(entry.n) if is_ours(numbers_[k]) and tape_of(numbers_[k]) == level]
        outside = list(numbers_)
        for k in active:
            outside[k] = value_one_level_out(numbers_[k])
        if entry.partials is None:
            entry.partials = Compiled(
                ValueAndJacobian(self.function, entry), self.max_paths, ()
            )
        y, rows = entry.partials(outside)
        outputs = []
        result = take_apart(y, outputs, ANYTHING)
        arguments = [numbers_[k] for k in active]
        return (<Shape>result).arrange([
            output_on_level(inner, output, arguments, [row[k] for k in active])
            for output, row in zip(outputs, rows)
        ])


cdef object output_on_level(inner, value, list arguments, list partials):
    """A number of that value and these partials; a plain one if it depends on nothing."""
    if all([is_float(partial, 0.0) for partial in partials]):
        return value
    return recorded_result(inner, value, arguments, partials)


@cython.final
cdef class ValueAndJacobian:
    """The function (numbers of an entry) -> (what f returns, a row of partials per output)."""

    cdef object f
    cdef Entry entry

    def __cinit__(self, f, Entry entry):
        self.f, self.entry = f, entry

    @property
    def __name__(self):
        return name_of(self.f)

    def __call__(self, list numbers_):
        cdef Recipe recipe = Recipe(self.call, 0, False, "warn")
        if n_recordings and is_inside_program(numbers_):
            return InnerRecording(recipe, (numbers_,), {}).value_and_rows()
        return Recording(recipe, (numbers_,), {}).value_and_rows()

    def call(self, numbers_):
        args, kwargs = self.entry.arguments_of(numbers_)
        return self.f(*args, **kwargs)


cdef Shape tuple_shape(list shapes, Shape last):
    """Of a tuple of the arguments; those that were passed by name are a dict at its end."""
    cdef Shape shape = Shape()
    shape.kind = A_TUPLE
    shape.prototype = tuple
    shape.items = shapes if last is None else [*shapes, last]
    shape.n = len(shape.items)
    return shape


cdef str what_varies(f, list entries):
    """'Argument 1 (n) is part of the key and varies (5, 6, 7): a remedy', of the entries, of which
    the latest comes first."""
    shapes = [tuple_shape((<Entry>entry).shapes, (<Entry>entry).keywords) for entry in entries]
    cdef Py_ssize_t n = len((<Entry>entries[0]).shapes)
    cdef list way = way_to_difference(shapes[0], shapes[1])
    if way is None:
        return "The object whose method it is varies: compile a function of what it needs of that"
    if not way:
        return "The number of its arguments varies"
    place = place_along((<Shape>shapes[0]).shapes()[way[0]], way[1:])
    what = argument_named(f, way[0], place) if way[0] < n else f"keyword argument {place}"
    found = [shape_along(shape, way) for shape in reversed(shapes)]
    values = ", ".join([brief(shape) for shape in found])
    remedy = "compile a function of the rest"
    if all([is_an_int(shape) for shape in found]):
        remedy = (
            "pass a float, or an array, if the function does not need the int itself, or "
            f"{remedy}"
        )
    return f"{what[0].upper()}{what[1:]} is part of the key and varies ({values}): {remedy}"


cdef object owner_of(f):
    """The object whose bound method f is, or calls; None if there is none."""
    import functools
    import types
    for _ in range(sys.getrecursionlimit()):  # as inspect.unwrap, which would not stop there
        if isinstance(f, types.MethodType):
            return f.__self__
        f = f.func if isinstance(f, functools.partial) else getattr(f, "__wrapped__", None)
    return None


cdef bint is_an_int(Shape shape):
    return shape is not None and isinstance(shape.prototype, numbers.Integral)


# ---- Whether a function still does the same --------------------------------------------------

cdef Py_ssize_t first_changed(Program first, Program second):
    """The first instruction that differs, the number of all if the result does, or -1.

    Where they take another path, what follows may differ.
    """
    cdef uint32_t n = min(first.program.n_instructions, second.program.n_instructions)
    cdef fad_instruction *a = first.program.instructions
    cdef fad_instruction *b = second.program.instructions
    cdef uint32_t id
    for id in range(n):
        if a[id].op == b[id].op and a[id].args[0] == b[id].args[0] and a[id].args[1] == b[id].args[1]:
            if a[id].args[2] == b[id].args[2]:
                continue
            if fad_instruction_is_guard(&a[id]):
                if (a[id].args[2] ^ b[id].args[2]) & 1:
                    return -1
                continue
        return id
    if first.program.n_instructions != second.program.n_instructions:
        return n
    same = first.outputs == second.outputs and first.result.is_like(second.result)
    return -1 if same else n


cdef bint are_close(x, y):
    """Whether two results are alike, but for what rounding may do."""
    cdef list a = []
    cdef list b = []
    cdef double u, v, scale
    try:
        is_alike = take_apart(x, a, ANY_RESULT).is_like(take_apart(y, b, ANY_RESULT))
    except ArgumentError:
        return False
    if not is_alike or not (are_all_floats(a) and are_all_floats(b)):
        return False
    scale = max(largest_size(a), largest_size(b))
    for u, v in zip(a, b):
        if u != v and not abs(u - v) <= 1e-3 * max(abs(u), abs(v)) + 1e-9 * scale:
            return False
    return True


cdef double largest_size(list floats):
    """Of those that are finite."""
    cdef double x, largest = 0.0
    for x in floats:
        if isfinite(x):
            largest = max(largest, abs(x))
    return largest


cdef str what_changed(Program first, Program second, Py_ssize_t k):
    """': operation 2 was mul 0 1, and is now sin 1'"""
    found = []
    for program in (first, second):
        instructions = program.instructions()
        found.append("" if k >= len(instructions) else described(instructions[k]))
    if found[0] == found[1]:
        return ", and its result is another"
    return f": operation {k} was {found[0] or 'none'}, and is now {found[1] or 'none'}"


cdef str described(tuple instruction):
    name, arguments, _ = instruction
    return " ".join([name, *map(str, arguments)])


cdef str place_in(lines, Py_ssize_t k):
    """' (file:line: the source line)'"""
    import linecache
    if lines is None or k >= len(lines) or lines[k] is None:
        return ""
    file, line = lines[k]
    return f" ({file}:{line}: {linecache.getline(file, line).strip()})"

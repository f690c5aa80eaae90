"""What the binding uses of csrc, _var.h and _operations.h."""

from cpython.object cimport PyObject
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "op.h" nogil:
    ctypedef enum fad_opcode:
        FAD_OP_add, FAD_OP_sub, FAD_OP_mul, FAD_OP_div, FAD_OP_pow, FAD_OP_floordiv
        FAD_OP_mod, FAD_OP_neg, FAD_OP_fabs, FAD_OP_gamma, FAD_OP_lgamma, FAD_N_OPS
    ctypedef struct fad_op_row:
        const char *name
        int arity
        const char *value
        const char *partials[3]
        int domain
        const char *doc
    ctypedef struct fad_domain_row:
        const char *name
        const char *remedy
    const fad_op_row fad_op_rows[]
    const fad_domain_row fad_domain_rows[]
    int FAD_N_DOMAINS
    double fad_op_value(fad_opcode, double, double, double)
    void fad_op_partials(fad_opcode, double, double, double, double, double *)

cdef extern from "memory.h" nogil:
    void *fad_memory_resize(void *, size_t)
    void *fad_memory_zeroed(size_t)
    void fad_memory_free(void *)
    void fad_memory_fail_from(unsigned long)
    void fad_memory_fail_above(size_t)

cdef extern from "tape.h" nogil:
    ctypedef struct fad_node:
        uint32_t a, b
        double pa, pb
    ctypedef struct fad_checkpoint:
        uint32_t first, n_arguments, n_results
        fad_checkpoint *before
        void *owner
    ctypedef struct fad_tape:
        fad_node *nodes
        uint32_t n_nodes, limit, epoch, n_pinned, last_input, n_odd, busy, peak, nests
        uint32_t strict, stores_all, is_sparse
        fad_checkpoint *checkpoints
        uint64_t opened
        void *outer
        void *program
        double *adjoints
        uint32_t n_reached
        uint32_t n_adjoints
        uint64_t waste, n_collections
        fad_tape *next
    uint32_t FAD_NO_NODE
    fad_tape *fad_tape_take()
    void fad_tape_give(fad_tape *)
    int fad_tape_reserve_adjoints(fad_tape *)
    uint32_t *fad_tape_reached_inputs(const fad_tape *)
    size_t fad_tape_bytes(const fad_tape *)
    void fad_tape_set_busy(fad_tape *)
    void fad_tape_end_busy(fad_tape *)
    void fad_tape_end_all_busy()
    uint32_t fad_tape_record_input(fad_tape *)
    uint32_t fad_tape_record_chain(fad_tape *, size_t, const uint32_t *, const double *)
    uint32_t fad_tape_record_checkpoint(fad_tape *, fad_checkpoint *, const uint32_t *)
    fad_checkpoint *fad_tape_drop_checkpoint()

cdef extern from "sweep.h" nogil:
    void fad_sweep_backward(fad_tape *, uint32_t, double)
    void fad_sweep_backward_in_a_crowd(fad_tape *, uint32_t, double)
    void fad_sweep_backward_from_seeds(fad_tape *, uint32_t)
    uint64_t fad_sweep_backward_carefully(
        fad_tape *, uint32_t, uint32_t, uint32_t *, unsigned char *
    )
    double fad_absorbing_product(double, double, uint64_t *)
    void fad_sweep_reach(fad_tape *, uint32_t, uint32_t, unsigned char *)

    void fad_sweep_forward_many(const fad_tape *, int, uint32_t, uint32_t, double *)
    void fad_sweep_backward_many(const fad_tape *, int, uint32_t, uint32_t, double *)
    uint64_t fad_sweep_backward_many_carefully(
        const fad_tape *, int, uint32_t, uint32_t, double *, uint16_t *
    )
    uint64_t fad_sweep_forward_many_carefully(
        const fad_tape *, int, uint32_t, uint32_t, double *, uint16_t *, const unsigned char *
    )

cdef extern from "text.h" nogil:
    ctypedef struct fad_text:
        char *chars
        size_t n
        int failed
    void fad_text_free(fad_text *)

cdef extern from "program.h" nogil:
    ctypedef struct fad_instruction:
        uint32_t op
        uint32_t args[3]
    ctypedef struct fad_program:
        fad_instruction *instructions
        uint32_t n_instructions, capacity, n_inputs, n_outputs, n_kept
        uint32_t *outputs
    uint32_t FAD_NO_ID
    uint32_t FAD_NO_GUARD
    uint32_t FAD_GUARD_lt, FAD_GUARD_le, FAD_GUARD_eq, FAD_GUARD_ne
    uint32_t FAD_INPUT, FAD_CONSTANT
    uint32_t FAD_MAX_INSTRUCTIONS
    int fad_instruction_arity(const fad_instruction *)
    bint fad_instruction_is_guard(const fad_instruction *)
    int fad_program_inline(
        fad_program *, const fad_program *, const uint32_t *, uint32_t *)
    double fad_instruction_constant(const fad_instruction *)
    void fad_program_free(fad_program *)
    uint32_t fad_program_append(fad_program *, uint32_t, uint32_t, uint32_t, uint32_t)
    uint32_t fad_program_append_constant(fad_program *, double)
    uint32_t fad_program_append_guard(fad_program *, uint32_t, uint32_t, uint32_t, uint32_t)
    uint32_t fad_program_input(fad_program *)
    int fad_program_add_output(fad_program *, uint32_t)
    void fad_program_select_outputs(fad_program *, uint32_t, uint32_t)
    int fad_program_keep(fad_program *, uint32_t)
    int fad_program_drop_dead(fad_program *)
    int fad_program_simplify(const fad_program *, fad_program *)
    void fad_program_list(const fad_program *, fad_text *)

cdef extern from "encode.h" nogil:
    ctypedef struct fad_fault:
        const char *problem
        const char *place
        uint32_t number
    enum:
        FAD_INSTRUCTION_BYTES, FAD_ID_BYTES, FAD_N_KINDS
    void fad_program_encode(const fad_program *, const uint32_t *, unsigned char *)
    ctypedef struct fad_frame:
        uint32_t n_instructions, n_outputs, n_kept, n_kinds, n_places
        const uint32_t *ops
    int fad_program_decode(
        fad_program *, const fad_frame *, const unsigned char *, fad_fault *)

cdef extern from "_special_text.h":
    const char *fad_special_text

cdef extern from "pattern.h" nogil:
    ctypedef struct fad_pattern:
        uint32_t n_rows, n_columns
        size_t *starts
        uint32_t *columns
    void fad_pattern_free(fad_pattern *)
    int fad_pattern_of_results(
        const fad_tape *, uint32_t, const uint32_t *, uint32_t, fad_pattern *)
    int fad_pattern_transpose(const fad_pattern *, fad_pattern *)
    int fad_pattern_symmetrise(const fad_pattern *, fad_pattern *)
    int fad_pattern_colour_columns(const fad_pattern *, uint32_t *, uint32_t *)
    int fad_pattern_colour_symmetric(const fad_pattern *, uint32_t *, uint32_t *)

cdef extern from "derive.h" nogil:
    int fad_derive_gradient(const fad_program *, uint32_t, const unsigned char *, fad_program *)
    int fad_derive_pullback(const fad_program *, const unsigned char *, fad_program *)
    int fad_derive_tangent(const fad_program *, const unsigned char *, fad_program *)

cdef extern from "schedule.h" nogil:
    ctypedef struct fad_schedule:
        uint32_t n_runs, n_steps, n_constants, n_outputs, n_inputs, n_slots
    int fad_schedule_make(const fad_program *, fad_schedule *)
    void fad_schedule_free(fad_schedule *)
    size_t fad_schedule_bytes(const fad_schedule *)

cdef extern from "flags.h" nogil:
    void fad_flags_clear()
    bint fad_flags_raised()
    bint fad_has_nan(const double *, size_t)

cdef extern from "replay.h" nogil:
    uint32_t fad_replay(const fad_program *, const double *, double *, double *)
    uint32_t fad_replay_schedule(const fad_schedule *, const double *, double *, double *)
    int fad_replay_record(
        const fad_program *, const double *, const unsigned char *, double *, fad_tape *,
        uint32_t *)

cdef extern from "batch.h" nogil:
    enum:
        FAD_WIDE_LANES
    ctypedef struct fad_column:
        double *numbers
        Py_ssize_t stride
    ctypedef struct fad_batch:
        const fad_column *inputs
        const fad_column *outputs
        const size_t *points
        size_t first, n
        uint32_t *failed
        uint8_t *flagged
    ctypedef struct fad_batch_bound:
        const char *name
        double ulps
        const char *beyond
    const fad_batch_bound fad_batch_bounds[]
    size_t fad_batch_scratch(const fad_schedule *)
    int fad_batch_run(const fad_schedule *, int, const fad_batch *, void *)

cdef extern from "sets.h" nogil:
    enum:
        FAD_ALIGNMENT
    double *fad_aligned(void *)
    const char *fad_set_name(int)
    int fad_has_set(int)
    int fad_best_set()

cdef extern from "_operations.h":
    ctypedef enum asked_by:
        BY_OPERATOR, BY_FUNCTION, BY_METHOD, BY_RULE
    struct slow_paths:
        object (*unary)(fad_opcode, asked_by, object)
        object (*binary)(fad_opcode, asked_by, object, object)
        object (*ternary)(fad_opcode, object, object, object)
        object (*log_to_base)(object, object)
    slow_paths slow_path
    struct var_errors:
        void *busy_tape
        void *out_of_memory
    var_errors errors
    fad_tape no_tape
    size_t n_slots
    object new_var(double, fad_tape *, uint32_t)
    int make_room(fad_tape *, uint32_t) except -1
    int ensure_room(fad_tape *) except -1
    void collect_tape "collect"(fad_tape *)
    void collect_if_wasteful(fad_tape *)
    void find_tapes_with_vars()
    bint tape_has_vars(fad_tape *)
    bint are_all_floats(list)
    list new_inputs(fad_tape *, list)
    list list_of_floats(const double *, Py_ssize_t)
    size_t count_live_vars()
    int install_var_type(void *) except -1
    int add_row_method(void *, fad_opcode, const char *) except -1
    fad_tape ground_level
    object new_dual_object(double, fad_tape *, uint32_t)
    int install_dual_type(void *) except -1
    object (*make_dual_hook "make_dual")(object, object)
    object row_function(fad_opcode, object)
    object record_add(object, object, asked_by)
    object record_sub(object, object, asked_by)
    object record_mul(object, object, asked_by)
    object record_div(object, object, asked_by)
    object record_floordiv(object, object, asked_by)
    object record_mod(object, object, asked_by)
    object record_pow(object, object, asked_by)
    object record_log(object, asked_by)
    object record_neg(object, asked_by)
    object record_fabs(object, asked_by)

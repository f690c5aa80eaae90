/*
 * Batches: every instruction set against the replay, in bits where the rows are exact, and
 * in what is remarkable (nan, infinities, flags) everywhere.  How accurate the rest is, is
 * tested from Python.
 */
#include "check.h"

#include <stdlib.h>

#include "batch.h"
#include "flags.h"
#include "replay.h"
#include "sets.h"

enum { N_INPUTS = 5, N_OUTPUTS = 4, MAX_POINTS = 150 };

/* Rows that every set computes as the row does, to the last bit. */
static const fad_opcode exact[] = {
    FAD_OP_add,      FAD_OP_sub,       FAD_OP_mul,       FAD_OP_div,    FAD_OP_neg,
    FAD_OP_fma,      FAD_OP_fabs,      FAD_OP_sign,      FAD_OP_relu,   FAD_OP_maximum,
    FAD_OP_minimum,  FAD_OP_where,     FAD_OP_copysign,  FAD_OP_floor,  FAD_OP_ceil,
    FAD_OP_trunc,    FAD_OP_rint,      FAD_OP_round_to,  FAD_OP_scale2, FAD_OP_nextafter,
    FAD_OP_ulp,      FAD_OP_sqrt,      FAD_OP_floordiv,  FAD_OP_mod,    FAD_OP_fmod,
    FAD_OP_remainder, FAD_OP_lt,       FAD_OP_le,        FAD_OP_eq,     FAD_OP_ne,
    FAD_OP_stop,     FAD_OP_scale,     FAD_OP_muladd,    FAD_OP_mulsub, FAD_OP_erfinv,
    FAD_OP_gamma,    FAD_OP_lgamma,    FAD_OP_digamma,   FAD_OP_polygamma,
};

static const double odd[] = {
    0.0,    5e-324, 1e-310, 0x1p-1022, 1e-300, 1e-20, 0.25,  0.5,  0.75,     1.0,   1.5,
    2.0,    2.5,    3.0,    7.0,       22.5,   27.5,  700.0, 709,  709.9,    745.5, 1e4,
    1e9,    0x1p30, 0x1p52, 1e17,      1e100,  1e151, 1e300, 1.7976931348623157e308,
    HUGE_VAL, NAN,
};

static double
odd_number(void)
{
    const double x = odd[random_below(LENGTH(odd))];
    return random_below(2) ? x : -x;
}

/* A batch in memory of exactly its size, so that the sanitizer sees what goes beyond. */
typedef struct {
    fad_schedule schedule;
    fad_column inputs[N_INPUTS], outputs[N_OUTPUTS];
    fad_batch batch;
    double *numbers, *results;
    void *scratch;
} run;

static double *
doubles(size_t n)
{
    return malloc((n ? n : 1) * sizeof(double));
}

/* Points next to each other where by_point, or else inputs; input 0 the same everywhere. */
static void
start(run *r, const fad_program *p, size_t n, int by_point)
{
    memset(r, 0, sizeof *r);
    fad_schedule_make(p, &r->schedule);
    const size_t n_inputs = p->n_inputs, n_outputs = p->n_outputs;
    r->numbers = doubles(n * n_inputs + 1);
    r->results = doubles(n * n_outputs);
    r->scratch = malloc(fad_batch_scratch(&r->schedule));
    for (size_t k = 0; k < n_inputs; k++) {
        r->inputs[k].numbers = r->numbers + (by_point ? k : k * n);
        r->inputs[k].stride = by_point ? (ptrdiff_t)n_inputs : 1;
    }
    for (size_t k = 0; k < n_outputs; k++) {
        r->outputs[k].numbers = r->results + (by_point ? k : k * n);
        r->outputs[k].stride = by_point ? (ptrdiff_t)n_outputs : 1;
    }
    r->batch = (fad_batch){.inputs = r->inputs,
                           .outputs = r->outputs,
                           .n = n,
                           .failed = malloc((n + 1) * sizeof(uint32_t)),
                           .flagged = malloc(n + 1)};
}

static void
end(run *r)
{
    fad_schedule_free(&r->schedule);
    free(r->numbers);
    free(r->results);
    free(r->scratch);
    free(r->batch.failed);
    free(r->batch.flagged);
}

static double
at(const fad_column *column, size_t point)
{
    return column->numbers[(ptrdiff_t)point * column->stride];
}

/* What the replay says of a point. */
static uint32_t
replay(const run *r, size_t point, double *outputs)
{
    double inputs[N_INPUTS];
    double *slots = doubles(r->schedule.n_slots);
    for (uint32_t k = 0; k < r->schedule.n_inputs; k++)
        inputs[k] = at(&r->inputs[k], point);
    const uint32_t guard = fad_replay_schedule(&r->schedule, inputs, slots, outputs);
    free(slots);
    return guard;
}

static int
is_as_the_replay(const run *r, size_t point)
{
    double outputs[N_OUTPUTS];
    if (replay(r, point, outputs) != r->batch.failed[point])
        return 0;
    for (uint32_t k = 0; k < r->schedule.n_outputs; k++)
        if (!same(at(&r->outputs[k], point), outputs[k]))
            return 0;
    return 1;
}

/* ---- Random programs ----------------------------------------------------------------- */

static void
record_random(fad_program *p, uint32_t n_instructions, int guards)
{
    for (int k = 0; k < N_INPUTS; k++)
        fad_program_input(p);
    uint32_t last = N_INPUTS - 1;
    while (p->n_instructions < n_instructions) {
        const uint32_t a = random_below(4) ? last : random_below(N_INPUTS);
        const uint32_t b = random_below(N_INPUTS), c = random_below(N_INPUTS);
        if (guards && random_below(6) == 0)
            fad_program_append_guard(p, FAD_GUARD_lt + random_below(4), a, b,
                                     random_below(2));
        else if (random_below(10) == 0)
            last = fad_program_append_constant(p, random_number());
        else
            last = fad_program_append(p, exact[random_below(LENGTH(exact))], a, b, c);
    }
    for (int k = 0; k < N_OUTPUTS - 1; k++)
        fad_program_add_output(p, last);
    fad_program_add_output(p, 0);
}

static void
check_random(int set, size_t n, uint32_t n_instructions)
{
    fad_program p = {0};
    run r;
    record_random(&p, n_instructions, n_instructions % 2);
    start(&r, &p, n, random_below(2));
    if (random_below(3) == 0) {
        r.inputs[0].stride = 0;
        r.inputs[0].numbers[0] = random_number();
    }
    for (size_t k = 0; k < n * N_INPUTS; k++)
        r.numbers[k] = random_below(8) ? random_number() : odd_number();
    fad_batch_run(&r.schedule, set, &r.batch, r.scratch);
    for (size_t point = 0; point < n; point++)
        CHECK(is_as_the_replay(&r, point));
    end(&r);
    fad_program_free(&p);
}

static void
exact_rows_give_the_bits_of_the_replay(void)
{
    static const size_t sizes[] = {0, 1, 15, 16, 17, 32, 33, 63, 64, 65, 128, MAX_POINTS};
    for (int set = 0; fad_set_name(set) != NULL; set++)
        for (int n = 0; fad_has_set(set) && n < 300 && !failed; n++)
            check_random(set, sizes[random_below(LENGTH(sizes))],
                         N_INPUTS + 1 + random_below(40));
}

/* Chains of each kind, with what hangs on them. */
static void
check_chain(int set, uint32_t op)
{
    enum { N = 40 };
    fad_program p = {0};
    run r;
    const uint32_t x = fad_program_input(&p), z = fad_program_input(&p);
    const int is_third = fad_op_rows[op].arity == 3;
    uint32_t y = x;
    for (int n = 0; n < N; n++) {
        y = fad_program_append(&p, op, is_third ? x : y, z, is_third ? y : 0);
        if (n % 10 == 0)
            fad_program_add_output(&p, fad_program_append(&p, FAD_OP_div, y, z, 0));
    }
    start(&r, &p, MAX_POINTS, 1);
    CHECK(r.schedule.runs[0].op >= FAD_CHAIN_add);
    for (size_t k = 0; k < 2 * MAX_POINTS; k++)
        r.numbers[k] = random_number();
    fad_batch_run(&r.schedule, set, &r.batch, r.scratch);
    for (size_t point = 0; point < MAX_POINTS; point++)
        CHECK(is_as_the_replay(&r, point));
    end(&r);
    fad_program_free(&p);
}

static void
chains_give_the_bits_of_the_replay(void)
{
    static const uint32_t ops[] = {FAD_OP_add, FAD_OP_sub, FAD_OP_mul, FAD_OP_muladd,
                                   FAD_OP_mulsub};
    for (int set = 0; fad_set_name(set) != NULL; set++)
        for (size_t k = 0; fad_has_set(set) && k < LENGTH(ops); k++)
            check_chain(set, ops[k]);
}

/* ---- What is remarkable -------------------------------------------------------------- */

/* Flags the row alone raises; nan counts as one. */
static int
row_is_remarkable(uint32_t op, const double *x)
{
    fad_flags_clear();
    const volatile double v = fad_op_value((fad_opcode)op, x[0], x[1], x[2]);
    return fad_flags_raised() || isnan(v);
}

/* The row at one point, in all lanes. */
static void
check_row(int set, uint32_t op, const double *x)
{
    fad_program p = {0};
    run r;
    const int arity = fad_op_rows[op].arity;
    uint32_t ids[3] = {0};
    for (int k = 0; k < arity; k++)
        ids[k] = fad_program_input(&p);
    fad_program_add_output(&p, fad_program_append(&p, op, ids[0], ids[1], ids[2]));
    start(&r, &p, FAD_LANES, 1);
    for (int lane = 0; lane < FAD_LANES; lane++)
        for (int k = 0; k < arity; k++)
            r.numbers[lane * arity + k] = x[k];
    fad_batch_run(&r.schedule, set, &r.batch, r.scratch);
    const double v = fad_op_value((fad_opcode)op, x[0], x[1], x[2]);
    const int is_remarkable = row_is_remarkable(op, x);
    for (int lane = 0; lane < FAD_LANES; lane++) {
        CHECK(isfinite(v) ? isfinite(r.results[lane]) : same(v, r.results[lane]));
        CHECK(v != 0.0 || signbit(v) == signbit(r.results[lane]));
        CHECK(r.batch.failed[lane] == FAD_NO_GUARD);
        if (r.batch.flagged[lane] != is_remarkable)
            printf("%s(%a, %a, %a), set %d: flagged %d\n", fad_op_rows[op].name, x[0], x[1],
                   x[2], set, r.batch.flagged[lane]);
        CHECK(r.batch.flagged[lane] == is_remarkable);
    }
    end(&r);
    fad_program_free(&p);
}

/* Every odd number for x; with more arguments, many combinations. */
static void
check_row_everywhere(int set, uint32_t op)
{
    const size_t n = (fad_op_rows[op].arity == 1 ? 2 : 12) * LENGTH(odd);
    for (size_t k = 0; k < n && !failed; k++) {
        double x[3] = {odd_number(), odd_number(), odd_number()};
        if (k < 2 * LENGTH(odd))
            x[0] = k % 2 ? odd[k / 2] : -odd[k / 2];
        check_row(set, op, x);
    }
}

static void
remarkable_points_are_flagged_and_no_others(void)
{
    for (int set = 0; fad_set_name(set) != NULL; set++)
        for (uint32_t op = 0; fad_has_set(set) && op < FAD_N_OPS; op++)
            check_row_everywhere(set, op);
}

/* Steps that wait for each other run on wide blocks, and find the same. */
static void
a_flag_says_no_more_of_wide_blocks(void)
{
    enum { N = 5 * FAD_LANES + FAD_WIDE_LANES };
    fad_program p = {0};
    run r;
    const uint32_t x = fad_program_input(&p), y = fad_program_input(&p);
    uint32_t v = y;
    for (int n = 0; n < 8; n++) {
        v = fad_program_append(&p, FAD_OP_sqrt, v, 0, 0);
        v = fad_program_append(&p, FAD_OP_div, v, x, 0);
    }
    fad_program_append_guard(&p, FAD_GUARD_lt, v, x, 0);
    fad_program_add_output(&p, v);
    for (int set = 0; fad_set_name(set) != NULL; set++)
        for (size_t bad = 0; fad_has_set(set) && bad < N; bad += 7) {
            start(&r, &p, N, 1);
            CHECK(r.schedule.n_steps == r.schedule.n_runs);
            for (int k = 0; k < 2 * N; k++)
                r.numbers[k] = 1.0;
            r.numbers[2 * bad] = 0.0;               /* x/0 */
            r.numbers[2 * (N - 1 - bad) + 1] = 0.5; /* v < 1 */
            CHECK(!fad_batch_run(&r.schedule, set, &r.batch, r.scratch));
            for (size_t point = 0; point < N; point++) {
                CHECK(is_as_the_replay(&r, point));
                CHECK((r.batch.failed[point] == 0) == (point == N - 1 - bad));
                CHECK(!r.batch.flagged[point] || point / FAD_LANES == bad / FAD_LANES);
            }
            CHECK(r.batch.flagged[bad]);
            end(&r);
        }
    fad_program_free(&p);
}

/* Where there are no points, there need be no numbers. */
static void
no_column_of_an_empty_batch_is_read(void)
{
    fad_program p = {0};
    run r;
    fad_program_add_output(
        &p, fad_program_append(&p, FAD_OP_sqrt, fad_program_input(&p), 0, 0));
    for (int set = 0; fad_set_name(set) != NULL; set++) {
        start(&r, &p, 0, 1);
        r.inputs[0] = (fad_column){NULL, 0};
        CHECK(!fad_has_set(set) || fad_batch_run(&r.schedule, set, &r.batch, r.scratch));
        end(&r);
    }
    fad_program_free(&p);
}

/* log(x), but only where 0 < x holds. */
static void
points_whose_guard_fails_flag_no_others(void)
{
    fad_program p = {0};
    run r;
    const uint32_t x = fad_program_input(&p), zero = fad_program_constant(&p, 0.0);
    fad_program_append_guard(&p, FAD_GUARD_lt, zero, x, 1);
    fad_program_add_output(&p, fad_program_append(&p, FAD_OP_log, x, 0, 0));
    for (int set = 0; fad_set_name(set) != NULL; set++) {
        if (!fad_has_set(set))
            continue;
        start(&r, &p, 40, 1);
        for (int k = 0; k < 40; k++)
            r.numbers[k] = k % 3 ? k : -k;
        fad_batch_run(&r.schedule, set, &r.batch, r.scratch);
        for (int k = 0; k < 40; k++) {
            CHECK(r.batch.failed[k] == (k % 3 ? FAD_NO_GUARD : 0));
            if (k % 3 != 0)
                CHECK(!r.batch.flagged[k] && fabs(r.results[k] - log(k)) < 1e-15);
        }
        end(&r);
    }
    fad_program_free(&p);
}

static void
only_the_chosen_points_run(void)
{
    fad_program p = {0};
    run r;
    const uint32_t x = fad_program_input(&p);
    fad_program_add_output(&p, fad_program_append(&p, FAD_OP_add, x, x, 0));
    size_t chosen[] = {3, 39, 0, 17, 16, 15, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 5};
    for (int set = 0; fad_set_name(set) != NULL; set++) {
        if (!fad_has_set(set))
            continue;
        start(&r, &p, 40, 1);
        for (int k = 0; k < 40; k++) {
            r.numbers[k] = k + 0.5;
            r.results[k] = -1.0;
            r.batch.failed[k] = 7;
            r.batch.flagged[k] = 7;
        }
        r.batch.points = chosen;
        r.batch.n = LENGTH(chosen);
        fad_batch_run(&r.schedule, set, &r.batch, r.scratch);
        for (size_t k = 0; k < 40; k++) {
            int is_chosen = 0;
            for (size_t i = 0; i < LENGTH(chosen); i++)
                is_chosen |= chosen[i] == k;
            CHECK(r.results[k] == (is_chosen ? 2.0 * (double)k + 1.0 : -1.0));
            CHECK(r.batch.failed[k] == (is_chosen ? FAD_NO_GUARD : 7));
            CHECK(r.batch.flagged[k] == (is_chosen ? 0 : 7));
        }
        end(&r);
    }
    fad_program_free(&p);
}

/* From any first point on; also where something is wrong, of which the run tells. */
static void
points_in_a_row_run(void)
{
    fad_program p = {0};
    run r;
    const uint32_t x = fad_program_input(&p), y = fad_program_input(&p);
    fad_program_append_guard(&p, FAD_GUARD_lt, x, y, 1);
    fad_program_add_output(&p, fad_program_append(&p, FAD_OP_add, x, y, 0));
    fad_program_add_output(&p, fad_program_append(&p, FAD_OP_sub, x, y, 0));
    for (int set = 0; fad_set_name(set) != NULL; set++)
        for (size_t first = 0; fad_has_set(set) && first <= 40; first++) {
            start(&r, &p, 40, first % 2);
            for (int k = 0; k < 80; k++) {
                r.numbers[k] = r.inputs[1].stride == 1 ? k : k + 0.5 * (k % 2);
                r.results[k] = -1.0;
            }
            const size_t bad = first + (first % 3) * 10;
            if (bad < 40)
                r.inputs[0].numbers[(ptrdiff_t)bad * r.inputs[0].stride] = 1e3;
            r.batch.first = first;
            r.batch.n = 40 - first;
            CHECK(fad_batch_run(&r.schedule, set, &r.batch, r.scratch) == (bad >= 40));
            for (size_t k = first; k < 40; k++)
                CHECK(is_as_the_replay(&r, k) && (r.batch.failed[k] == 0) == (k == bad));
            for (size_t k = 0; k < first; k++)
                CHECK(at(&r.outputs[0], k) == -1.0 && at(&r.outputs[1], k) == -1.0);
            end(&r);
        }
    fad_program_free(&p);
}

static const test tests[] = {
    TEST(exact_rows_give_the_bits_of_the_replay),
    TEST(chains_give_the_bits_of_the_replay),
    TEST(remarkable_points_are_flagged_and_no_others),
    TEST(a_flag_says_no_more_of_wide_blocks),
    TEST(no_column_of_an_empty_batch_is_read),
    TEST(points_whose_guard_fails_flag_no_others),
    TEST(only_the_chosen_points_run),
    TEST(points_in_a_row_run),
};

int
main(void)
{
    return run_tests(tests, LENGTH(tests));
}

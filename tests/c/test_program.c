/*
 * Programs: writing, folding, numbering, dropping, listing; the partial cells as programs;
 * replay; and each allocation failing in turn.
 */
#include <float.h>
#include <stdlib.h>

#include "cell.h"
#include "check.h"
#include "program.h"
#include "replay.h"
#include "special.h"

/* ---- Helpers --------------------------------------------------------------------- */

/* The value of an instruction at a point of two inputs; fewer than 64 instructions. */
static double
value_at(const fad_program *program, uint32_t id, double x, double y)
{
    double values[64];
    fad_replay(program, (double[]){x, y}, values, NULL);
    return values[id];
}

static uint32_t
emit(fad_program *program, fad_opcode op, uint32_t a, uint32_t b)
{
    return fad_program_emit(program, op, a, b, 0);
}

/* What program.h promises of every program. */
static int
is_sound(const fad_program *program)
{
    uint32_t n_inputs = 0;
    for (uint32_t id = 0; id < program->n_instructions; id++) {
        const fad_instruction *i = &program->instructions[id];
        int arity = fad_instruction_arity(i);
        for (int k = 0; k < arity; k++)
            if (i->args[k] >= id)
                return 0;
        for (int k = arity; k < 3; k++)
            if (i->op < FAD_N_OPS && i->args[k] != 0)
                return 0;
        if (i->op == FAD_INPUT && i->args[0] != n_inputs++)
            return 0;
    }
    for (uint32_t k = 0; k < program->n_outputs; k++)
        if (program->outputs[k] >= program->n_instructions)
            return 0;
    return n_inputs == program->n_inputs &&
           (program->n_numbers == 0 || program->n_numbered <= program->n_numbers / 2);
}

static int
lists_as(const fad_program *program, const char *expected)
{
    fad_text text = {0};
    fad_program_list(program, &text);
    int same_text = !text.failed && strcmp(text.chars ? text.chars : "", expected) == 0;
    if (!same_text)
        printf("%s", text.chars);
    fad_text_free(&text);
    return same_text;
}

/* ---- Writing and numbering ------------------------------------------------------- */

static void
equal_instructions_are_one(void)
{
    fad_program p = {0};
    uint32_t x = fad_program_input(&p), y = fad_program_input(&p);
    uint32_t product = emit(&p, FAD_OP_mul, x, y);
    CHECK(emit(&p, FAD_OP_mul, x, y) == product);
    CHECK(emit(&p, FAD_OP_mul, y, x) == product);
    CHECK(emit(&p, FAD_OP_add, y, x) == emit(&p, FAD_OP_add, x, y));
    CHECK(emit(&p, FAD_OP_sub, y, x) != emit(&p, FAD_OP_sub, x, y));
    CHECK(fad_program_constant(&p, 2.5) == fad_program_constant(&p, 2.5));
    CHECK(fad_program_constant(&p, 0.0) != fad_program_constant(&p, -0.0));
    CHECK(fad_program_constant(&p, NAN) == fad_program_constant(&p, NAN));
    CHECK(p.n_instructions == 10 && is_sound(&p));
    fad_program_free(&p);
}

/* What was emitted is not changed by emitting it again, so it is copied; but not where it may
   meet what is there, or two of its inputs the same. */
static void
what_was_emitted_is_copied(void)
{
    fad_program p = {0}, q = {0}, twice = {0}, same = {0};
    uint32_t ids[8], args[2];
    uint32_t x = fad_program_input(&p), y = fad_program_input(&p);
    uint32_t z = emit(&p, FAD_OP_mul, x, y);
    emit(&p, FAD_OP_sub, z, fad_program_constant(&p, 2.0));
    CHECK(p.n_emitted == 5);
    CHECK(fad_program_simplify(&p, &q) == 0 && q.n_numbers == 0 && q.n_emitted == 2);

    for (uint32_t k = 0; k < 3; k++)
        args[k % 2] = fad_program_input(&twice); /* 2 and 1 */
    CHECK(fad_program_inline(&twice, &p, args, ids) == 0 && is_sound(&twice));
    CHECK(twice.n_instructions == 6 && twice.n_numbers > 0 && ids[z] == 3);
    CHECK(twice.instructions[3].args[0] == 1 && twice.instructions[3].args[1] == 2);
    CHECK(fad_program_inline(&twice, &p, args, ids) == 0 && twice.n_instructions == 6);

    args[0] = fad_program_input(&same);
    args[1] = fad_program_input(&same);
    CHECK(fad_program_inline(&same, &p, args, ids) == 0 && same.n_numbers == 0);
    CHECK(same.n_emitted == 5 && ids[z] == 2 && is_sound(&same));
    CHECK(fad_program_inline(&same, &p, args, ids) == 0 && same.n_instructions == 5);
    args[1] = args[0];
    CHECK(fad_program_inline(&same, &p, args, ids) == 0 && same.n_instructions == 7);
    CHECK(fad_program_append(&same, FAD_OP_mul, 0, 1, 0) == 7 && same.n_emitted == 7);

    fad_program_free(&q);
    fad_program_add_output(&same, 2);
    fad_program_add_output(&same, 7); /* the same product, appended */
    CHECK(fad_program_simplify(&same, &q) == 0 && q.n_instructions == 3);
    CHECK(q.outputs[0] == 2 && q.outputs[1] == 2);
    fad_program_free(&p);
    fad_program_free(&q);
    fad_program_free(&twice);
    fad_program_free(&same);
}

static void
a_recording_stays_as_written(void)
{
    fad_program p = {0};
    uint32_t x = fad_program_input(&p), one = fad_program_append_constant(&p, 1.0);
    CHECK(fad_program_append_constant(&p, 1.0) == one + 1);
    CHECK(fad_program_append(&p, FAD_OP_mul, x, one, 7) == 3);
    CHECK(fad_program_append(&p, FAD_OP_mul, x, one, 7) == 4);
    CHECK(fad_program_append(&p, FAD_OP_add, one, one, 7) == 5);
    CHECK(is_sound(&p));
    CHECK(emit(&p, FAD_OP_add, 3, 4) == 6); /* now the numbers know what is there */
    CHECK(fad_program_constant(&p, 1.0) == one && is_sound(&p));
    fad_program_free(&p);
}

static void
constants_fold(void)
{
    fad_program p = {0};
    double value;
    uint32_t three = fad_program_constant(&p, 3.0), four = fad_program_constant(&p, 4.0);
    uint32_t five = emit(&p, FAD_OP_hypot, three, four);
    CHECK(fad_program_is_constant(&p, five, &value) && value == 5.0);
    uint32_t seven = fad_program_emit(&p, FAD_OP_muladd, three, fad_program_constant(&p, 1.0), four);
    CHECK(fad_program_is_constant(&p, seven, &value) && value == 7.0);
    CHECK(is_sound(&p));
    fad_program_free(&p);
}

static void
simplifying_keeps_every_bit(void)
{
    fad_program p = {0};
    uint32_t x = fad_program_input(&p), y = fad_program_input(&p);
    uint32_t zero = fad_program_constant(&p, 0.0), one = fad_program_constant(&p, 1.0);
    uint32_t minus = fad_program_constant(&p, -1.0), negative = emit(&p, FAD_OP_neg, x, 0);
    CHECK(emit(&p, FAD_OP_mul, x, one) == x && emit(&p, FAD_OP_mul, one, x) == x);
    CHECK(emit(&p, FAD_OP_mul, x, minus) == negative);
    CHECK(emit(&p, FAD_OP_mul, minus, x) == negative);
    CHECK(emit(&p, FAD_OP_neg, negative, 0) == x);
    CHECK(emit(&p, FAD_OP_mul, negative, minus) == x);
    CHECK(fad_program_emit(&p, FAD_OP_where, x, y, y) == y);
    CHECK(fad_program_emit(&p, FAD_OP_where, one, x, y) == x);
    CHECK(fad_program_emit(&p, FAD_OP_where, zero, x, y) == y);
    uint32_t n = p.n_instructions;
    CHECK(emit(&p, FAD_OP_mul, x, zero) == n);     /* of infinity it is nan */
    CHECK(emit(&p, FAD_OP_add, x, zero) == n + 1); /* of -0 it is 0 */
    CHECK(same(value_at(&p, n, -2.0, 0.0), -0.0));
    CHECK(same(value_at(&p, n + 1, -0.0, 0.0), 0.0));
    CHECK(is_sound(&p));
    fad_program_free(&p);
}

static void
a_failed_argument_fails_the_formula(void)
{
    fad_program p = {0};
    uint32_t x = fad_program_input(&p);
    CHECK(emit(&p, FAD_OP_add, FAD_NO_ID, x) == FAD_NO_ID);
    CHECK(emit(&p, FAD_OP_sin, FAD_NO_ID, 0) == FAD_NO_ID);
    CHECK(emit(&p, FAD_OP_sin, x, FAD_NO_ID) == 1); /* sin has one argument */
    CHECK(fad_program_append(&p, FAD_OP_fma, x, x, FAD_NO_ID) == FAD_NO_ID);
    CHECK(fad_program_add_output(&p, FAD_NO_ID) == -1);
    CHECK(p.n_instructions == 2 && p.n_outputs == 0 && is_sound(&p));
    fad_program_free(&p);
}

static void
a_program_grows(void)
{
    enum { N = 100000 };
    fad_program p = {0};
    uint32_t x = fad_program_input(&p), id = x;
    for (uint32_t k = 1; k < N; k++)
        id = emit(&p, k % 2 ? FAD_OP_sin : FAD_OP_exp, id, 0);
    CHECK(p.n_instructions == N && is_sound(&p));
    id = x;
    for (uint32_t k = 1; k < N; k++)
        id = emit(&p, k % 2 ? FAD_OP_sin : FAD_OP_exp, id, 0);
    CHECK(p.n_instructions == N && id == N - 1);
    CHECK(fad_program_reserve(&p, (uint64_t)FAD_MAX_INSTRUCTIONS + 1) < 0);
    fad_program_free(&p);
    CHECK(p.n_instructions == 0 && p.instructions == NULL && p.numbers == NULL);
}

/* ---- Dropping, simplifying, listing ---------------------------------------------- */

/* 2*x + 3*x + y*1, recorded with a dead sine, and with a constant written twice. */
static void
record_example(fad_program *p)
{
    uint32_t x = fad_program_input(p), y = fad_program_input(p);
    uint32_t two = fad_program_append_constant(p, 2.0);
    uint32_t also_two = fad_program_append_constant(p, 2.0);
    uint32_t first = fad_program_append(p, FAD_OP_mul, two, x, 0);
    uint32_t second = fad_program_append(p, FAD_OP_mul, x, also_two, 0);
    fad_program_append(p, FAD_OP_sin, first, 0, 0);
    uint32_t one = fad_program_append(p, FAD_OP_div, two, also_two, 0);
    uint32_t third = fad_program_append(p, FAD_OP_mul, y, one, 0);
    uint32_t sum = fad_program_append(p, FAD_OP_add, first, second, 0);
    fad_program_add_output(p, fad_program_append(p, FAD_OP_add, sum, third, 0));
    fad_program_add_output(p, third);
}

static void
programs_are_listed(void)
{
    fad_program p = {0}, q = {0};
    record_example(&p);
    CHECK(lists_as(&p, "%0 = input 0\n%1 = input 1\n%2 = constant 2\n%3 = constant 2\n"
                       "%4 = mul %2 %0\n%5 = mul %0 %3\n%6 = sin %4\n%7 = div %2 %3\n"
                       "%8 = mul %1 %7\n%9 = add %4 %5\n%10 = add %9 %8\n"
                       "output %10 %8\n"));
    CHECK(fad_program_simplify(&p, &q) == 0 && is_sound(&q));
    CHECK(lists_as(&q, "%0 = input 0\n%1 = input 1\n%2 = constant 2\n%3 = mul %0 %2\n"
                       "%4 = add %3 %3\n%5 = add %1 %4\noutput %5 %1\n"));
    CHECK(lists_as(&(fad_program){0}, ""));
    fad_program_free(&p);
    fad_program_free(&q);
}

static void
doubles_are_listed_in_the_shortest_way(void)
{
    static const struct {
        double x;
        const char *digits;
    } expected[] = {
        {0.1, "0.1"},         {-0.0, "-0"},     {1.0 / 3.0, "0.3333333333333333"},
        {1e300, "1e+300"},    {NAN, "nan"},     {5e-324, "4.94065645841247e-324"},
        {-INFINITY, "-inf"},  {0.1 + 0.2, "0.30000000000000004"},
    };
    for (size_t k = 0; k < LENGTH(expected); k++) {
        fad_text text = {0};
        fad_text_print_double(&text, expected[k].x);
        CHECK(strcmp(text.chars, expected[k].digits) == 0);
        CHECK(same(strtod(text.chars, NULL), expected[k].x));
        fad_text_free(&text);
    }
}

static void
dropping_keeps_inputs_and_order(void)
{
    fad_program p = {0};
    record_example(&p);
    CHECK(fad_program_drop_dead(&p) == 0 && is_sound(&p));
    CHECK(p.n_instructions == 10 && p.outputs[0] == 9 && p.outputs[1] == 7);
    fad_program_select_outputs(&p, 1, 1);
    CHECK(fad_program_drop_dead(&p) == 0 && is_sound(&p));
    CHECK(lists_as(&p, "%0 = input 0\n%1 = input 1\n%2 = constant 2\n%3 = constant 2\n"
                       "%4 = div %2 %3\n%5 = mul %1 %4\noutput %5\n"));
    fad_program_select_outputs(&p, 0, 0);
    CHECK(fad_program_drop_dead(&p) == 0 && p.n_instructions == 2 && p.n_inputs == 2);
    fad_program_free(&p);
    CHECK(fad_program_drop_dead(&p) == 0);
}

static void
what_is_kept_stays(void)
{
    fad_program p = {0}, simple = {0}, twice = {0};
    uint32_t ids[8];
    uint32_t x = fad_program_input(&p);
    uint32_t dead = fad_program_append(&p, FAD_OP_exp, x, 0, 0);
    uint32_t log = fad_program_append(&p, FAD_OP_log, dead, 0, 0);
    uint32_t again = fad_program_append(&p, FAD_OP_log, dead, 0, 0);
    fad_program_append(&p, FAD_OP_sin, x, 0, 0);
    CHECK(fad_program_keep(&p, log) == 0 && fad_program_keep(&p, again) == 0);
    CHECK(fad_program_keep(&p, FAD_NO_ID) < 0);
    CHECK(fad_program_add_output(&p, x) == 0);
    CHECK(fad_program_simplify(&p, &simple) == 0 && is_sound(&simple));
    CHECK(lists_as(&simple, "%0 = input 0\n%1 = exp %0\n%2 = log %1\noutput %0\n"));
    CHECK(simple.n_kept == 2 && simple.kept[0] == 2 && simple.kept[1] == 2);
    CHECK(fad_program_inline(&twice, &simple, NULL, ids) == 0 && twice.n_kept == 2);
    CHECK(fad_program_drop_dead(&twice) == 0 && twice.n_instructions == 3);
    fad_program_free(&p);
    fad_program_free(&simple);
    fad_program_free(&twice);
}

/* ---- Guards ---------------------------------------------------------------------- */

static void
guards_are_numbered_in_their_order(void)
{
    static const struct {
        double x, y;
        uint32_t failed;
    } points[] = {
        {1.0, 2.0, FAD_NO_GUARD}, {2.0, 2.0, 0}, {-1.0, 2.0, 1}, {0.0, 0.5, 2},
        {NAN, 2.0, 0},            {1.0, NAN, 0},
    };
    fad_program p = {0};
    double guarded[8];
    uint32_t x = fad_program_input(&p), y = fad_program_input(&p);
    uint32_t one = fad_program_constant(&p, 1.0), zero = fad_program_constant(&p, 0.0);
    fad_program_append_guard(&p, FAD_GUARD_lt, x, y, 1);
    fad_program_append_guard(&p, FAD_GUARD_lt, x, zero, 0);
    fad_program_append_guard(&p, FAD_GUARD_le, one, y, 1);
    CHECK(is_sound(&p) && fad_program_drop_dead(&p) == 0 && p.n_instructions == 7);
    CHECK(lists_as(&p, "%0 = input 0\n%1 = input 1\n%2 = constant 1\n%3 = constant 0\n"
                       "guard %0 < %1\nguard not %0 < %3\nguard %2 <= %1\n"));
    for (size_t k = 0; k < LENGTH(points); k++)
        CHECK(fad_replay(&p, (double[]){points[k].x, points[k].y}, guarded, NULL) ==
              points[k].failed);
    fad_program_free(&p);
}

static void
equal_guards_are_one_and_constants_need_none(void)
{
    fad_program p = {0};
    uint32_t x = fad_program_input(&p);
    uint32_t one = fad_program_constant(&p, 1.0), two = fad_program_constant(&p, 2.0);
    uint32_t guard = fad_program_emit_guard(&p, FAD_GUARD_eq, x, one, 0);
    CHECK(fad_program_emit_guard(&p, FAD_GUARD_eq, x, one, 0) == guard);
    CHECK(fad_program_emit_guard(&p, FAD_GUARD_eq, x, two, 0) != guard);
    CHECK(fad_program_emit_guard(&p, FAD_GUARD_lt, FAD_NO_ID, two, 0) == FAD_NO_ID);
    CHECK(p.n_instructions == 5);
    fad_program_emit_guard(&p, FAD_GUARD_lt, one, two, 1);
    CHECK(p.n_instructions == 5);
    fad_program_emit_guard(&p, FAD_GUARD_lt, one, two, 0); /* always fails: it must stay */
    CHECK(p.n_instructions == 6 && is_sound(&p));
    fad_program_free(&p);
}

/* ---- Cells ----------------------------------------------------------------------- */

static const double odd_numbers[] = {
    0.0,     -0.0, 1.0,     -1.0,     0.5,   -2.5,   3.0,      0.75,      1e9,  -1e9,
    5e-324,  1e17, DBL_MIN, -DBL_MIN, 709.8, -745.2, INFINITY, -INFINITY, NAN,  DBL_MAX,
};

/* The cell as a program and as C computes the same bits. */
static int
cell_equals_c(uint32_t op, double x, double y, double z)
{
    double v = fad_op_value((fad_opcode)op, x, y, z);
    double partials[3], values[FAD_CELL_SIZE], partial;
    fad_op_partials((fad_opcode)op, x, y, z, v, partials);
    for (int k = 0; k < fad_op_rows[op].arity; k++) {
        fad_replay(fad_cell_partial(op, k), (double[]){x, y, z, v}, values, &partial);
        if (!same(partial, partials[k]))
            return 0;
    }
    return 1;
}

static void
cells_compute_what_c_computes(void)
{
    enum { N = LENGTH(odd_numbers) };
    CHECK(fad_cells_parse() == 0 && fad_cells_parse() == 0);
    for (uint32_t op = 0; op < FAD_N_OPS; op++) {
        for (size_t i = 0; i < N; i++)
            for (size_t j = 0; j < N; j++)
                CHECK(cell_equals_c(op, odd_numbers[i], odd_numbers[j],
                                    odd_numbers[(i + j) % N]));
        for (int n = 0; n < 100; n++)
            CHECK(cell_equals_c(op, random_number(), random_number(), random_number()));
    }
}

static void
every_cell_is_one(void)
{
    for (int op = 0; op < FAD_N_OPS; op++)
        for (int k = 0; k < fad_op_rows[op].arity; k++) {
            fad_program cell = {0};
            int status = fad_cell_parse(fad_op_rows[op].partials[k], &cell);
            if (status < 0)
                printf("%s: %s\n", fad_op_rows[op].name, fad_op_rows[op].partials[k]);
            CHECK(status == 0 && is_sound(&cell));
            fad_program_free(&cell);
        }
}

static void
cells_know_steps(void)
{
    CHECK(fad_cell_is_zero(FAD_OP_floor, 0) && fad_cell_is_zero(FAD_OP_where, 0));
    CHECK(fad_cell_is_zero(FAD_OP_lt, 1) && fad_cell_is_zero(FAD_OP_copysign, 1));
    CHECK(!fad_cell_is_zero(FAD_OP_where, 1) && !fad_cell_is_zero(FAD_OP_add, 0));
}

static void
what_is_no_cell_is_refused(void)
{
    static const char *const texts[] = {
        "",          "x +",      "x y",       "unknown(x)", "sin(x",  "sin(x, y)", "hypot(x)",
        "where(x)",  "(x",       "x)",        "1.0 2.0",    "w",      "x ** y",    "x < y < z",
        "x % y",     "sin",      "x and y",   "-",          "*x",     "sin(x)) ",  "1e5",
    };
    for (size_t k = 0; k < LENGTH(texts); k++) {
        fad_program cell = {0};
        CHECK(fad_cell_parse(texts[k], &cell) < 0 && cell.instructions == NULL);
    }
}

static void
cells_are_read_as_python_reads_them(void)
{
    static const struct {
        const char *text;
        double value; /* at x = 3, y = 5, z = 7, v = 11 */
    } cells[] = {
        {"x - y - z", -9.0},       {"x / y / z", 3.0 / 5.0 / 7.0}, {"x - y*z", -32.0},
        {"(x - y)*z", -14.0},      {"-x*y", -15.0},                {"--x", 3.0},
        {"x > y", 0.0},            {"x >= 3.0", 1.0},              {"x != y", 1.0},
        {"where(x < y, z, v)", 7}, {" 0.125 ", 0.125},             {"-x - -y", 2.0},
        {"fma(x, y, -v)", 4.0},    {"M_LN2", M_LN2},               {"1234.5", 1234.5},
    };
    for (size_t k = 0; k < LENGTH(cells); k++) {
        fad_program cell = {0};
        double values[FAD_CELL_SIZE], value;
        CHECK(fad_cell_parse(cells[k].text, &cell) == 0 && is_sound(&cell));
        fad_replay(&cell, (double[]){3.0, 5.0, 7.0, 11.0}, values, &value);
        CHECK(same(value, cells[k].value));
        fad_program_free(&cell);
    }
}

/* ---- Memory ---------------------------------------------------------------------- */

/* A sum of 200 numbers, until memory fails: an instruction is written or nothing is. */
static int
write_sum(fad_program *p)
{
    uint32_t sum = fad_program_input(p);
    for (int k = 0; k < 200; k++) {
        uint32_t constant = fad_program_constant(p, k);
        uint32_t n = p->n_instructions, n_numbered = p->n_numbered;
        sum = emit(p, FAD_OP_add, sum, constant);
        if (sum == FAD_NO_ID)
            return p->n_instructions == n && p->n_numbered == n_numbered ? -1 : 1;
    }
    return fad_program_add_output(p, sum);
}

static void
each_allocation_may_fail(void)
{
    int status = -1;
    unsigned long n = 1;
    for (; status != 0 && n < 100; n++) {
        fad_program p = {0}, q = {0};
        fad_text text = {0};
        fad_memory_fail_from(n);
        status = write_sum(&p);
        CHECK(status <= 0 && is_sound(&p) && p.n_outputs == (status == 0));
        if (status == 0) {
            status = fad_program_simplify(&p, &q);
            CHECK(status == 0 ? q.n_outputs == 1 : q.instructions == NULL);
        }
        if (status == 0) {
            status = fad_program_drop_dead(&q);
            CHECK(q.n_instructions == p.n_instructions && is_sound(&q));
        }
        fad_program_list(&q, &text);
        if (status == 0)
            status = text.failed ? -1 : 0;
        fad_memory_fail_from(0);
        CHECK(fad_program_input(&p) != FAD_NO_ID && emit(&p, FAD_OP_sin, 0, 0) > 0);
        CHECK(is_sound(&p));
        fad_text_free(&text);
        fad_program_free(&p);
        fad_program_free(&q);
    }
    CHECK(status == 0 && n > 20);
}

/* Near the end of memory a program grows by less. */
static void
a_program_grows_in_smaller_steps_to_the_end(void)
{
    static const uint32_t ends[] = {100, 1000, 1024, 5000, 77777};
    for (size_t k = 0; k < LENGTH(ends); k++) {
        fad_program p = {0};
        fad_memory_fail_above(ends[k] * sizeof(fad_instruction));
        while (fad_program_input(&p) != FAD_NO_ID)
            ;
        CHECK(p.n_instructions <= ends[k] && p.n_instructions > ends[k] - ends[k] / 8);
        fad_memory_fail_above(0);
        CHECK(fad_program_input(&p) != FAD_NO_ID && is_sound(&p));
        fad_program_free(&p);
    }
}

static void
parsing_survives_a_failure(void)
{
    unsigned long n = 1;
    for (; n < 10000; n += 7) {
        fad_memory_fail_from(n);
        if (fad_cells_parse() == 0)
            break;
    }
    CHECK(n > 300 && n < 10000);
}

/* ---- All of them ----------------------------------------------------------------- */

static const test tests[] = {
    TEST(parsing_survives_a_failure), /* the first: cells are parsed once */
    TEST(equal_instructions_are_one),
    TEST(what_was_emitted_is_copied),
    TEST(a_recording_stays_as_written),
    TEST(constants_fold),
    TEST(simplifying_keeps_every_bit),
    TEST(a_failed_argument_fails_the_formula),
    TEST(a_program_grows),
    TEST(programs_are_listed),
    TEST(doubles_are_listed_in_the_shortest_way),
    TEST(dropping_keeps_inputs_and_order),
    TEST(what_is_kept_stays),
    TEST(guards_are_numbered_in_their_order),
    TEST(equal_guards_are_one_and_constants_need_none),
    TEST(every_cell_is_one),
    TEST(cells_compute_what_c_computes),
    TEST(cells_know_steps),
    TEST(what_is_no_cell_is_refused),
    TEST(cells_are_read_as_python_reads_them),
    TEST(each_allocation_may_fail),
    TEST(a_program_grows_in_smaller_steps_to_the_end),
};

int
main(void)
{
    return run_tests(tests, LENGTH(tests));
}

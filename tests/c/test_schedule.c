/*
 * Schedules: what they promise, fusing, and that they give the bits of the plain replay.
 */
#include "check.h"
#include "fuse.h"
#include "replay.h"
#include "schedule.h"

enum { N_INPUTS = 5, LONG = 20000 };

static double values[LONG], slots[LONG];

/* A result that may be used: that of no guard. */
static uint32_t
result_from(const fad_program *p, uint32_t first)
{
    uint32_t id = first + random_below(p->n_instructions - first);
    while (fad_instruction_is_guard(&p->instructions[id]))
        id--;
    return id;
}

/* It fails rarely, so that the first to fail may stand anywhere. */
static void
record_random_guard(fad_program *p)
{
    uint32_t a = result_from(p, 0), b = result_from(p, 0);
    uint32_t op = random_below(8) > 0 ? FAD_GUARD_ne : FAD_GUARD_lt + random_below(4);
    fad_program_append_guard(p, op, a, b, op == FAD_GUARD_ne ? 1 : random_below(2));
}

/* Any operations on any numbers: nan is as good a result as another. */
static void
record_random(fad_program *p, uint32_t n_instructions)
{
    static const fad_opcode usual[] = {FAD_OP_add, FAD_OP_mul, FAD_OP_sub, FAD_OP_neg};
    for (int k = 0; k < N_INPUTS; k++)
        fad_program_input(p);
    while (p->n_instructions < n_instructions) {
        uint32_t n = p->n_instructions, near = n < 30 ? n : 30, op = random_below(FAD_N_OPS);
        if (random_below(3) > 0)
            op = usual[random_below(LENGTH(usual))];
        if (random_below(10) == 0)
            fad_program_append_constant(p, random_number());
        else if (random_below(10) == 0)
            record_random_guard(p);
        else
            fad_program_append(p, op, result_from(p, n - near), result_from(p, 0),
                               result_from(p, n - near));
    }
    for (int k = 0; k < 4; k++)
        fad_program_add_output(p, result_from(p, 0));
}

/* What schedule.h promises. */
static int
is_sound(const fad_schedule *s)
{
    uint32_t n_steps = 0, first_result = s->n_inputs + s->n_constants;
    for (uint32_t k = 0; k < s->n_runs; k++) {
        const fad_instruction of_run = {fad_run_op(&s->runs[k]), {0}};
        if (s->runs[k].n == 0 || of_run.op >= FAD_N_STEPS)
            return 0;
        if (k > 0 && s->runs[k].op == s->runs[k - 1].op && s->runs[k].op < FAD_N_STEPS)
            return 0;
        int arity = fad_instruction_arity(&of_run);
        for (uint32_t end = n_steps + s->runs[k].n; n_steps < end; n_steps++) {
            const fad_step *step = &s->steps[n_steps];
            if (!fad_instruction_is_guard(&of_run) &&
                (step->result < first_result || step->result >= s->n_slots))
                return 0;
            for (int argument = 0; argument < arity; argument++)
                if (step->args[argument] >= s->n_slots)
                    return 0;
        }
    }
    for (uint32_t k = 0; k < s->n_outputs; k++)
        if (s->outputs[k] >= s->n_slots)
            return 0;
    for (uint32_t k = 0; s->short_steps != NULL && k < s->n_steps; k++) {
        const fad_step *step = &s->steps[k];
        const fad_short_step *same = &s->short_steps[k];
        if (same->result != step->result || same->args[0] != step->args[0] ||
            same->args[1] != step->args[1] || same->args[2] != step->args[2])
            return 0;
    }
    return n_steps == s->n_steps;
}

/* So that a replay takes the long ones. */
static void
drop_short_steps(fad_schedule *s)
{
    fad_memory_free(s->short_steps);
    s->short_steps = NULL;
}

static void
check_random(uint32_t n_instructions)
{
    fad_program p = {0};
    fad_schedule s = {0};
    double point[N_INPUTS], expected[4], outputs[4];
    record_random(&p, n_instructions);
    CHECK(fad_schedule_make(&p, &s) == 0 && is_sound(&s));
    CHECK(s.n_inputs == N_INPUTS && s.n_outputs == 4 && s.n_slots <= p.n_instructions);
    CHECK(s.short_steps != NULL);
    for (int n = 0; n < 4; n++) {
        const double *inputs = n % 2 ? point : slots;
        for (int k = 0; k < N_INPUTS; k++)
            slots[k] = point[k] = random_number();
        uint32_t guard = fad_replay(&p, point, values, expected);
        CHECK(fad_replay_schedule(&s, inputs, slots, outputs) == guard);
        CHECK(memcmp(point, slots, sizeof point) == 0);
        for (int k = 0; k < 4; k++)
            CHECK(same(expected[k], outputs[k]));
        if (n == 1)
            drop_short_steps(&s);
    }
    fad_program_free(&p);
    fad_schedule_free(&s);
    CHECK(s.runs == NULL && s.n_slots == 0);
}

static void
a_schedule_gives_the_bits_of_the_replay(void)
{
    for (int n = 0; n < 2000 && !failed; n++)
        check_random(N_INPUTS + random_below(100));
    for (int n = 0; n < 20 && !failed; n++) /* several windows */
        check_random(LONG / 2 + random_below(LONG / 2));
}

/* The drawing of schedule.h. */
static void
equal_opcodes_run_together(void)
{
    fad_program p = {0};
    fad_schedule s = {0};
    double output;
    uint32_t x = fad_program_input(&p), y = fad_program_input(&p);
    uint32_t three = fad_program_constant(&p, 3.0);
    uint32_t a = fad_program_append(&p, FAD_OP_mul, x, three, 0);
    uint32_t b = fad_program_append(&p, FAD_OP_sin, a, 0, 0);
    uint32_t c = fad_program_append(&p, FAD_OP_mul, x, y, 0);
    uint32_t d = fad_program_append(&p, FAD_OP_sin, c, 0, 0);
    fad_program_add_output(&p, fad_program_append(&p, FAD_OP_add, b, d, 0));
    CHECK(fad_schedule_make(&p, &s) == 0 && is_sound(&s));
    CHECK(s.n_runs == 3 && s.runs[0].op == FAD_OP_mul && s.runs[0].n == 2);
    CHECK(s.runs[1].op == FAD_OP_sin && s.runs[1].n == 2 && s.runs[2].op == FAD_OP_add);
    CHECK(s.n_slots == 5 && s.n_constants == 1 && s.constants[0] == 3.0);
    fad_replay_schedule(&s, (double[]){0.5, 2.0}, slots, &output);
    CHECK(output == sin(1.5) + sin(1.0));
    fad_program_free(&p);
    fad_schedule_free(&s);
}

static void
a_long_chain_needs_few_slots(void)
{
    fad_program p = {0};
    fad_schedule s = {0};
    uint32_t x = fad_program_input(&p), y = x;
    for (int k = 0; k < LONG; k++)
        y = fad_program_append(&p, k % 2 ? FAD_OP_sin : FAD_OP_hypot, y, x, 0);
    fad_program_add_output(&p, y);
    CHECK(fad_schedule_make(&p, &s) == 0 && is_sound(&s));
    CHECK(s.n_steps == LONG && s.n_slots == 2);
    fad_program_free(&p);
    fad_schedule_free(&s);
}

static void
many_slots_need_long_steps(void)
{
    enum { N = UINT16_MAX };
    static double inputs[N], many[2 * N], outputs[N];
    fad_program p = {0};
    fad_schedule s = {0};
    for (uint32_t k = 0; k < N; k++)
        inputs[k] = fad_program_input(&p);
    for (uint32_t k = 0; k < N; k++)
        fad_program_add_output(&p, fad_program_append(&p, FAD_OP_neg, k, 0, 0));
    CHECK(fad_schedule_make(&p, &s) == 0 && is_sound(&s));
    CHECK(s.short_steps == NULL && s.n_slots > UINT16_MAX && s.n_slots <= 2 * N);
    fad_replay_schedule(&s, inputs, many, outputs);
    for (uint32_t k = 0; k < N; k++)
        CHECK(outputs[k] == -inputs[k]);
    fad_program_free(&p);
    fad_schedule_free(&s);
}

static const uint32_t linkable[] = {FAD_OP_add, FAD_OP_sub, FAD_OP_mul, FAD_OP_muladd,
                                    FAD_OP_mulsub};

/* Of that kind, with y where a chain goes by it; turned: with the arguments changed. */
static uint32_t
append_link(fad_program *p, uint32_t op, uint32_t y, uint32_t x, uint32_t z, int turned)
{
    if (op == FAD_OP_muladd || op == FAD_OP_mulsub)
        return fad_program_append(p, op, x, z, y);
    if (turned && (op == FAD_OP_add || op == FAD_OP_mul))
        return fad_program_append(p, op, z, y, 0);
    return fad_program_append(p, op, y, z, 0);
}

/* Chains of each kind, one or two of different lengths, with the argument on either side, and
   what hangs on them.  expected_run: the first; 0: any. */
static void
check_chains(uint32_t op, uint32_t n_first, uint32_t n_second, uint32_t expected_run)
{
    enum { MANY = 200 };
    fad_program p = {0};
    fad_schedule s = {0};
    const double point[] = {0.75, 1.01, 1.5};
    double expected[MANY], outputs[MANY];
    uint32_t x = fad_program_input(&p), z = fad_program_input(&p), y = x;
    uint32_t w = fad_program_input(&p);
    for (uint32_t n = 0; n < n_first; n++) {
        y = append_link(&p, op, y, x, z, n % 2);
        fad_program_add_output(&p, fad_program_append(&p, op, z, y, x));
    }
    for (uint32_t n = 0; n < n_second; n++) {
        w = append_link(&p, op, w, z, x, n % 3 == 0);
        fad_program_add_output(&p, fad_program_append(&p, op, x, w, z));
    }
    CHECK(p.n_outputs <= MANY);
    CHECK(fad_schedule_make(&p, &s) == 0 && is_sound(&s));
    CHECK(expected_run == 0 || s.runs[0].op == expected_run);
    fad_replay(&p, point, values, expected);
    for (int is_long = 0; is_long < 2; is_long++) {
        fad_replay_schedule(&s, point, slots, outputs);
        CHECK(memcmp(expected, outputs, p.n_outputs * sizeof *outputs) == 0);
        drop_short_steps(&s);
    }
    fad_program_free(&p);
    fad_schedule_free(&s);
}

static void
chains_go_by_a_register(void)
{
    for (uint32_t k = 0; k < LENGTH(linkable); k++) {
        check_chains(linkable[k], 40, 0, FAD_CHAIN_add + k);
        check_chains(linkable[k], 3, 0, linkable[k]);
    }
}

static void
two_chains_go_in_turns(void)
{
    for (uint32_t k = 0; k < LENGTH(linkable); k++) {
        check_chains(linkable[k], 40, 40, FAD_TWINS_add + k);
        check_chains(linkable[k], 41, 40, FAD_TWINS_add + k);
        check_chains(linkable[k], 40, 42, 0);
        check_chains(linkable[k], 60, 20, 0);
    }
}

/* Long runs of one opcode whose arguments are mostly, but not always, those of a chain or two. */
static void
tangled_chains_give_the_same_bits(void)
{
    enum { N = 150 };
    double expected[8], outputs[8];
    uint32_t n_special = 0;
    for (int n = 0; n < 3000 && !failed; n++) {
        fad_program p = {0};
        fad_schedule s = {0};
        const double point[] = {random_number(), random_number(), 1.0, 1.0 + 1e-9};
        const uint32_t op = linkable[random_below(LENGTH(linkable))];
        const uint32_t distance = 1 + random_below(2), rarely = 5 + random_below(300);
        for (int k = 0; k < 4; k++)
            fad_program_input(&p);
        while (p.n_instructions < N) {
            uint32_t y = p.n_instructions - distance, x = random_below(p.n_instructions);
            if (random_below(rarely) == 0)
                y = random_below(p.n_instructions);
            if (random_below(4) > 0)
                x = random_below(4);
            append_link(&p, op, y, x, random_below(4), (int)random_below(2));
        }
        for (uint32_t k = 0; k < 8; k++)
            fad_program_add_output(&p, N - 1 - k * random_below(N / 8));
        CHECK(fad_schedule_make(&p, &s) == 0 && is_sound(&s));
        for (uint32_t k = 0; k < s.n_runs; k++)
            n_special += s.runs[k].op > FAD_N_STEPS;
        fad_replay(&p, point, values, expected);
        fad_replay_schedule(&s, point, slots, outputs);
        for (uint32_t k = 0; k < 8; k++)
            CHECK(same(expected[k], outputs[k]));
        fad_program_free(&p);
        fad_schedule_free(&s);
    }
    CHECK(n_special > 1000);
}

/* Among other powers; squares that glibc rounds otherwise than x*x are among these. */
static void
squares_have_the_bits_of_pow(void)
{
    enum { N = 2000 };
    fad_program p = {0};
    fad_schedule s = {0};
    static double inputs[N], outputs[N];
    uint32_t n_squares = 0;
    for (uint32_t k = 0; k < N; k++)
        fad_program_input(&p);
    uint32_t two = fad_program_constant(&p, 2.0), three = fad_program_constant(&p, 3.0);
    for (uint32_t k = 0; k < N; k++) {
        inputs[k] = k < 1000 ? random_number() : ldexp(random_number(), (int)k % 200 - 100);
        uint32_t exponent = k % 100 == 50 ? three : two;
        fad_program_add_output(&p, fad_program_append(&p, FAD_OP_pow, k, exponent, 0));
    }
    CHECK(fad_schedule_make(&p, &s) == 0 && is_sound(&s));
    for (uint32_t k = 0; k < s.n_runs; k++)
        n_squares += s.runs[k].op == FAD_SQUARES ? s.runs[k].n : 0;
    CHECK(n_squares == N - N / 100);
    for (int is_long = 0; is_long < 2; is_long++) {
        fad_replay_schedule(&s, inputs, slots, outputs);
        for (uint32_t k = 0; k < N; k++)
            CHECK(same(outputs[k], pow(inputs[k], k % 100 == 50 ? 3.0 : 2.0)));
        drop_short_steps(&s);
    }
    fad_program_free(&p);
    fad_schedule_free(&s);
}

static void
outputs_may_be_anything(void)
{
    fad_program p = {0};
    fad_schedule s = {0};
    double outputs[5];
    uint32_t x = fad_program_input(&p), y = fad_program_input(&p);
    uint32_t root = fad_program_append(&p, FAD_OP_sqrt, y, 0, 0);
    fad_program_add_output(&p, y);
    fad_program_add_output(&p, fad_program_constant(&p, 7.0));
    fad_program_add_output(&p, root);
    fad_program_add_output(&p, fad_program_append(&p, FAD_OP_exp, root, 0, 0));
    fad_program_add_output(&p, root);
    fad_program_append(&p, FAD_OP_sin, x, 0, 0); /* dead */
    CHECK(fad_schedule_make(&p, &s) == 0 && is_sound(&s) && s.n_steps == 2);
    fad_replay_schedule(&s, (double[]){1.0, 4.0}, slots, outputs);
    CHECK(outputs[0] == 4.0 && outputs[1] == 7.0 && outputs[2] == 2.0);
    CHECK(outputs[3] == exp(2.0) && outputs[4] == 2.0);
    fad_schedule_free(&s);
    fad_program_free(&p);
    CHECK(fad_schedule_make(&p, &s) == 0 && s.n_slots == 0 && s.n_runs == 0);
    fad_replay_schedule(&s, outputs, slots, outputs + 1);
    fad_schedule_free(&s);
}

/* ---- Fusing ---------------------------------------------------------------------- */

/* The opcode that an instruction has after fusing. */
static uint32_t
fused(fad_program *p, uint32_t id)
{
    fad_program_add_output(p, id);
    return fad_program_fuse(p) == 0 ? p->instructions[id].op : FAD_N_OPS;
}

static void
products_and_negations_fuse(void)
{
    enum { X, Y, Z, PRODUCT, NEGATED }; /* ids: of the inputs, of x*y, and of -(x*y) or -z */
    static const struct {
        uint32_t negates; /* what NEGATED is the neg of; 0: there is none */
        uint32_t op, a, b;
        uint32_t expected;
    } cases[] = {
        {0, FAD_OP_add, PRODUCT, Z, FAD_OP_muladd},
        {0, FAD_OP_add, Z, PRODUCT, FAD_OP_muladd},
        {0, FAD_OP_sub, Z, PRODUCT, FAD_OP_mulsub},
        {0, FAD_OP_sub, PRODUCT, Z, FAD_OP_sub},
        {0, FAD_OP_add, PRODUCT, PRODUCT, FAD_OP_add},
        {PRODUCT, FAD_OP_add, NEGATED, Z, FAD_OP_mulsub},
        {PRODUCT, FAD_OP_add, Z, NEGATED, FAD_OP_mulsub},
        {Z, FAD_OP_add, X, NEGATED, FAD_OP_sub},
        {Z, FAD_OP_sub, X, NEGATED, FAD_OP_add},
        {Z, FAD_OP_sub, NEGATED, X, FAD_OP_sub},
    };
    for (size_t k = 0; k < LENGTH(cases); k++) {
        fad_program p = {0};
        for (int n = 0; n < 3; n++)
            fad_program_input(&p);
        fad_program_append(&p, FAD_OP_mul, X, Y, 0);
        if (cases[k].negates != 0)
            fad_program_append(&p, FAD_OP_neg, cases[k].negates, 0, 0);
        uint32_t id = fad_program_append(&p, cases[k].op, cases[k].a, cases[k].b, 0);
        CHECK(fused(&p, id) == cases[k].expected);
        fad_program_free(&p);
    }
}

/* -x or -y or both, times the other, and z plus or minus that. */
static void
signs_leave_products(void)
{
    enum { X, Y, Z };
    for (int negates = 0; negates < 4; negates++)
        for (int subtracts = 0; subtracts < 2; subtracts++) {
            fad_program p = {0};
            const double point[] = {3.0, 5.0, 7.0};
            double output, expected;
            for (int n = 0; n < 3; n++)
                fad_program_input(&p);
            uint32_t a = negates & 1 ? fad_program_append(&p, FAD_OP_neg, X, 0, 0) : X;
            uint32_t b = negates & 2 ? fad_program_append(&p, FAD_OP_neg, Y, 0, 0) : Y;
            uint32_t id = fad_program_append(&p, FAD_OP_mul, a, b, 0);
            id = fad_program_append(&p, subtracts ? FAD_OP_sub : FAD_OP_add, Z, id, 0);
            fad_program_add_output(&p, id);
            fad_replay(&p, point, values, &expected);
            const int is_minus = (negates == 1 || negates == 2) ^ subtracts;
            CHECK(fad_program_fuse(&p) == 0);
            CHECK(p.instructions[id].op == (is_minus ? FAD_OP_mulsub : FAD_OP_muladd));
            CHECK(p.instructions[id].args[0] == X && p.instructions[id].args[1] == Y);
            fad_replay(&p, point, values, &output);
            CHECK(output == expected);
            fad_program_free(&p);
        }
}

static void
what_is_used_again_is_not_fused(void)
{
    fad_program p = {0};
    uint32_t x = fad_program_input(&p), y = fad_program_input(&p);
    uint32_t product = fad_program_append(&p, FAD_OP_mul, x, y, 0);
    uint32_t sum = fad_program_append(&p, FAD_OP_add, product, y, 0);
    fad_program_add_output(&p, product);
    CHECK(fused(&p, sum) == FAD_OP_add);
    fad_program_free(&p);
}

/* ---- Memory ---------------------------------------------------------------------- */

static void
each_allocation_may_fail(void)
{
    fad_program p = {0};
    int status = -1;
    unsigned long n = 1;
    record_random(&p, 200);
    for (; status < 0 && n < 100; n++) {
        fad_schedule s = {0};
        fad_memory_fail_from(n);
        status = fad_schedule_make(&p, &s);
        fad_memory_fail_from(0);
        CHECK(status == 0 ? is_sound(&s) : s.steps == NULL && s.n_slots == 0);
        fad_schedule_free(&s);
    }
    CHECK(status == 0 && n > 10 && p.n_instructions == 200);
    fad_program_free(&p);
}

/* ---- All of them ----------------------------------------------------------------- */

static const test tests[] = {
    TEST(a_schedule_gives_the_bits_of_the_replay),
    TEST(equal_opcodes_run_together),
    TEST(a_long_chain_needs_few_slots),
    TEST(many_slots_need_long_steps),
    TEST(chains_go_by_a_register),
    TEST(two_chains_go_in_turns),
    TEST(tangled_chains_give_the_same_bits),
    TEST(squares_have_the_bits_of_pow),
    TEST(outputs_may_be_anything),
    TEST(products_and_negations_fuse),
    TEST(signs_leave_products),
    TEST(what_is_used_again_is_not_fused),
    TEST(each_allocation_may_fail),
};

int
main(void)
{
    return run_tests(tests, LENGTH(tests));
}

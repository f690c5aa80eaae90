/* Programs as bytes: they come back as they were, and any bytes will do. */
#include "check.h"
#include "encode.h"

enum { N_INSTRUCTIONS = 60, N_OUTPUTS = 5, N_KEPT = 4, N_PLACES = 3 };
enum {
    N_BYTES = N_INSTRUCTIONS * FAD_INSTRUCTION_BYTES + (N_OUTPUTS + N_KEPT) * FAD_ID_BYTES
};

static uint32_t kinds[FAD_N_KINDS], ops[FAD_N_KINDS];
static unsigned char bytes[N_BYTES];

static const fad_frame frame = {
    .n_instructions = N_INSTRUCTIONS,
    .n_outputs = N_OUTPUTS,
    .n_kept = N_KEPT,
    .n_kinds = FAD_N_KINDS,
    .ops = ops,
    .n_places = N_PLACES,
};

/* A table of operations as another version might have it. */
static void
shuffle_kinds(void)
{
    for (uint32_t op = 0; op < FAD_N_KINDS; op++)
        ops[op] = op;
    for (uint32_t k = FAD_N_KINDS; k-- > 1;) {
        uint32_t other = random_below(k + 1), op = ops[k];
        ops[k] = ops[other];
        ops[other] = op;
    }
    for (uint32_t kind = 0; kind < FAD_N_KINDS; kind++)
        kinds[ops[kind]] = kind;
}

static uint32_t
random_result(const fad_program *p)
{
    uint32_t id = random_below(p->n_instructions);
    while (fad_instruction_is_guard(&p->instructions[id]))
        id--;
    return id;
}

static void
record_random(fad_program *p)
{
    fad_program_input(p);
    while (p->n_instructions < N_INSTRUCTIONS) {
        uint32_t a = random_result(p), b = random_result(p), c = random_result(p);
        uint32_t op = random_below(FAD_N_KINDS);
        if (op == FAD_INPUT)
            fad_program_input(p);
        else if (op == FAD_CONSTANT)
            fad_program_append_constant(p, random_number());
        else if (op < FAD_N_OPS)
            fad_program_append(p, op, a, b, c);
        else
            fad_program_append_guard(p, op, a, b, random_below(2 * N_PLACES));
    }
    for (int k = 0; k < N_OUTPUTS; k++)
        fad_program_add_output(p, random_result(p));
    for (int k = 0; k < N_KEPT; k++)
        fad_program_keep(p, random_result(p));
}

static int
are_same(const fad_program *p, const fad_program *q)
{
    return p->n_instructions == q->n_instructions && p->n_inputs == q->n_inputs &&
           p->n_outputs == q->n_outputs && p->n_kept == q->n_kept &&
           memcmp(p->instructions, q->instructions,
                  p->n_instructions * sizeof *p->instructions) == 0 &&
           memcmp(p->outputs, q->outputs, p->n_outputs * sizeof *p->outputs) == 0 &&
           memcmp(p->kept, q->kept, p->n_kept * sizeof *p->kept) == 0;
}

static int
are_results(const fad_program *p, const uint32_t *ids, uint32_t n, uint32_t before)
{
    for (uint32_t k = 0; k < n; k++)
        if (ids[k] >= before || fad_instruction_is_guard(&p->instructions[ids[k]]))
            return 0;
    return 1;
}

/* What program.h promises. */
static int
is_sound(const fad_program *p)
{
    uint32_t n_inputs = 0;
    for (uint32_t id = 0; id < p->n_instructions; id++) {
        const fad_instruction *i = &p->instructions[id];
        if (i->op == FAD_INPUT && i->args[0] != n_inputs++)
            return 0;
        if (!are_results(p, i->args, (uint32_t)fad_instruction_arity(i), id))
            return 0;
    }
    return n_inputs == p->n_inputs &&
           are_results(p, p->outputs, p->n_outputs, p->n_instructions) &&
           are_results(p, p->kept, p->n_kept, p->n_instructions);
}

static void
programs_come_back(void)
{
    for (int n = 0; n < 200; n++) {
        fad_program p = {0}, q = {0};
        fad_fault fault;
        shuffle_kinds();
        record_random(&p);
        fad_program_encode(&p, kinds, bytes);
        CHECK(fad_program_decode(&q, &frame, bytes, &fault) == 0);
        CHECK(are_same(&p, &q));
        fad_program_free(&p);
        fad_program_free(&q);
    }
}

static void
numbers_have_their_lowest_byte_first(void)
{
    fad_program p = {0};
    uint32_t x = fad_program_input(&p);
    for (uint32_t op = 0; op < FAD_N_KINDS; op++)
        kinds[op] = 0x01020304;
    fad_program_add_output(&p, x);
    fad_program_encode(&p, kinds, bytes);
    CHECK(memcmp(bytes, "\4\3\2\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20) == 0);
    fad_program_free(&p);
}

static void
damaged_bytes_are_refused_or_sound(void)
{
    int n_refused = 0, n_read = 0;
    for (int n = 0; n < 20000; n++) {
        fad_program p = {0}, q = {0};
        fad_fault fault = {0};
        if (n % 100 == 0) {
            shuffle_kinds();
            record_random(&p);
            fad_program_encode(&p, kinds, bytes);
            fad_program_free(&p);
        }
        uint32_t place = random_below(N_BYTES);
        unsigned char before = bytes[place];
        bytes[place] = (unsigned char)(random_below(4) > 0 ? random_below(70) : 255);
        int status = fad_program_decode(&q, &frame, bytes, &fault);
        bytes[place] = before;
        n_refused += status == 1;
        n_read += status == 0;
        CHECK(status == 0 || (status == 1 && fault.problem != NULL && fault.place != NULL));
        CHECK(status == 0 || (q.instructions == NULL && q.kept == NULL));
        CHECK(is_sound(&q));
        fad_program_free(&q);
    }
    CHECK(n_refused > 1000 && n_read > 1000);
}

static void
faults_are_named(void)
{
    static const struct {
        uint32_t numbers[4 * 3 + 1]; /* three instructions and an output */
        const char *place;
        uint32_t number;
    } cases[] = {
        {{FAD_INPUT, 0, 0, 0, FAD_OP_sin, 0, 0, 0, FAD_OP_add, 1, 0, 0, 2}, NULL, 0},
        {{FAD_INPUT, 1, 0, 0, FAD_OP_sin, 0, 0, 0, FAD_OP_add, 1, 0, 0, 2}, "instruction", 0},
        {{FAD_INPUT, 0, 1, 0, FAD_OP_sin, 0, 0, 0, FAD_OP_add, 1, 0, 0, 2}, "instruction", 0},
        {{FAD_CONSTANT, 0, 1, 1, FAD_OP_sin, 0, 0, 0, FAD_OP_add, 1, 0, 0, 2}, "instruction", 0},
        {{FAD_INPUT, 0, 0, 0, FAD_OP_sin, 1, 0, 0, FAD_OP_add, 1, 0, 0, 2}, "instruction", 1},
        {{FAD_INPUT, 0, 0, 0, FAD_OP_sin, 0, 1, 0, FAD_OP_add, 1, 0, 0, 2}, "instruction", 1},
        {{FAD_INPUT, 0, 0, 0, FAD_OP_sin, 0, 0, 0, FAD_OP_add, 1, 2, 0, 2}, "instruction", 2},
        {{FAD_INPUT, 0, 0, 0, FAD_N_KINDS, 0, 0, 0, FAD_OP_add, 1, 0, 0, 2}, "instruction", 1},
        {{FAD_INPUT, 0, 0, 0, FAD_GUARD_lt, 0, 0, 5, FAD_OP_sin, 0, 0, 0, 2}, NULL, 0},
        {{FAD_INPUT, 0, 0, 0, FAD_GUARD_lt, 0, 0, 6, FAD_OP_sin, 0, 0, 0, 2}, "instruction", 1},
        {{FAD_INPUT, 0, 0, 0, FAD_GUARD_lt, 0, 0, 5, FAD_OP_sin, 1, 0, 0, 2}, "instruction", 2},
        {{FAD_INPUT, 0, 0, 0, FAD_GUARD_lt, 0, 0, 5, FAD_OP_sin, 0, 0, 0, 1}, "output", 0},
        {{FAD_INPUT, 0, 0, 0, FAD_OP_sin, 0, 0, 0, FAD_OP_add, 1, 0, 0, 3}, "output", 0},
    };
    const fad_frame small = {3, 1, 0, FAD_N_KINDS, ops, N_PLACES};
    for (uint32_t op = 0; op < FAD_N_KINDS; op++)
        ops[op] = op;
    for (size_t n = 0; n < LENGTH(cases); n++) {
        fad_program p = {0};
        fad_fault fault;
        for (int k = 0; k < 13; k++)
            for (int byte = 0; byte < 4; byte++)
                bytes[4 * k + byte] = (unsigned char)(cases[n].numbers[k] >> 8 * byte);
        CHECK(fad_program_decode(&p, &small, bytes, &fault) == (cases[n].place != NULL));
        if (cases[n].place != NULL)
            CHECK(strcmp(fault.place, cases[n].place) == 0 && fault.number == cases[n].number);
        fad_program_free(&p);
    }
}

static void
without_memory_nothing_is_left(void)
{
    fad_program p = {0}, q = {0};
    fad_fault fault;
    shuffle_kinds();
    record_random(&p);
    fad_program_encode(&p, kinds, bytes);
    for (unsigned long n = 1; n <= 3; n++) {
        fad_memory_fail_from(n);
        CHECK(fad_program_decode(&q, &frame, bytes, &fault) == -1);
        CHECK(q.instructions == NULL && q.outputs == NULL && q.kept == NULL);
    }
    fad_memory_fail_from(0);
    CHECK(fad_program_decode(&q, &frame, bytes, &fault) == 0 && are_same(&p, &q));
    fad_program_free(&p);
    fad_program_free(&q);
}

static const test tests[] = {
    TEST(programs_come_back),
    TEST(numbers_have_their_lowest_byte_first),
    TEST(damaged_bytes_are_refused_or_sound),
    TEST(faults_are_named),
    TEST(without_memory_nothing_is_left),
};

int
main(void)
{
    return run_tests(tests, LENGTH(tests));
}

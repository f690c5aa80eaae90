/*
 * The instruction sets: which there are.
 */
#include "check.h"

#include "sets.h"

static void
the_best_set_is_there(void)
{
    int set = 0;
    CHECK(strcmp(fad_set_name(0), "plain") == 0 && fad_has_set(0));
    while (fad_set_name(set) != NULL)
        set++;
    CHECK(fad_set_name(-1) == NULL);
    CHECK(!fad_has_set(set) && !fad_has_set(-1));
    CHECK(fad_best_set() < set && fad_has_set(fad_best_set()));
}

static const test tests[] = {
    TEST(the_best_set_is_there),
};

int
main(void)
{
    return run_tests(tests, LENGTH(tests));
}

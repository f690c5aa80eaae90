/*
 * The control for the backward sweep: multiply-adds in memory, each of which reads what the
 * one before it has just written, as an adjoint does.
 *
 *   sweep_control N REPEAT     prints the seconds of N of them, REPEAT times
 *
 * It knows nothing of fastad; figures.py compiles it with the core's flags and runs it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double
seconds(void)
{
    struct timespec t;
    timespec_get(&t, TIME_UTC);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int
main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    long n = atol(argv[1]);
    volatile double m[8] = {1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0};
    const double c = 1e-9;

    for (int repeat = atoi(argv[2]); repeat > 0; repeat--) {
        double start = seconds();
        for (long i = 1; i <= n; i++) {
            long j = i - 1;
            m[i & 7] += c * m[j & 7];
        }
        printf("%.9f\n", seconds() - start);
    }
    return 0;
}

/*
 * A growing text: what listings and exports of programs are written into.
 */
#ifndef FAD_TEXT_H
#define FAD_TEXT_H

#include <stddef.h>

/* All zero is the empty text.  A failure of memory ends it: it stays as it was, and whatever
   is added afterwards is ignored, so that a writer asks once, at the end. */
typedef struct {
    char *chars; /* n of them and a final zero byte; NULL while empty */
    size_t n, capacity;
    int failed;
} fad_text;

void fad_text_free(fad_text *text);

/* What printf would print; fewer than 256 characters. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void fad_text_print(fad_text *text, const char *format, ...);

/* The shortest digits that read back as the same double, with a point in every locale. */
void fad_text_print_double(fad_text *text, double x);

#endif

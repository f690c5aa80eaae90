#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"

enum { LONGEST = 256 };

void
fad_text_free(fad_text *text)
{
    fad_memory_free(text->chars);
    *text = (fad_text){0};
}

static void
add(fad_text *text, const char *chars, size_t n)
{
    if (text->failed)
        return;
    if (text->n + n + 1 > text->capacity) {
        size_t capacity = 2 * (text->n + n + 1);
        char *grown = fad_memory_resize(text->chars, capacity);
        if (grown == NULL) {
            text->failed = 1;
            return;
        }
        text->chars = grown;
        text->capacity = capacity;
    }
    memcpy(text->chars + text->n, chars, n);
    text->n += n;
    text->chars[text->n] = 0;
}

void
fad_text_print(fad_text *text, const char *format, ...)
{
    char line[LONGEST];
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    add(text, line, n < 0 ? 0 : n < LONGEST ? (size_t)n : LONGEST - 1);
}

/* A locale's decimal point may be a comma, or several bytes. */
static void
use_a_point(char *digits)
{
    size_t n = strspn(digits, "+-0123456789einfa.");
    if (digits[n] == 0)
        return;
    size_t n_point = strcspn(digits + n, "0123456789e");
    digits[n] = '.';
    memmove(digits + n + 1, digits + n + n_point, strlen(digits + n + n_point) + 1);
}

void
fad_text_print_double(fad_text *text, double x)
{
    char digits[64];
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, x);
        if (strtod(digits, NULL) == x)
            break;
    }
    if (x != x)
        strcpy(digits, "nan"); /* without a sign */
    use_a_point(digits);
    add(text, digits, strlen(digits));
}

/* Text built piece by piece into the caller's buffer, cut where it is full, with the length that it would have had. */
#ifndef CX_BASE_TEXT_H
#define CX_BASE_TEXT_H

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

typedef struct cx_text {
    char *buffer;
    size_t capacity, length;
} cx_text;

static inline cx_text cx_text_begin(char *buffer, size_t capacity) {
    if (capacity) buffer[0] = 0;
    return (cx_text){buffer, capacity, 0};
}

__attribute__((format(printf, 2, 3))) static inline void cx_text_add(cx_text *text, const char *format, ...) {
    const size_t at = text->length < text->capacity ? text->length : text->capacity;
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(text->capacity ? text->buffer + at : NULL, text->capacity - at, format, arguments);
    va_end(arguments);
    if (length > 0) text->length += (size_t)length;
}

#endif

/* Reading a small text file (of /proc or /sys) into the caller's buffer, without stdio and its allocations. */
#ifndef CX_BASE_SMALL_FILE_H
#define CX_BASE_SMALL_FILE_H

#include <stddef.h>

#ifdef __linux__
#include <fcntl.h>
#include <unistd.h>

/* The length read, at most capacity - 1, zero-terminated; 0 when the file cannot be read. */
static inline size_t cx_read_small_file(const char *path, char *text, size_t capacity) {
    text[0] = '\0';
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    size_t length = 0;
    while (length + 1 < capacity) {
        ssize_t got = read(file, text + length, capacity - 1 - length);
        if (got <= 0) break;
        length += (size_t)got;
    }
    close(file);
    text[length] = '\0';
    return length;
}
#endif

#endif

/* What the code under test writes to stderr, as text. */
#ifndef LEAT_TEST_CAPTURE_STDERR_H
#define LEAT_TEST_CAPTURE_STDERR_H

#include <stdio.h>
#include <unistd.h>

struct capture_stderr {
    FILE *file;
    int saved_fd;
};

static inline struct capture_stderr capture_stderr_begin(void)
{
    struct capture_stderr capture = {tmpfile(), dup(STDERR_FILENO)};
    assert_non_null(capture.file);
    assert_true(capture.saved_fd >= 0 && dup2(fileno(capture.file), STDERR_FILENO) >= 0);
    return capture;
}

/* Puts stderr back; text is cut to fit and ends with a zero. */
static inline size_t capture_stderr_end(struct capture_stderr *capture, char *text, size_t size)
{
    dup2(capture->saved_fd, STDERR_FILENO);
    close(capture->saved_fd);
    rewind(capture->file);
    size_t len = fread(text, 1, size - 1, capture->file);
    text[len] = '\0';
    fclose(capture->file);
    return len;
}

#endif

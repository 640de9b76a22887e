/* Preloaded before libc: what writes below a folder is counted, and from a chosen one on the disk fails. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static char folder[PATH_MAX];
static volatile long *count; /* shared with whoever waits for this process */
static long at;              /* number of the first write that fails, from 1; 0: none */
static int kind, again;      /* errno, 0: kill; whether later writes fail as well */

void fault_arm(const char *below, volatile long *counter, long number, int error, int stays) {
    strncpy(folder, below, sizeof folder - 1);
    count = counter, at = number, kind = error, again = stays;
}

static int below(const char *path) {
    size_t length = strlen(folder);
    return length && !strncmp(path, folder, length) && (path[length] == '/' || !path[length]);
}

static int path_below(const char *path) {
    char whole[2 * PATH_MAX], here[PATH_MAX];
    if (!count || !path) return 0;
    if (path[0] == '/') return below(path);
    if (!getcwd(here, sizeof here)) return 0;
    snprintf(whole, sizeof whole, "%s/%s", here, path);
    return below(whole);
}

static int file_below(int file) {
    char link[64], path[PATH_MAX];
    if (!count) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return below(path);
}

/* Counts a write; returns 1 if it is to fail. */
static int fails(void) {
    long number = __sync_add_and_fetch(count, 1);
    return at && (number == at || (again && number > at));
}

static int refuse(void) {
    if (!kind) kill(getpid(), SIGKILL);
    errno = kind;
    return -1;
}

#define REAL(name, ...) static __typeof__(name) *real; if (!real) real = dlsym(RTLD_NEXT, #name)

ssize_t write(int file, const void *data, size_t size) {
    REAL(write);
    if (!file_below(file) || !fails()) return real(file, data, size);
    if (*count == at && size > 1) { /* a torn write: the first half is on the disk */
        ssize_t done = real(file, data, size / 2);
        if (!kind) refuse();
        return kind == EIO ? refuse() : done;
    }
    return refuse();
}

ssize_t writev(int file, const struct iovec *parts, int number) {
    REAL(writev);
    return file_below(file) && fails() ? refuse() : real(file, parts, number);
}

#define OPENS(name)                                                             \
    int name(const char *path, int flags, ...) {                                \
        REAL(name);                                                             \
        va_list more;                                                           \
        va_start(more, flags);                                                  \
        mode_t mode = va_arg(more, mode_t);                                     \
        va_end(more);                                                           \
        int writes = flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC);           \
        return writes && path_below(path) && fails() ? refuse() : real(path, flags, mode); \
    }
OPENS(open)
OPENS(open64)

#define FOPENS(name)                                                            \
    FILE *name(const char *path, const char *mode) {                            \
        REAL(name);                                                             \
        if (strpbrk(mode, "wa+") && path_below(path) && fails()) return refuse(), (FILE *)0; \
        return real(path, mode);                                                \
    }
FOPENS(fopen)
FOPENS(fopen64)

int rename(const char *from, const char *to) {
    REAL(rename);
    return path_below(to) && fails() ? refuse() : real(from, to);
}

int fsync(int file) {
    REAL(fsync);
    return file_below(file) && fails() ? refuse() : real(file);
}

int mkdir(const char *path, mode_t mode) {
    REAL(mkdir);
    return path_below(path) && fails() ? refuse() : real(path, mode);
}

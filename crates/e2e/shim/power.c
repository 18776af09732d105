/* Which bytes would be on the disk if the power failed now?
 *
 * Preloaded into the server. Every write below the data directory goes to its file as usual, which stands for the
 * page cache. Only what is synced is copied to the shadow, which stands for the disk:
 *
 *   SHADOW/inodes/<inode>   the content of a file, as of its last fsync
 *   SHADOW/dirs/<inode>     the entries of a directory, as of its last fsync: "f|d <inode> <name>" a line
 *   SHADOW/pins/<inode>     a link to a file that was unlinked, so that its number is not used again
 *   SHADOW/clean            there while the shadow is equal to the data; taken away at the start
 *
 * It is strict: an fsync of a new file does not make its name durable, only one of its directory does.
 *
 * The test and the shim share one small file of counts and commands, mapped into memory, see struct control. It can
 * make the disk full, and it can make an fsync fail as Linux does since 4.13: what was not written is dropped from
 * what a later fsync would write, and each open file of that inode hears of the failure once.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define INODES_MAX 512
#define RANGES_MAX 256
#define FILES_MAX 65536
/* Every so many syncs the whole file is held against its shadow. */
#define COMPARE_EVERY 16
#define NOT_CUT INT64_MAX

enum { FULL_NO = 0, FULL_GROWTH = 1, FULL_ALL = 2 };

/* As the test reads and writes it: numbers of 8 bytes, then a name. */
struct control {
    _Atomic uint64_t writes;         /* to files of the data */
    _Atomic uint64_t syncs;          /* of files */
    _Atomic uint64_t directory_syncs;
    _Atomic uint64_t bytes_synced;   /* copied to the shadow */
    _Atomic uint64_t refused;        /* for want of space */
    _Atomic uint64_t failed_syncs;
    _Atomic uint64_t compared;       /* files that were held against their shadow */
    _Atomic uint64_t missed;         /* of those, how many differed: a write went past the shim */
    _Atomic uint64_t full;           /* command: FULL_… */
    _Atomic uint64_t fail_next_sync; /* command: the next fsync of the file of that name fails; then 0 */
    _Atomic uint64_t sync_micros;    /* command: how long the disk takes for a sync */
    char fail_name[64];
};

struct inode {
    dev_t dev;
    ino_t number;
    int is_directory;
    int is_mapped;   /* written through memory: all of it may be dirty */
    int is_unknown;  /* what is dirty is not known: all of it */
    int reader;      /* our own descriptor; never closed, since closing one ends the locks of the process */
    uint32_t errors; /* how many syncs have failed */
    off_t cut_to;    /* the shortest it was since the last sync: beyond that it reads as zeros if not written again */
    unsigned ranges;
    struct { off_t from, to; } dirty[RANGES_MAX];
    char name[NAME_MAX + 1];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct inode inodes[INODES_MAX];
static unsigned inodes_used;
/* How many failed syncs of its inode each descriptor has heard of. */
static uint32_t heard[FILES_MAX];
static char data[PATH_MAX], shadow[PATH_MAX];
static size_t data_length;
static int is_clean;
static struct control *control;
static struct control nowhere;

#define REAL(result, name, ...)                                                                                        \
    static result (*real_##name)(__VA_ARGS__);                                                                         \
    static void find_##name(void) { real_##name = (result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name); }
#define NEED(name) do { if (!real_##name) find_##name(); } while (0)

REAL(int, open, const char *, int, ...)
REAL(int, openat, int, const char *, int, ...)
REAL(ssize_t, write, int, const void *, size_t)
REAL(ssize_t, writev, int, const struct iovec *, int)
REAL(ssize_t, pwrite, int, const void *, size_t, off_t)
REAL(ssize_t, pwritev, int, const struct iovec *, int, off_t)
REAL(ssize_t, pwritev2, int, const struct iovec *, int, off_t, int)
REAL(int, ftruncate, int, off_t)
REAL(int, truncate, const char *, off_t)
REAL(int, fallocate, int, int, off_t, off_t)
REAL(int, posix_fallocate, int, off_t, off_t)
REAL(int, fsync, int)
REAL(int, fdatasync, int)
REAL(int, rename, const char *, const char *)
REAL(int, renameat, int, const char *, int, const char *)
REAL(int, renameat2, int, const char *, int, const char *, unsigned)
REAL(int, unlink, const char *)
REAL(int, unlinkat, int, const char *, int)
REAL(int, link, const char *, const char *)
REAL(int, linkat, int, const char *, int, const char *, int)
REAL(int, mkdir, const char *, mode_t)
REAL(int, mkdirat, int, const char *, mode_t)
REAL(void *, mmap, void *, size_t, int, int, int, off_t)
REAL(int, msync, void *, size_t, int)
REAL(ssize_t, copy_file_range, int, off_t *, int, off_t *, size_t, unsigned)
REAL(ssize_t, sendfile, int, int, off_t *, size_t)
REAL(ssize_t, splice, int, off_t *, int, off_t *, size_t, unsigned)

static void die(const char *what) {
    NEED(write);
    (void)!real_write(2, "power.c: ", 9);
    (void)!real_write(2, what, strlen(what));
    (void)!real_write(2, "\n", 1);
    abort();
}

__attribute__((constructor)) static void start(void) {
    const char *at = getenv("PHOTINUS_POWER_DATA"), *to = getenv("PHOTINUS_POWER_SHADOW");
    const char *commands = getenv("PHOTINUS_POWER_CONTROL");
    control = &nowhere;
    if (!at || !to || !commands) return;
    if (!realpath(at, data) || !realpath(to, shadow)) die("no such directory");
    data_length = strlen(data);
    NEED(open);
    NEED(mmap);
    int file = real_open(commands, O_RDWR | O_CLOEXEC);
    if (file < 0) die("no control file");
    control = real_mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (control == MAP_FAILED) die("the control file cannot be mapped");
    close(file);
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/clean", shadow);
    NEED(unlink);
    is_clean = real_unlink(path) == 0;
}

/* The place that a descriptor stands for; empty if it is none below the data. */
static int path_of(int file, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return data_length && strncmp(path, data, data_length) == 0 && (path[data_length] == '/' || path[data_length] == 0);
}

static struct inode *find(const struct stat *st) {
    for (unsigned i = 0; i < inodes_used; i++)
        if (inodes[i].number == st->st_ino && inodes[i].dev == st->st_dev) return &inodes[i];
    return NULL;
}

/* The inode of the data behind a descriptor, or nothing. The lock is held. */
static struct inode *inode_of(int file) {
    struct stat st;
    if (inodes_used == 0 || fstat(file, &st) != 0) return NULL;
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) return NULL;
    return find(&st);
}

/* A file was opened: if it is one of the data, it is watched from now on. */
static int opened(int file, int flags, int is_new) {
    char path[PATH_MAX];
    struct stat st;
    if (file < 0 || !data_length) return file;
    int error = errno;
    if (path_of(file, path) && fstat(file, &st) == 0 && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))) {
        pthread_mutex_lock(&lock);
        struct inode *inode = find(&st);
        if (!inode) {
            if (inodes_used == INODES_MAX) die("too many files");
            inode = &inodes[inodes_used++];
            inode->dev = st.st_dev;
            inode->number = st.st_ino;
            inode->is_directory = S_ISDIR(st.st_mode);
            inode->is_unknown = is_new || !is_clean;
            inode->cut_to = NOT_CUT;
            const char *name = strrchr(path, '/');
            name = name ? name + 1 : path;
            memcpy(inode->name, name, strnlen(name, sizeof inode->name - 1));
            inode->reader = real_open(path, O_RDONLY | O_CLOEXEC);
            if (inode->reader < 0) die("a file of the data cannot be read");
        }
        if (flags & O_TRUNC) inode->is_unknown = 1;
        if (file < FILES_MAX) heard[file] = inode->errors;
        pthread_mutex_unlock(&lock);
    }
    errno = error;
    return file;
}

static int mode_of(int flags, va_list list) {
    return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(list, int) : 0;
}

/* Whether a path, as it would be resolved, is below the data. */
static int below(int directory, const char *path) {
    char full[PATH_MAX], at[PATH_MAX], parent[PATH_MAX];
    if (!data_length) return 0;
    if (path[0] == '/') {
        snprintf(full, sizeof full, "%s", path);
    } else if (directory == AT_FDCWD) {
        if (!getcwd(at, sizeof at)) return 0;
        if (snprintf(full, sizeof full, "%s/%s", at, path) >= (int)sizeof full) return 0;
    } else {
        if (!path_of(directory, at)) return 0;
        if (snprintf(full, sizeof full, "%s/%s", at, path) >= (int)sizeof full) return 0;
    }
    char *slash = strrchr(full, '/');
    if (!slash) return 0;
    *slash = 0;
    if (!realpath(full[0] ? full : "/", parent)) return 0;
    return strncmp(parent, data, data_length) == 0 && (parent[data_length] == '/' || parent[data_length] == 0);
}

static int is_full(void) { return (int)atomic_load(&control->full); }

static int refused(void) {
    atomic_fetch_add(&control->refused, 1);
    errno = ENOSPC;
    return -1;
}

static int open_at(int directory, const char *path, int flags, int mode) {
    NEED(open);
    NEED(openat);
    struct stat st;
    int error = errno;
    int is_new = (flags & O_CREAT) && data_length && fstatat(directory, path, &st, 0) != 0;
    errno = error;
    if (is_new && is_full() && below(directory, path)) return refused();
    return opened(real_openat(directory, path, flags, mode), flags, is_new);
}

#define OPEN(name)                                                                                                     \
    int name(const char *path, int flags, ...) {                                                                       \
        va_list list;                                                                                                  \
        va_start(list, flags);                                                                                         \
        int mode = mode_of(flags, list);                                                                               \
        va_end(list);                                                                                                  \
        return open_at(AT_FDCWD, path, flags, mode);                                                                   \
    }
#define OPENAT(name)                                                                                                   \
    int name(int directory, const char *path, int flags, ...) {                                                        \
        va_list list;                                                                                                  \
        va_start(list, flags);                                                                                         \
        int mode = mode_of(flags, list);                                                                               \
        va_end(list);                                                                                                  \
        return open_at(directory, path, flags, mode);                                                                  \
    }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)
int creat(const char *path, mode_t mode) { return open_at(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, (int)mode); }
int creat64(const char *path, mode_t mode) { return creat(path, mode); }

static void dirty(struct inode *inode, off_t from, off_t to) {
    if (to <= from || inode->is_unknown) return;
    for (unsigned i = 0; i < inode->ranges; i++) {
        if (from <= inode->dirty[i].to && to >= inode->dirty[i].from) {
            if (from < inode->dirty[i].from) inode->dirty[i].from = from;
            if (to > inode->dirty[i].to) inode->dirty[i].to = to;
            return;
        }
    }
    if (inode->ranges == RANGES_MAX) {
        /* Copying too much is no harm: the file holds what was written. But then after a failed sync it is. */
        for (unsigned i = 1; i < inode->ranges; i++) {
            if (inode->dirty[i].from < inode->dirty[0].from) inode->dirty[0].from = inode->dirty[i].from;
            if (inode->dirty[i].to > inode->dirty[0].to) inode->dirty[0].to = inode->dirty[i].to;
        }
        inode->ranges = 1;
        dirty(inode, from, to);
        return;
    }
    inode->dirty[inode->ranges].from = from;
    inode->dirty[inode->ranges++].to = to;
}

/* How many of these bytes fit, or -1: at least one would have to, and none does. */
static ssize_t room(const struct inode *inode, int file, off_t at, size_t length) {
    struct stat st;
    if (inode->is_directory || length == 0) return (ssize_t)length;
    switch (is_full()) {
    case FULL_NO:
        return (ssize_t)length;
    case FULL_GROWTH:
        if (fstat(file, &st) != 0) return (ssize_t)length;
        if (at >= st.st_size) return refused();
        return at + (off_t)length > st.st_size ? st.st_size - at : (ssize_t)length;
    default:
        return refused();
    }
}

/* A write to somewhere; `write_it` gets the number of bytes that fit. */
#define WRITE(file, at_expression, length, write_it)                                                                   \
    do {                                                                                                               \
        if (!data_length) return write_it(length);                                                                     \
        pthread_mutex_lock(&lock);                                                                                     \
        struct inode *inode = inode_of(file);                                                                          \
        if (!inode) {                                                                                                  \
            pthread_mutex_unlock(&lock);                                                                               \
            return write_it(length);                                                                                   \
        }                                                                                                              \
        off_t at = at_expression;                                                                                      \
        ssize_t fits = room(inode, file, at, length);                                                                  \
        ssize_t written = fits < 0 ? fits : write_it((size_t)fits);                                                    \
        int error = errno;                                                                                             \
        if (written > 0) dirty(inode, at, at + written);                                                               \
        atomic_fetch_add(&control->writes, 1);                                                                         \
        pthread_mutex_unlock(&lock);                                                                                   \
        errno = error;                                                                                                 \
        return written;                                                                                                \
    } while (0)

static off_t position(int file) {
    struct stat st;
    int flags = fcntl(file, F_GETFL);
    if (flags >= 0 && (flags & O_APPEND) && fstat(file, &st) == 0) return st.st_size;
    off_t at = lseek(file, 0, SEEK_CUR);
    return at < 0 ? 0 : at;
}

ssize_t write(int file, const void *bytes, size_t length) {
    NEED(write);
#define IT(n) real_write(file, bytes, n)
    WRITE(file, position(file), length, IT);
#undef IT
}

ssize_t pwrite(int file, const void *bytes, size_t length, off_t offset) {
    NEED(pwrite);
#define IT(n) real_pwrite(file, bytes, n, offset)
    WRITE(file, offset, length, IT);
#undef IT
}
ssize_t pwrite64(int file, const void *bytes, size_t length, off64_t offset) {
    return pwrite(file, bytes, length, offset);
}

static size_t total(const struct iovec *parts, int count) {
    size_t sum = 0;
    for (int i = 0; i < count; i++) sum += parts[i].iov_len;
    return sum;
}

/* Where not all fits, only the first part is written, as far as it fits: a short write, which callers must expect. */
static ssize_t pwritev_of(int file, const struct iovec *parts, int count, off_t offset, size_t fits) {
    if (fits == total(parts, count)) return real_pwritev(file, parts, count, offset);
    NEED(pwrite);
    return real_pwrite(file, parts[0].iov_base, parts[0].iov_len < fits ? parts[0].iov_len : fits, offset);
}
ssize_t pwritev(int file, const struct iovec *parts, int count, off_t offset) {
    NEED(pwritev);
#define IT(n) pwritev_of(file, parts, count, offset, n)
    WRITE(file, offset, total(parts, count), IT);
#undef IT
}
ssize_t pwritev64(int file, const struct iovec *parts, int count, off64_t offset) {
    return pwritev(file, parts, count, offset);
}
static ssize_t writev_of(int file, const struct iovec *parts, int count, size_t fits) {
    if (fits == total(parts, count)) return real_writev(file, parts, count);
    NEED(write);
    return real_write(file, parts[0].iov_base, parts[0].iov_len < fits ? parts[0].iov_len : fits);
}
ssize_t writev(int file, const struct iovec *parts, int count) {
    NEED(writev);
#define IT(n) writev_of(file, parts, count, n)
    WRITE(file, position(file), total(parts, count), IT);
#undef IT
}
ssize_t pwritev2(int file, const struct iovec *parts, int count, off_t offset, int flags) {
    NEED(pwritev2);
    if (offset == -1) return writev(file, parts, count);
    (void)flags;
    return pwritev(file, parts, count, offset);
}
ssize_t pwritev64v2(int file, const struct iovec *parts, int count, off64_t offset, int flags) {
    return pwritev2(file, parts, count, offset, flags);
}

/* Copies inside the kernel: refused for our files, and everybody then reads and writes. */
static int is_ours(int file) {
    if (!data_length) return 0;
    pthread_mutex_lock(&lock);
    int ours = inode_of(file) != NULL;
    pthread_mutex_unlock(&lock);
    return ours;
}
ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t length, unsigned flags) {
    NEED(copy_file_range);
    if (!is_ours(out)) return real_copy_file_range(in, from, out, to, length, flags);
    errno = EXDEV;
    return -1;
}
ssize_t sendfile(int out, int in, off_t *offset, size_t length) {
    NEED(sendfile);
    if (!is_ours(out)) return real_sendfile(out, in, offset, length);
    errno = EINVAL;
    return -1;
}
ssize_t sendfile64(int out, int in, off64_t *offset, size_t length) { return sendfile(out, in, offset, length); }
ssize_t splice(int in, off64_t *from, int out, off64_t *to, size_t length, unsigned flags) {
    NEED(splice);
    if (!is_ours(out)) return real_splice(in, from, out, to, length, flags);
    errno = EINVAL;
    return -1;
}

int ftruncate(int file, off_t length) {
    NEED(ftruncate);
    if (!data_length) return real_ftruncate(file, length);
    pthread_mutex_lock(&lock);
    struct inode *inode = inode_of(file);
    struct stat st;
    int result = -1;
    if (inode && is_full() && fstat(file, &st) == 0 && length > st.st_size) {
        refused();
    } else {
        result = real_ftruncate(file, length);
        if (result == 0 && inode && length < inode->cut_to) inode->cut_to = length;
    }
    int error = errno;
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}
int ftruncate64(int file, off64_t length) { return ftruncate(file, length); }
int truncate(const char *path, off_t length) {
    if (!below(AT_FDCWD, path)) {
        NEED(truncate);
        return real_truncate(path, length);
    }
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0) return -1;
    int result = ftruncate(file, length), error = errno;
    close(file);
    errno = error;
    return result;
}
int truncate64(const char *path, off64_t length) { return truncate(path, length); }
int fallocate(int file, int mode, off_t offset, off_t length) {
    NEED(fallocate);
    if (!is_ours(file)) return real_fallocate(file, mode, offset, length);
    if (is_full()) return refused();
    int result = real_fallocate(file, mode, offset, length);
    pthread_mutex_lock(&lock);
    struct inode *inode = inode_of(file);
    if (result == 0 && inode) dirty(inode, offset, offset + length);
    pthread_mutex_unlock(&lock);
    return result;
}
int fallocate64(int file, int mode, off64_t offset, off64_t length) { return fallocate(file, mode, offset, length); }
int posix_fallocate(int file, off_t offset, off_t length) {
    NEED(posix_fallocate);
    if (is_ours(file)) return fallocate(file, 0, offset, length) == 0 ? 0 : errno;
    return real_posix_fallocate(file, offset, length);
}
int posix_fallocate64(int file, off64_t offset, off64_t length) { return posix_fallocate(file, offset, length); }

static int shadow_open(const struct inode *inode, int flags) {
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/inodes/%llu", shadow, (unsigned long long)inode->number);
    return real_open(path, flags | O_CLOEXEC, 0600);
}

static void copy(int from, int to, off_t at, off_t end) {
    static char buffer[1 << 16];
    NEED(pwrite);
    while (at < end) {
        size_t wanted = (size_t)(end - at) < sizeof buffer ? (size_t)(end - at) : sizeof buffer;
        ssize_t got = pread(from, buffer, wanted, at);
        if (got < 0) die("a file of the data cannot be read");
        if (got == 0) return;
        if (real_pwrite(to, buffer, (size_t)got, at) != got) die("the shadow cannot be written");
        at += got;
        atomic_fetch_add(&control->bytes_synced, (uint64_t)got);
    }
}

/* A file that was synced has to be equal to its shadow; if not, a write went past us. */
static void compare(const struct inode *inode, int with) {
    static char a[1 << 16], b[1 << 16];
    off_t at = 0;
    for (;;) {
        ssize_t x = pread(inode->reader, a, sizeof a, at), y = pread(with, b, sizeof b, at);
        if (x != y || (x > 0 && memcmp(a, b, (size_t)x) != 0)) {
            atomic_fetch_add(&control->missed, 1);
            break;
        }
        if (x <= 0) break;
        at += x;
    }
    atomic_fetch_add(&control->compared, 1);
}

static void sync_file(struct inode *inode) {
    static unsigned syncs;
    struct stat st;
    int to = shadow_open(inode, O_RDWR | O_CREAT);
    struct stat was;
    if (to < 0 || fstat(inode->reader, &st) != 0 || fstat(to, &was) != 0) die("no shadow");
    NEED(ftruncate);
    if (inode->cut_to < was.st_size && real_ftruncate(to, inode->cut_to) != 0) die("the shadow cannot be cut");
    if (inode->is_unknown || inode->is_mapped) {
        copy(inode->reader, to, 0, st.st_size);
    } else {
        for (unsigned i = 0; i < inode->ranges; i++) copy(inode->reader, to, inode->dirty[i].from, inode->dirty[i].to);
    }
    if (real_ftruncate(to, st.st_size) != 0) die("the shadow cannot be cut");
    inode->cut_to = NOT_CUT;
    inode->ranges = 0;
    inode->is_unknown = 0;
    if (inode->errors == 0 && ++syncs % COMPARE_EVERY == 0) compare(inode, to);
    close(to);
    atomic_fetch_add(&control->syncs, 1);
}

/* All entries at once: the new list takes the place of the old one in one step. */
static void sync_directory(const struct inode *inode, int file) {
    char path[PATH_MAX], list[PATH_MAX + 64], list_new[PATH_MAX + 80];
    if (!path_of(file, path)) return;
    snprintf(list, sizeof list, "%s/dirs/%llu", shadow, (unsigned long long)inode->number);
    snprintf(list_new, sizeof list_new, "%s.new", list);
    DIR *entries = opendir(path);
    FILE *out = fopen(list_new, "w");
    if (!entries || !out) die("a directory cannot be listed");
    for (struct dirent *entry; (entry = readdir(entries));) {
        struct stat st;
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        if (fstatat(dirfd(entries), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) continue;
        fprintf(out, "%c %llu %s\n", S_ISDIR(st.st_mode) ? 'd' : 'f', (unsigned long long)st.st_ino, entry->d_name);
    }
    closedir(entries);
    if (fclose(out) != 0) die("a directory cannot be listed");
    NEED(rename);
    if (real_rename(list_new, list) != 0) die("a directory cannot be listed");
    atomic_fetch_add(&control->directory_syncs, 1);
}

static int fails(const struct inode *inode) {
    if (!atomic_load(&control->fail_next_sync)) return 0;
    if (strncmp(inode->name, control->fail_name, sizeof control->fail_name) != 0) return 0;
    return atomic_exchange(&control->fail_next_sync, 0) != 0;
}

static int sync_it(int file, int (*real)(int)) {
    NEED(open);
    if (!is_ours(file)) return real(file);
    uint64_t micros = atomic_load(&control->sync_micros);
    if (micros) usleep((useconds_t)micros);
    pthread_mutex_lock(&lock);
    struct inode *inode = inode_of(file);
    int result = 0;
    if (inode->is_directory) {
        /* The lists of the C library take memory; nothing here is called while it holds its own lock. */
        sync_directory(inode, file);
    } else {
        if (fails(inode)) {
            inode->errors++;
            inode->ranges = 0;
            inode->is_unknown = 0;
            atomic_fetch_add(&control->failed_syncs, 1);
        }
        if (file < FILES_MAX && heard[file] != inode->errors) {
            heard[file] = inode->errors;
            result = -1;
        } else {
            sync_file(inode);
        }
    }
    pthread_mutex_unlock(&lock);
    if (result != 0) errno = EIO;
    return result;
}
int fsync(int file) {
    NEED(fsync);
    return sync_it(file, real_fsync);
}
int fdatasync(int file) {
    NEED(fdatasync);
    return sync_it(file, real_fdatasync);
}
/* These promise nothing, or more than anybody here asks for: nothing is durable by them. */
int sync_file_range(int file, off64_t offset, off64_t length, unsigned flags) {
    (void)file, (void)offset, (void)length, (void)flags;
    return 0;
}
int syncfs(int file) {
    (void)file;
    return 0;
}
void sync(void) {}

/* Files that are written through memory are never known to be clean; only a sync of the file makes them durable. */
void *mmap(void *address, size_t length, int protection, int flags, int file, off_t offset) {
    NEED(mmap);
    void *mapped = real_mmap(address, length, protection, flags, file, offset);
    if (data_length && file >= 0 && mapped != MAP_FAILED && (protection & PROT_WRITE) && (flags & MAP_SHARED)) {
        pthread_mutex_lock(&lock);
        struct inode *inode = inode_of(file);
        if (inode) inode->is_mapped = 1;
        pthread_mutex_unlock(&lock);
    }
    return mapped;
}
void *mmap64(void *address, size_t length, int protection, int flags, int file, off64_t offset) {
    return mmap(address, length, protection, flags, file, offset);
}
/* A mapping is not known by its address; nothing is durable by this, which is stricter than a disk. */
int msync(void *address, size_t length, int flags) {
    NEED(msync);
    return real_msync(address, length, flags);
}

/* The last name of a file is about to go. Its number must not be used again before the power fails. */
static void pin(int directory, const char *path) {
    char to[PATH_MAX + 64];
    struct stat st;
    int error = errno;
    if (below(directory, path) && fstatat(directory, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode)) {
        NEED(linkat);
        snprintf(to, sizeof to, "%s/pins/%llu", shadow, (unsigned long long)st.st_ino);
        if (real_linkat(directory, path, AT_FDCWD, to, 0) != 0 && errno != EEXIST) die("a file cannot be pinned");
    }
    errno = error;
}
int unlink(const char *path) {
    NEED(unlink);
    pin(AT_FDCWD, path);
    return real_unlink(path);
}
int unlinkat(int directory, const char *path, int flags) {
    NEED(unlinkat);
    if (!(flags & AT_REMOVEDIR)) pin(directory, path);
    return real_unlinkat(directory, path, flags);
}
int rename(const char *from, const char *to) {
    NEED(rename);
    pin(AT_FDCWD, to);
    return real_rename(from, to);
}
int renameat(int from_directory, const char *from, int to_directory, const char *to) {
    NEED(renameat);
    pin(to_directory, to);
    return real_renameat(from_directory, from, to_directory, to);
}
int renameat2(int from_directory, const char *from, int to_directory, const char *to, unsigned flags) {
    NEED(renameat2);
    pin(to_directory, to);
    return real_renameat2(from_directory, from, to_directory, to, flags);
}
int link(const char *from, const char *to) {
    NEED(link);
    if (is_full() && below(AT_FDCWD, to)) return refused();
    return real_link(from, to);
}
int linkat(int from_directory, const char *from, int to_directory, const char *to, int flags) {
    NEED(linkat);
    if (is_full() && below(to_directory, to)) return refused();
    return real_linkat(from_directory, from, to_directory, to, flags);
}
int mkdir(const char *path, mode_t mode) {
    NEED(mkdir);
    if (is_full() && below(AT_FDCWD, path)) return refused();
    return real_mkdir(path, mode);
}
int mkdirat(int directory, const char *path, mode_t mode) {
    NEED(mkdirat);
    if (is_full() && below(directory, path)) return refused();
    return real_mkdirat(directory, path, mode);
}

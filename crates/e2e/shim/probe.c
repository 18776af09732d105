/* Writes and syncs as its arguments say, in the current directory, to try the shim.
 *
 *   write FILE TEXT | append FILE TEXT | mapped FILE TEXT | cut FILE LENGTH | sync FILE | syncdir DIRECTORY
 *   rename FROM TO | unlink FILE | mkdir DIRECTORY | fails ERRNO (what comes next fails so) | threads FILE
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int expected;
static int kept[64];
static const char *names[64];
static int files;

static void check(const char *what, int ok) {
    if (expected ? ok || errno != expected : !ok) {
        fprintf(stderr, "%s: %s\n", what, strerror(ok ? 0 : errno));
        exit(1);
    }
    expected = 0;
}

/* Each file is opened once, so that a sync is that of the descriptor that wrote. */
static int file(const char *name) {
    for (int i = 0; i < files; i++)
        if (!strcmp(names[i], name)) return kept[i];
    int opened = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (opened < 0) {
        perror(name);
        exit(1);
    }
    names[files] = name;
    return kept[files++] = opened;
}

static int shared;

static void *thread(void *number) {
    char block[512];
    memset(block, 'a' + (int)(long)number, sizeof block);
    for (int i = 0; i < 64; i++) {
        if (pwrite(shared, block, sizeof block, (i * 8 + (long)number) * 512) != sizeof block) exit(1);
        if (i % 8 == 7 && fdatasync(shared) != 0) exit(1);
    }
    return NULL;
}

int main(int count, char **arguments) {
    for (int i = 1; i < count;) {
        const char *action = arguments[i++], *name = arguments[i++];
        if (!strcmp(action, "write")) {
            const char *text = arguments[i++];
            check(action, pwrite(file(name), text, strlen(text), 0) == (ssize_t)strlen(text));
        } else if (!strcmp(action, "append")) {
            const char *text = arguments[i++];
            lseek(file(name), 0, SEEK_END);
            check(action, write(file(name), text, strlen(text)) == (ssize_t)strlen(text));
        } else if (!strcmp(action, "mapped")) {
            const char *text = arguments[i++];
            char *at = mmap(NULL, strlen(text), PROT_READ | PROT_WRITE, MAP_SHARED, file(name), 0);
            check(action, at != MAP_FAILED);
            memcpy(at, text, strlen(text));
        } else if (!strcmp(action, "cut")) {
            check(action, ftruncate(file(name), atol(arguments[i++])) == 0);
        } else if (!strcmp(action, "sync")) {
            check(action, fsync(file(name)) == 0);
        } else if (!strcmp(action, "syncdir")) {
            int directory = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
            check(action, fsync(directory) == 0);
            close(directory);
        } else if (!strcmp(action, "rename")) {
            check(action, rename(name, arguments[i++]) == 0);
        } else if (!strcmp(action, "unlink")) {
            check(action, unlink(name) == 0);
        } else if (!strcmp(action, "mkdir")) {
            check(action, mkdir(name, 0700) == 0);
        } else if (!strcmp(action, "fails")) {
            expected = atoi(name);
        } else if (!strcmp(action, "threads")) {
            pthread_t all[8];
            shared = file(name);
            for (long n = 0; n < 8; n++) pthread_create(&all[n], NULL, thread, (void *)n);
            for (int n = 0; n < 8; n++) pthread_join(all[n], NULL);
        } else {
            fprintf(stderr, "unknown: %s\n", action);
            return 1;
        }
    }
    return 0;
}

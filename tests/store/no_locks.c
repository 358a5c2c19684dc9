// A disk without locks, as NFS without its lock daemon: locking fails with $NO_LOCKS. For LD_PRELOAD.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>

typedef int Fcntl(int, int, ...);

static int refused(int command) {
    if (command != F_SETLK && command != F_SETLKW && command != F_OFD_SETLK)
        return 0;
    errno = atoi(getenv("NO_LOCKS"));
    return 1;
}

#define WITHOUT_LOCKS(name)                                        \
    int name(int file, int command, ...) {                         \
        va_list more;                                              \
        va_start(more, command);                                   \
        void *argument = va_arg(more, void *);                     \
        va_end(more);                                              \
        if (refused(command))                                      \
            return -1;                                             \
        return ((Fcntl *)dlsym(RTLD_NEXT, #name))(file, command, argument); \
    }

WITHOUT_LOCKS(fcntl)
WITHOUT_LOCKS(fcntl64)

/* Counts the system calls of a process group that change files below some folders or send on a
 * network socket, and at one of them kills the whole group, or has the call fail.
 *
 * CHAOS_COUNTER  file of 8 bytes that all processes of the group share
 * CHAOS_AT       number of the call, from 1; 0 counts only
 * CHAOS_FOLDERS  paths, separated by ':'; a call counts when its file lies below one of them
 * CHAOS_SOCKETS  1: what is sent on IPv4 and IPv6 sockets counts too
 * CHAOS_AFTER    1: the call is carried out first
 * CHAOS_ERRNO    the call fails with this, and each later one on the same kind of thing, instead
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static _Atomic long *counter;
static long at;
static int after, sockets, failing;
static char folders[16][4096];
static int number_of_folders;

__attribute__((constructor)) static void begin(void) {
  const char *file = getenv("CHAOS_COUNTER");
  if (!file) return;
  int fd = open(file, O_RDWR);
  if (fd < 0) return;
  void *page = mmap(NULL, sizeof(long), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (page == MAP_FAILED) return;
  const char *text = getenv("CHAOS_AT");
  at = text ? atol(text) : 0;
  after = getenv("CHAOS_AFTER") && *getenv("CHAOS_AFTER") == '1';
  sockets = getenv("CHAOS_SOCKETS") && *getenv("CHAOS_SOCKETS") == '1';
  failing = getenv("CHAOS_ERRNO") ? atoi(getenv("CHAOS_ERRNO")) : 0;
  text = getenv("CHAOS_FOLDERS");
  while (text && *text && number_of_folders < 16) {
    size_t length = strcspn(text, ":");
    if (length && length < sizeof folders[0])
      memcpy(folders[number_of_folders++], text, length);
    text += length + (text[length] == ':');
  }
  counter = page;
}

static int below(const char *path) {
  char whole[8192];
  if (!path) return 0;
  if (*path != '/') {
    if (!getcwd(whole, sizeof whole / 2)) return 0;
    strcat(whole, "/");
    strncat(whole, path, sizeof whole / 2 - 2);
    path = whole;
  }
  for (int i = 0; i < number_of_folders; i++) {
    size_t length = strlen(folders[i]);
    if (!strncmp(path, folders[i], length)) return 1;
  }
  return 0;
}

static int counts(int fd) {
  if (!counter) return 0;
  struct stat what;
  if (fstat(fd, &what)) return 0;
  if (S_ISSOCK(what.st_mode)) {
    struct sockaddr_storage name;
    socklen_t length = sizeof name;
    return sockets && !getsockname(fd, (struct sockaddr *)&name, &length) &&
           (name.ss_family == AF_INET || name.ss_family == AF_INET6);
  }
  if (!S_ISREG(what.st_mode) && !S_ISDIR(what.st_mode)) return 0;
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return below(path);
}

/* 1: this is the call. */
static int is_it(void) {
  long now = atomic_fetch_add(counter, 1) + 1;
  return failing ? at && now >= at : now == at;
}

static void end(void) {
  kill(0, SIGKILL);
  for (;;) pause();
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define AROUND(concerns, real)                      \
  if (counter && (concerns) && is_it()) {           \
    if (failing) {                                  \
      errno = failing;                              \
      return -1;                                    \
    }                                               \
    if (!after) end();                              \
    real;                                           \
    end();                                          \
  }                                                 \
  return real

ssize_t write(int fd, const void *data, size_t size) { AROUND(counts(fd), REAL(write)(fd, data, size)); }
ssize_t pwrite(int fd, const void *data, size_t size, off_t to) {
  AROUND(counts(fd), REAL(pwrite)(fd, data, size, to));
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t to) {
  AROUND(counts(fd), REAL(pwrite64)(fd, data, size, to));
}
ssize_t writev(int fd, const struct iovec *parts, int number) {
  AROUND(counts(fd), REAL(writev)(fd, parts, number));
}
int fsync(int fd) { AROUND(counts(fd), REAL(fsync)(fd)); }
int fdatasync(int fd) { AROUND(counts(fd), REAL(fdatasync)(fd)); }
int ftruncate(int fd, off_t to) { AROUND(counts(fd), REAL(ftruncate)(fd, to)); }
int ftruncate64(int fd, off64_t to) { AROUND(counts(fd), REAL(ftruncate64)(fd, to)); }
int rename(const char *from, const char *to) { AROUND(below(from) || below(to), REAL(rename)(from, to)); }
int renameat(int a, const char *from, int b, const char *to) {
  AROUND(below(from) || below(to), REAL(renameat)(a, from, b, to));
}
int link(const char *from, const char *to) { AROUND(below(to), REAL(link)(from, to)); }
int unlink(const char *path) { AROUND(below(path), REAL(unlink)(path)); }
int unlinkat(int fd, const char *path, int flags) {
  AROUND(below(path) || counts(fd), REAL(unlinkat)(fd, path, flags));
}
int rmdir(const char *path) { AROUND(below(path), REAL(rmdir)(path)); }
int mkdir(const char *path, mode_t mode) { AROUND(below(path), REAL(mkdir)(path, mode)); }
ssize_t send(int fd, const void *data, size_t size, int flags) {
  AROUND(counts(fd), REAL(send)(fd, data, size, flags));
}
ssize_t sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *to, socklen_t length) {
  AROUND(counts(fd), REAL(sendto)(fd, data, size, flags, to, length));
}
ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
  AROUND(counts(fd), REAL(sendmsg)(fd, message, flags));
}

static int opened(int new, const char *path, int flags, mode_t mode, int fd, int which) {
  if (which == 0) return REAL(open)(path, flags, mode);
  if (which == 1) return REAL(open64)(path, flags, mode);
  if (which == 2) return REAL(openat)(fd, path, flags, mode);
  return REAL(openat64)(fd, path, flags, mode);
}

#define OPENS(path, flags, fd, which)                                   \
  mode_t mode = 0;                                                      \
  int new = (flags & O_CREAT) != 0;                                     \
  if (new) {                                                            \
    va_list rest;                                                       \
    va_start(rest, flags);                                              \
    mode = va_arg(rest, mode_t);                                        \
    va_end(rest);                                                       \
  }                                                                     \
  AROUND(new && below(path), opened(new, path, flags, mode, fd, which))

int open(const char *path, int flags, ...) { OPENS(path, flags, 0, 0); }
int open64(const char *path, int flags, ...) { OPENS(path, flags, 0, 1); }
int openat(int fd, const char *path, int flags, ...) { OPENS(path, flags, fd, 2); }
int openat64(int fd, const char *path, int flags, ...) { OPENS(path, flags, fd, 3); }

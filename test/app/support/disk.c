// Preloaded into the embedded database, below the folder that TROUPE_TEST_FOLDER names: what is written and synced fails
// with an I/O error as long as the file TROUPE_TEST_EIO is there; and whatever is synced is copied, as it is then, to the
// folder TROUPE_TEST_SYNCED: that is all that a power cut leaves for certain. With TROUPE_TEST_NO_SOCKETS no Unix socket can
// be made in any folder.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* The path of a descriptor below the folder, or NULL for another one. */
static const char *below(int fd, char *path) {
  const char *folder = getenv("TROUPE_TEST_FOLDER");
  char name[64];
  snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(name, path, PATH_MAX - 1);
  if (folder == NULL || length < 0) return NULL;
  path[length] = 0;
  size_t prefix = strlen(folder);
  return strncmp(path, folder, prefix) == 0 && (path[prefix] == '/' || path[prefix] == 0) ? path + prefix : NULL;
}

static int fails(int fd) {
  char path[PATH_MAX];
  const char *mark = getenv("TROUPE_TEST_EIO");
  if (mark == NULL || access(mark, F_OK) != 0 || below(fd, path) == NULL) return 0;
  errno = EIO;
  return 1;
}

static void keep(int fd) {
  const char *synced = getenv("TROUPE_TEST_SYNCED");
  char path[PATH_MAX], copy[2 * PATH_MAX], fresh[2 * PATH_MAX + 8];
  const char *rest = below(fd, path);
  if (synced == NULL || rest == NULL) return;
  snprintf(copy, sizeof copy, "%s%s", synced, rest);
  for (char *slash = copy + strlen(synced); (slash = strchr(slash, '/')) != NULL; slash++) {
    *slash = 0;
    mkdir(copy, 0700);
    *slash = '/';
  }
  struct stat status;
  if (fstat(fd, &status) != 0) return;
  if (S_ISDIR(status.st_mode)) {
    mkdir(copy, 0700);
    return;
  }
  snprintf(fresh, sizeof fresh, "%s.fresh", copy);
  int from = open(path, O_RDONLY), to = open(fresh, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  char buffer[1 << 16]; /* of this thread: several files are synced at a time */
  ssize_t length;
  while ((length = read(from, buffer, sizeof buffer)) > 0) {
    ssize_t (*plain)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
    if (plain(to, buffer, length) != length) abort();
  }
  close(from);
  close(to);
  if (rename(fresh, copy) != 0) abort();
}

ssize_t write(int fd, const void *bytes, size_t count) {
  ssize_t (*real)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
  return fails(fd) ? -1 : real(fd, bytes, count);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) {
  ssize_t (*real)(int, const void *, size_t, off64_t) = dlsym(RTLD_NEXT, "pwrite64");
  return fails(fd) ? -1 : real(fd, bytes, count, at);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) { return pwrite64(fd, bytes, count, at); }

int fsync(int fd) {
  int (*real)(int) = dlsym(RTLD_NEXT, "fsync");
  if (fails(fd)) return -1;
  int result = real(fd);
  if (result == 0) keep(fd);
  return result;
}

int bind(int fd, const struct sockaddr *address, socklen_t length) {
  int (*real)(int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "bind");
  int is_path = address->sa_family == AF_UNIX && ((const struct sockaddr_un *)address)->sun_path[0] != 0;
  if (!is_path || getenv("TROUPE_TEST_NO_SOCKETS") == NULL) return real(fd, address, length);
  errno = EPERM;
  return -1;
}

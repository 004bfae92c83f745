/*
 * The plugin's front: a Duktape heap, the script as bytecode, and the few system calls that the script asks for.
 * What a call means is decided in TypeScript (call.ts); host.ts says what each function here does and returns.
 *
 * script.h (made by scripts/build-front.ts) holds the bytecode. Bytecode is trusted input to Duktape: it is only ever the
 * one that was made for this very build.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "duktape.h"
#include "script.h"

/* ---- memory: a call lives for a millisecond, so small things are never freed, and the heap is never destroyed ---- */

static union {
  char bytes[512 * 1024];
  long long aligned;
} arena;
static size_t arena_used;

/* Each block in the arena is preceded by its size, for realloc. */
static void *front_alloc(void *unused, duk_size_t size) {
  (void)unused;
  size_t need = (size + 8 + 7) & ~(size_t)7;
  if (size > sizeof arena.bytes || arena_used + need > sizeof arena.bytes) return malloc(size);
  char *block = arena.bytes + arena_used;
  *(size_t *)(void *)block = size;
  arena_used += need;
  return block + 8;
}

static int in_arena(const void *block) {
  return (const char *)block >= arena.bytes && (const char *)block < arena.bytes + sizeof arena.bytes;
}

static void front_free(void *unused, void *block) {
  (void)unused;
  if (block && !in_arena(block)) free(block);
}

static void *front_realloc(void *unused, void *block, duk_size_t size) {
  if (!block) return front_alloc(unused, size);
  if (!in_arena(block)) return realloc(block, size);
  size_t *old = (size_t *)(void *)((char *)block - 8);
  if (size <= *old) return block;
  void *moved = front_alloc(unused, size);
  if (moved) memcpy(moved, block, *old);
  return moved;
}

/* ---- text: Duktape keeps surrogates as three bytes each (CESU-8), the world wants UTF-8 ---- */

/* The length of the well-formed UTF-8 sequence at `s`, or 0. */
static size_t sequence(const unsigned char *s, const unsigned char *end) {
  size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] <= 0xdf ? 2 : (s[0] & 0xf0) == 0xe0 ? 3 : s[0] >= 0xf0 && s[0] <= 0xf4 ? 4 : 0;
  if (n == 0 || (size_t)(end - s) < n) return 0;
  for (size_t i = 1; i < n; i++) {
    if ((s[i] & 0xc0) != 0x80) return 0;
  }
  if (n == 3 && ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f))) return 0;
  if (n == 4 && ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))) return 0;
  return n;
}

static int is_utf8(const char *text, size_t length) {
  const unsigned char *s = (const unsigned char *)text, *end = s + length;
  while (s < end) {
    size_t n = sequence(s, end);
    if (n == 0) return 0;
    s += n;
  }
  return 1;
}

/* Makes `text` well-formed in place (it never grows): joins surrogate pairs, puts '?' for what nothing can be made of. */
static size_t to_utf8(char *text, size_t length) {
  unsigned char *s = (unsigned char *)text, *end = s + length, *out = s;
  while (s < end) {
    size_t n = sequence(s, end);
    if (n > 0) {
      while (n-- > 0) *out++ = *s++;
    } else if (end - s >= 6 && s[0] == 0xed && (s[1] & 0xf0) == 0xa0 && s[3] == 0xed && (s[4] & 0xf0) == 0xb0) {
      unsigned code = 0x10000 + (((s[1] & 0x0fu) << 16) | ((s[2] & 0x3fu) << 10) | ((s[4] & 0x0fu) << 6) | (s[5] & 0x3fu));
      *out++ = (unsigned char)(0xf0 | (code >> 18));
      *out++ = (unsigned char)(0x80 | ((code >> 12) & 0x3f));
      *out++ = (unsigned char)(0x80 | ((code >> 6) & 0x3f));
      *out++ = (unsigned char)(0x80 | (code & 0x3f));
      s += 6;
    } else {
      *out++ = '?';
      do s++;
      while (s < end && (*s & 0xc0) == 0x80);
    }
  }
  return (size_t)(out - (unsigned char *)text);
}

/* A copy of the string at `index` as UTF-8, never freed. */
static char *utf8_at(duk_context *ctx, duk_idx_t index, size_t *length) {
  duk_size_t size;
  const char *text = duk_require_lstring(ctx, index, &size);
  char *copy = malloc(size + 1);
  if (!copy) (void)duk_error(ctx, DUK_ERR_ERROR, "out of memory");
  memcpy(copy, text, size);
  *length = to_utf8(copy, size);
  copy[*length] = 0;
  return copy;
}

/* Writes everything; 0 or -errno. */
static int put(int fd, const char *bytes, size_t length) {
  while (length > 0) {
    ssize_t n = write(fd, bytes, length);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -errno;
    bytes += n;
    length -= (size_t)n;
  }
  return 0;
}

/* ---- what the script sees: host.ts has the meaning of each ---- */

static duk_ret_t host_env(duk_context *ctx) {
  const char *value = getenv(duk_require_string(ctx, 0));
  if (!value) return 0;
  size_t length = strlen(value);
  if (is_utf8(value, length)) {
    duk_push_lstring(ctx, value, length);
    return 1;
  }
  char *copy = strdup(value);
  if (!copy) return DUK_RET_ERROR;
  duk_push_lstring(ctx, copy, to_utf8(copy, length));
  return 1;
}

static duk_ret_t host_stdin(duk_context *ctx) {
  size_t max = duk_require_uint(ctx, 0), length = 0, room = 0;
  char *text = NULL;
  for (;;) {
    if (length == room) {
      room = room ? room * 2 : 16384;
      if (room > max + 1) room = max + 1;
      text = realloc(text, room);
      if (!text) return DUK_RET_ERROR;
    }
    ssize_t n = read(0, text + length, room - length);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      duk_push_int(ctx, -errno);
      return 1;
    }
    if (n == 0) break;
    length += (size_t)n;
    if (length > max) {
      duk_push_int(ctx, -EMSGSIZE);
      return 1;
    }
  }
  if (is_utf8(text, length)) duk_push_lstring(ctx, text, length);
  else duk_push_int(ctx, -EILSEQ);
  return 1;
}

static long long now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* Lets the next blocking call on `fd` last until `deadline` at most. 0 when that has passed. */
static int until(int fd, int option, long long deadline) {
  long long left = deadline - now_ms();
  if (left <= 0) return 0;
  struct timeval t = {.tv_sec = left / 1000, .tv_usec = left % 1000 * 1000};
  return setsockopt(fd, SOL_SOCKET, option, &t, sizeof t) == 0;
}

/* A timeout of a blocking socket call is EAGAIN. */
static int failure(int stage) {
  return -(stage * 1000 + (errno == EAGAIN || errno == EINPROGRESS ? ETIMEDOUT : errno));
}

static duk_ret_t host_ask(duk_context *ctx) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  size_t path_length, length, sent = 0;
  const char *path = utf8_at(ctx, 0, &path_length);
  const char *request = utf8_at(ctx, 1, &length);
  long long deadline = now_ms() + duk_require_int(ctx, 2);
  size_t max = duk_require_uint(ctx, 3), got = 0, room = 0;
  char *answer = NULL;
  int stage = 1;
  if (path_length >= sizeof address.sun_path) {
    duk_push_int(ctx, -(1000 + ENAMETOOLONG));
    return 1;
  }
  memcpy(address.sun_path, path, path_length + 1);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || !until(fd, SO_SNDTIMEO, deadline)) goto failed;
  while (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
    if (errno != EINTR) goto failed;
  }
  stage = 2;
  while (sent < length) {
    errno = EAGAIN;
    if (!until(fd, SO_SNDTIMEO, deadline)) goto failed;
    ssize_t n = send(fd, request + sent, length - sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EPIPE || errno == ECONNRESET)) break; /* it may have said why */
    if (n < 0) goto failed;
    sent += (size_t)n;
  }
  stage = 3;
  for (;;) {
    if (got == room) {
      room = room ? room * 2 : 8192;
      answer = realloc(answer, room);
      if (!answer) return DUK_RET_ERROR;
    }
    errno = EAGAIN;
    if (!until(fd, SO_RCVTIMEO, deadline)) goto failed;
    ssize_t n = recv(fd, answer + got, room - got, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) goto failed;
    errno = ECONNRESET;
    if (n == 0) goto failed;
    char *end = memchr(answer + got, '\n', (size_t)n);
    got = end ? (size_t)(end - answer) : got + (size_t)n;
    errno = EMSGSIZE;
    if (got > max) goto failed;
    if (end) break;
  }
  close(fd);
  duk_push_lstring(ctx, answer, to_utf8(answer, got));
  return 1;
failed:
  duk_push_int(ctx, failure(stage));
  if (fd >= 0) close(fd);
  return 1;
}

/* mkdir -p, mode 0700. 0 or -errno. */
static int make_directory(char *path) {
  for (char *at = path + 1;; at++) {
    if (*at != '/' && *at != 0) continue;
    char kept = *at;
    *at = 0;
    int failed = mkdir(path, 0700) < 0 && errno != EEXIST;
    *at = kept;
    if (failed) return -errno;
    if (kept == 0) return 0;
  }
}

/* How many files a directory has, hidden ones left out; up to `enough`. */
static int count_files(int fd, int enough) {
  int count = 0;
  DIR *directory = fdopendir(dup(fd));
  if (!directory) return 0;
  for (struct dirent *entry; count < enough && (entry = readdir(directory));) count += entry->d_name[0] != '.';
  closedir(directory);
  return count;
}

static int save(char *path, const char *name, const char *content, size_t length, int max_files) {
  char temporary[64];
  struct timespec t;
  int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0 && errno == ENOENT) {
    int made = make_directory(path);
    if (made < 0) return made;
    directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  }
  if (directory < 0) return -errno;
  if (faccessat(directory, name, F_OK, 0) < 0 && count_files(directory, max_files) >= max_files) return -EDQUOT;
  /* With the time, because process numbers repeat (another pid namespace, or later). */
  clock_gettime(CLOCK_REALTIME, &t);
  snprintf(temporary, sizeof temporary, ".%d-%lld-%ld.tmp", (int)getpid(), (long long)t.tv_sec, t.tv_nsec);
  int file = openat(directory, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (file < 0) return -errno;
  int result = put(file, content, length);
  if (result == 0 && fsync(file) < 0) result = -errno;
  close(file);
  if (result == 0 && renameat(directory, temporary, directory, name) < 0) result = -errno;
  if (result == 0 && fsync(directory) < 0) result = -errno;
  if (result < 0) unlinkat(directory, temporary, 0);
  close(directory);
  return result;
}

static duk_ret_t host_save(duk_context *ctx) {
  size_t ignored, length;
  char *path = utf8_at(ctx, 0, &ignored);
  const char *name = utf8_at(ctx, 1, &ignored);
  const char *content = utf8_at(ctx, 2, &length);
  duk_push_int(ctx, save(path, name, content, length, duk_require_int(ctx, 3)));
  return 1;
}

static duk_ret_t host_strerror(duk_context *ctx) {
  duk_push_string(ctx, strerror(duk_require_int(ctx, 0)));
  return 1;
}

static duk_ret_t host_note(duk_context *ctx) {
  size_t length;
  const char *text = utf8_at(ctx, 0, &length);
  put(2, text, length);
  return 0;
}

static const duk_function_list_entry functions[] = {
    {"env", host_env, 1},       {"stdin", host_stdin, 1},       {"ask", host_ask, 4}, {"save", host_save, 4},
    {"strerror", host_strerror, 1}, {"note", host_note, 1}, {NULL, NULL, 0},
};

/* A fault of ours must still be an error that the runtime can read. */
static void give_up(void *unused, const char *reason) {
  (void)unused;
  char text[512];
  int length = snprintf(text, sizeof text,
                        "{\"cniVersion\":\"1.1.0\",\"code\":100,\"msg\":\"the Flyover plugin failed\",\"details\":\"%.300s\"}\n",
                        reason ? reason : "no reason given");
  for (int i = 0; i < length - 1; i++) {
    if ((unsigned char)text[i] < ' ' || (unsigned char)text[i] > '~') text[i] = ' ';
  }
  put(1, text, (size_t)length);
  _exit(1);
}

static duk_ret_t run(duk_context *ctx, void *unused) {
  (void)unused;
  duk_push_object(ctx);
  duk_put_function_list(ctx, -1, functions);
  duk_dup(ctx, -1);
  duk_put_global_string(ctx, "flyover");
  void *bytecode = duk_push_fixed_buffer(ctx, sizeof script);
  memcpy(bytecode, script, sizeof script);
  duk_load_function(ctx);
  duk_call(ctx, 0); /* leaves flyover.main */
  duk_pop(ctx);
  duk_get_prop_string(ctx, -1, "main");
  duk_dup(ctx, -2);
  duk_call(ctx, 1);
  duk_get_prop_string(ctx, -1, "exit");
  duk_get_prop_string(ctx, -2, "stdout");
  return 2;
}

int main(void) {
  duk_context *ctx = duk_create_heap(front_alloc, front_realloc, front_free, NULL, give_up);
  if (!ctx) give_up(NULL, "out of memory");
  if (duk_safe_call(ctx, run, NULL, 0, 2) != DUK_EXEC_SUCCESS) {
    /* A text with quotes or backslashes would break the JSON around it. */
    char reason[301];
    snprintf(reason, sizeof reason, "%s", duk_safe_to_string(ctx, -2));
    for (char *at = reason; *at; at++) {
      if (*at == '"' || *at == '\\') *at = '\'';
    }
    give_up(NULL, reason);
  }
  size_t length;
  char *text = utf8_at(ctx, -1, &length);
  if (length > 0) text[length++] = '\n'; /* in place of the end mark */
  if (put(1, text, length) < 0) _exit(1);
  _exit(duk_get_int(ctx, -2));
}

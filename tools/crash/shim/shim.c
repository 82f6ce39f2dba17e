/* A disk that fails, and a power cut: preloaded (LD_PRELOAD) into a process that writes a log.
 *
 *   DAYBOOK_FAULT_ROOT  only files below this folder are looked at; without it nothing happens
 *   DAYBOOK_FAULTS      faults, separated by commas, each once: KIND:OPERATION:NTH
 *                       KIND       eio, enospc    the call fails, nothing is written
 *                                  short          the first half is written, the next call fails (ENOSPC)
 *                                  cut            the power goes before the call
 *                                  stop           the process stops before the call (SIGSTOP) until it is continued
 *                       OPERATION  write (write, writev, pwrite), flush (fsync, fdatasync, msync, and a write
 *                                  through O_DSYNC), resize (ftruncate, and mmap of a file), any
 *   DAYBOOK_FAULT_FLAG  while this file exists, every write fails: with EIO where it holds "EIO", else with ENOSPC
 *   DAYBOOK_FAULT_SEED  of the choice of what survives a cut
 *   DAYBOOK_FAULT_COUNT gets "WRITES FLUSHES RESIZES" when the process ends in good order
 *   DAYBOOK_FAULT_FIRED gets a line KIND:OPERATION:NTH for each fault, before it strikes
 *
 * What a flush has not covered may or may not be on the disk after a cut, sector by sector (512 bytes): for each
 * such sector a coin decides between what it was at the last flush and what it is now. A file that has grown since
 * may have its old length. Then the process is killed. What a failed flush has left counts as lost for ever, as on
 * Linux, where the kernel forgets that such pages were dirty: it is only durable once it is written again.
 *
 * Directory entries (creating, renaming, deleting) are not modelled, nor what is written through a map.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SECTOR = 512, BLOCK = 4096, BUCKETS = 1 << 16, MAX_FILES = 64, MAX_FAULTS = 8 };
enum operation { WRITE, FLUSH, RESIZE, OPERATIONS };
enum kind { NONE, FAIL_EIO, FAIL_ENOSPC, SHORT_WRITE, CUT, STOP };

/* A sector whose content is not, or not certainly, on the disk. */
struct sector {
  struct sector *next;
  int file;
  uint64_t number;
  /* Written since the last flush: the next one that succeeds covers it. */
  int dirty;
  unsigned char durable[SECTOR];
};

struct file {
  dev_t device;
  ino_t inode;
  int descriptor;
  off_t durable_size;
};

struct fault {
  enum kind kind;
  int operation; /* OPERATIONS: any */
  unsigned long nth;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct sector *buckets[BUCKETS];
static struct file files[MAX_FILES];
static int file_count;
static struct fault faults[MAX_FAULTS];
static int fault_count;
static unsigned long counts[OPERATIONS], any_count;
static uint64_t random_state;
static char root[PATH_MAX];
static size_t root_length;
static const char *flag_path, *count_path, *fired_path;
/* After a short write: the rest fails too. */
static int rest_fails;

static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*real_writev)(int, const struct iovec *, int);
static int (*real_fsync)(int), (*real_fdatasync)(int), (*real_ftruncate)(int, off_t);
static int (*real_msync)(void *, size_t, int);
static void *(*real_mmap)(void *, size_t, int, int, int, off_t);

static void die(const char *words) {
  fprintf(stderr, "faultshim: %s\n", words);
  abort();
}

static uint64_t next_random(void) {
  uint64_t mixed = (random_state += 0x9E3779B97F4A7C15u);
  mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9u;
  mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBu;
  return mixed ^ (mixed >> 31);
}

static const char *const kind_names[] = {"none", "eio", "enospc", "short", "cut", "stop"};
static const char *const operation_names[] = {"write", "flush", "resize", "any"};

static enum kind kind_named(const char *name) {
  for (int kind = FAIL_EIO; kind <= STOP; kind++)
    if (!strcmp(name, kind_names[kind])) return (enum kind)kind;
  die("no such kind of fault");
  return NONE;
}

static int operation_named(const char *name) {
  for (int operation = WRITE; operation <= OPERATIONS; operation++)
    if (!strcmp(name, operation_names[operation])) return operation;
  die("no such operation");
  return OPERATIONS;
}

static void read_faults(const char *text) {
  char kind[16], operation[16];
  unsigned long nth;
  int used;
  while (text && *text && fault_count < MAX_FAULTS) {
    if (sscanf(text, "%15[^:]:%15[^:]:%lu%n", kind, operation, &nth, &used) != 3) die("not a fault");
    faults[fault_count++] = (struct fault){kind_named(kind), operation_named(operation), nth};
    text += used;
    if (*text == ',') text++;
  }
}

__attribute__((constructor)) static void begin(void) {
  real_write = dlsym(RTLD_NEXT, "write");
  real_pwrite = dlsym(RTLD_NEXT, "pwrite");
  real_writev = dlsym(RTLD_NEXT, "writev");
  real_fsync = dlsym(RTLD_NEXT, "fsync");
  real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
  real_ftruncate = dlsym(RTLD_NEXT, "ftruncate");
  real_msync = dlsym(RTLD_NEXT, "msync");
  real_mmap = dlsym(RTLD_NEXT, "mmap");
  const char *path = getenv("DAYBOOK_FAULT_ROOT");
  if (!path || !realpath(path, root)) return;
  const char *seed = getenv("DAYBOOK_FAULT_SEED");
  random_state = seed ? strtoull(seed, NULL, 10) : 1;
  flag_path = getenv("DAYBOOK_FAULT_FLAG");
  count_path = getenv("DAYBOOK_FAULT_COUNT");
  fired_path = getenv("DAYBOOK_FAULT_FIRED");
  read_faults(getenv("DAYBOOK_FAULTS"));
  root_length = strlen(root);
}

__attribute__((destructor)) static void end(void) {
  if (!root_length || !count_path) return;
  FILE *out = fopen(count_path, "w");
  if (!out) return;
  fprintf(out, "%lu %lu %lu\n", counts[WRITE], counts[FLUSH], counts[RESIZE]);
  fclose(out);
}

/* A place for another file: a new one, or that of a file that has no name any more, so that a cut says nothing of it. */
static int free_place(void) {
  struct stat status;
  for (int i = 0; i < file_count; i++) {
    if (fstat(files[i].descriptor, &status)) die("a file cannot be looked at");
    if (status.st_nlink) continue;
    for (int bucket = 0; bucket < BUCKETS; bucket++) {
      struct sector **link = &buckets[bucket];
      while (*link) {
        struct sector *each = *link;
        if (each->file != i) {
          link = &each->next;
          continue;
        }
        *link = each->next;
        free(each);
      }
    }
    close(files[i].descriptor);
    return i;
  }
  if (file_count == MAX_FILES) die("too many files");
  return file_count++;
}

/* The index of the file behind `descriptor`; -1 where it is none of ours. */
static int find_file(int descriptor) {
  char link[64], path[PATH_MAX];
  struct stat status;
  if (!root_length || fstat(descriptor, &status) || !S_ISREG(status.st_mode)) return -1;
  for (int i = 0; i < file_count; i++)
    if (files[i].device == status.st_dev && files[i].inode == status.st_ino) return i;
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return -1;
  path[length] = 0;
  if (strncmp(path, root, root_length) || path[root_length] != '/') return -1;
  const char *name = strrchr(path, '/') + 1;
  /* Made anew by whoever opens the log first. */
  if (!strcmp(name, "lock.mdb") || !strcmp(name, "writer.lock") || !strcmp(name, "wake")) return -1;
  int own = open(path, O_RDWR | O_CLOEXEC);
  if (own < 0) return -1;
  int place = free_place();
  files[place] = (struct file){status.st_dev, status.st_ino, own, status.st_size};
  return place;
}

static struct sector **bucket_of(int file, uint64_t number) {
  return &buckets[(number * 0x9E3779B97F4A7C15u + (uint64_t)file) >> 48];
}

/* Keeps what the sectors of a write hold on the disk, before they are written over. */
static void keep_durable(int file, off_t offset, size_t size) {
  if (!size) return;
  for (uint64_t number = offset / SECTOR; number <= (offset + size - 1) / SECTOR; number++) {
    struct sector *known = *bucket_of(file, number);
    while (known && (known->file != file || known->number != number)) known = known->next;
    if (!known) {
      known = calloc(1, sizeof *known);
      if (!known) die("out of memory");
      known->file = file;
      known->number = number;
      /* Short or empty beyond the end: zeros. */
      if (pread(files[file].descriptor, known->durable, SECTOR, (off_t)number * SECTOR) < 0)
        die("cannot read back");
      known->next = *bucket_of(file, number);
      *bucket_of(file, number) = known;
    }
    known->dirty = 1;
  }
}

/* A flush that succeeded (`survives`) or failed; of one write alone where `size` is not 0. */
static void flushed(int file, off_t offset, size_t size, int survives) {
  uint64_t first = size ? offset / SECTOR : 0;
  uint64_t last = size ? (offset + size - 1) / SECTOR : UINT64_MAX;
  for (int i = 0; i < BUCKETS; i++) {
    struct sector **link = &buckets[i];
    while (*link) {
      struct sector *each = *link;
      if (each->file == file && each->dirty && each->number >= first && each->number <= last) {
        each->dirty = 0;
        if (survives) {
          *link = each->next;
          free(each);
          continue;
        }
      }
      link = &each->next;
    }
  }
  struct stat status;
  if (survives && !fstat(files[file].descriptor, &status)) files[file].durable_size = status.st_size;
}

static void cut(void) {
  for (int i = 0; i < BUCKETS; i++)
    for (struct sector *each = buckets[i]; each; each = each->next) {
      if (each->dirty && next_random() & 1) continue;
      if (real_pwrite(files[each->file].descriptor, each->durable, SECTOR,
                      (off_t)each->number * SECTOR) < 0)
        die("cannot write back");
    }
  for (int i = 0; i < file_count; i++) {
    struct stat status;
    if (fstat(files[i].descriptor, &status) || status.st_size <= files[i].durable_size) continue;
    if (next_random() & 1 && real_ftruncate(files[i].descriptor, files[i].durable_size))
      die("cannot truncate");
  }
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

/* Tells that a fault strikes now. */
static void tell(const struct fault *fault) {
  char line[64];
  if (!fired_path) return;
  int descriptor = open(fired_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  int length = snprintf(line, sizeof line, "%s:%s:%lu\n", kind_names[fault->kind],
                        operation_names[fault->operation], fault->nth);
  if (descriptor < 0 || real_write(descriptor, line, length) != length) die("cannot tell");
  close(descriptor);
}

/* What is to happen to this call. */
static enum kind next_fault(enum operation operation) {
  counts[operation]++;
  any_count++;
  enum kind found = NONE;
  for (int i = 0; i < fault_count; i++) {
    int is_any = faults[i].operation == OPERATIONS;
    if (!is_any && faults[i].operation != (int)operation) continue;
    if (faults[i].nth != (is_any ? any_count : counts[operation])) continue;
    tell(&faults[i]);
    /* Also where another fault meets the same call: it would never come again, and the process never end. */
    if (faults[i].kind == CUT) cut();
    if (found == NONE) found = faults[i].kind;
  }
  if (found == STOP) {
    raise(SIGSTOP);
    return NONE;
  }
  if (found != NONE) return found;
  if (operation != FLUSH && flag_path && !access(flag_path, F_OK)) {
    char words[8] = "";
    int descriptor = open(flag_path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return NONE;
    ssize_t count = read(descriptor, words, sizeof words - 1);
    close(descriptor);
    return count >= 3 && !strncmp(words, "EIO", 3) ? FAIL_EIO : FAIL_ENOSPC;
  }
  return NONE;
}

static int error_of(enum kind kind) { return kind == FAIL_EIO ? EIO : ENOSPC; }

/* One write of one buffer at `offset`, with all that may become of it. */
static ssize_t write_at(int file, int descriptor, const void *bytes, size_t size, off_t offset) {
  int is_synchronous = fcntl(descriptor, F_GETFL) & (O_DSYNC | O_SYNC);
  enum kind kind = rest_fails ? FAIL_ENOSPC : next_fault(WRITE);
  rest_fails = 0;
  if (kind == FAIL_EIO || kind == FAIL_ENOSPC) {
    errno = error_of(kind);
    return -1;
  }
  if (kind == SHORT_WRITE && size > 1) {
    size /= 2;
    /* In whole blocks where there is more than one: a write past the page cache (O_DIRECT) is of those alone. */
    if (size > BLOCK) size -= size % BLOCK;
    rest_fails = 1;
  }
  keep_durable(file, offset, size);
  ssize_t written = real_pwrite(descriptor, bytes, size, offset);
  if (written < 0 || !is_synchronous) return written;
  kind = next_fault(FLUSH);
  flushed(file, offset, written, kind == NONE);
  if (kind == NONE) return written;
  errno = error_of(kind);
  return -1;
}

ssize_t pwrite(int descriptor, const void *bytes, size_t size, off_t offset) {
  pthread_mutex_lock(&lock);
  int file = find_file(descriptor);
  ssize_t result = file < 0 ? -2 : write_at(file, descriptor, bytes, size, offset);
  int code = errno;
  pthread_mutex_unlock(&lock);
  errno = code;
  return file < 0 ? real_pwrite(descriptor, bytes, size, offset) : result;
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t size, off64_t offset) {
  return pwrite(descriptor, bytes, size, offset);
}

/* At the place where the descriptor is. The bytes are the caller's own where they lie together: a write past the page
 * cache, as LMDB's copy makes, is refused from a place that is not aligned. */
static ssize_t write_on(int file, int descriptor, const void *bytes, size_t size) {
  off_t offset = lseek(descriptor, 0, SEEK_CUR);
  ssize_t result = write_at(file, descriptor, bytes, size, offset);
  int code = errno;
  if (result > 0) lseek(descriptor, offset + result, SEEK_SET);
  errno = code;
  return result;
}

ssize_t writev(int descriptor, const struct iovec *parts, int count) {
  pthread_mutex_lock(&lock);
  int file = find_file(descriptor);
  if (file < 0) {
    pthread_mutex_unlock(&lock);
    return real_writev(descriptor, parts, count);
  }
  size_t size = 0, used = 0;
  for (int i = 0; i < count; i++) size += parts[i].iov_len;
  char *bytes = malloc(size ? size : 1);
  if (!bytes) die("out of memory");
  for (int i = 0; i < count; used += parts[i].iov_len, i++)
    memcpy(bytes + used, parts[i].iov_base, parts[i].iov_len);
  ssize_t result = write_on(file, descriptor, bytes, size);
  int code = errno;
  free(bytes);
  pthread_mutex_unlock(&lock);
  errno = code;
  return result;
}

ssize_t write(int descriptor, const void *bytes, size_t size) {
  if (!root_length) return real_write(descriptor, bytes, size);
  pthread_mutex_lock(&lock);
  int file = find_file(descriptor);
  ssize_t result = file < 0 ? -2 : write_on(file, descriptor, bytes, size);
  int code = errno;
  pthread_mutex_unlock(&lock);
  errno = code;
  return file < 0 ? real_write(descriptor, bytes, size) : result;
}

static int flush_by(int (*real)(int), int descriptor) {
  pthread_mutex_lock(&lock);
  int file = find_file(descriptor);
  if (file < 0) {
    pthread_mutex_unlock(&lock);
    return real(descriptor);
  }
  enum kind kind = next_fault(FLUSH);
  flushed(file, 0, 0, kind == NONE);
  pthread_mutex_unlock(&lock);
  if (kind == NONE) return 0;
  errno = error_of(kind);
  return -1;
}

int fsync(int descriptor) { return flush_by(real_fsync, descriptor); }

int fdatasync(int descriptor) { return flush_by(real_fdatasync, descriptor); }

int msync(void *address, size_t size, int flags) {
  pthread_mutex_lock(&lock);
  enum kind kind = root_length ? next_fault(FLUSH) : NONE;
  pthread_mutex_unlock(&lock);
  if (kind == NONE) return real_msync(address, size, flags);
  errno = error_of(kind);
  return -1;
}

int ftruncate(int descriptor, off_t size) {
  pthread_mutex_lock(&lock);
  enum kind kind = find_file(descriptor) < 0 ? NONE : next_fault(RESIZE);
  pthread_mutex_unlock(&lock);
  if (kind == NONE) return real_ftruncate(descriptor, size);
  errno = error_of(kind);
  return -1;
}

int ftruncate64(int descriptor, off64_t size) { return ftruncate(descriptor, size); }

void *mmap(void *address, size_t size, int protection, int flags, int descriptor, off_t offset) {
  if (!real_mmap) return (void *)syscall(SYS_mmap, address, size, protection, flags, descriptor, offset);
  if (descriptor >= 0 && root_length) {
    pthread_mutex_lock(&lock);
    enum kind kind = find_file(descriptor) < 0 ? NONE : next_fault(RESIZE);
    pthread_mutex_unlock(&lock);
    if (kind != NONE) {
      errno = kind == FAIL_EIO ? EIO : ENOMEM;
      return MAP_FAILED;
    }
  }
  return real_mmap(address, size, protection, flags, descriptor, offset);
}

void *mmap64(void *address, size_t size, int protection, int flags, int descriptor, off64_t offset) {
  return mmap(address, size, protection, flags, descriptor, offset);
}

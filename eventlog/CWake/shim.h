// futex(2) on a word that processes share, and atomic access to it: `syscall` is variadic and
// Swift's atomics cannot live in mapped memory.
#include <linux/futex.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline uint32_t wake_load(const uint32_t *word) {
  return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static inline void wake_increment(uint32_t *word) {
  __atomic_add_fetch(word, 1, __ATOMIC_RELEASE);
}

static inline void wake_all(uint32_t *word) {
  syscall(SYS_futex, word, FUTEX_WAKE, INT32_MAX, (void *)0, (void *)0, 0);
}

// Returns when somebody woke the word, when it is not `seen` any more, or after the timeout.
static inline void wake_wait(const uint32_t *word, uint32_t seen, int64_t timeout_nanos) {
  // The layout of `struct timespec`; <time.h> here would make that type this module's in Swift.
  long timeout[2] = {timeout_nanos / 1000000000, timeout_nanos % 1000000000};
  syscall(SYS_futex, word, FUTEX_WAIT, seen, timeout, (void *)0, 0);
}

static inline uint64_t wake_load_number(const uint64_t *number) {
  return __atomic_load_n(number, __ATOMIC_ACQUIRE);
}

static inline void wake_store_number(uint64_t *number, uint64_t value) {
  __atomic_store_n(number, value, __ATOMIC_RELEASE);
}

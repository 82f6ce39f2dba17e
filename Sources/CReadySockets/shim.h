// epoll(7): Swift 6.3's view of glibc has none of it.
#include <stdint.h>
#include <sys/epoll.h>

// A descriptor, or -1.
static inline int ready_open(void) { return epoll_create1(EPOLL_CLOEXEC); }

// Watches `socket` for something to read; it is known as `place`. 0, or -1.
static inline int ready_watch(int descriptor, int socket, uint32_t place) {
  struct epoll_event event = {.events = EPOLLIN, .data.u32 = place};
  return epoll_ctl(descriptor, EPOLL_CTL_ADD, socket, &event);
}

enum { ready_max = 16384 };

// Writes at most `ready_max` places of those that can be read; waits for the first. Their number, or -1.
static inline int ready_wait(int descriptor, uint32_t *_Nonnull places, int timeout_millis) {
  struct epoll_event events[ready_max];
  int count = epoll_wait(descriptor, events, ready_max, timeout_millis);
  for (int i = 0; i < count; i++) places[i] = events[i].data.u32;
  return count;
}

#ifndef DAYBOOK_EPOLL_H
#define DAYBOOK_EPOLL_H

#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

// epoll_event holds a union: plain numbers for Swift.

static inline int daybook_epoll_create(void) { return epoll_create1(EPOLL_CLOEXEC); }

static inline int daybook_eventfd_create(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

static inline int daybook_epoll_add_readable(int epoll, int fd, uint64_t token) {
  struct epoll_event event = {.events = EPOLLIN, .data = {.u64 = token}};
  return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

// Reports the end of the peer's side, once.
static inline int daybook_epoll_add_hangup(int epoll, int fd, uint64_t token) {
  struct epoll_event event = {.events = EPOLLRDHUP | EPOLLONESHOT, .data = {.u64 = token}};
  return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static inline int daybook_epoll_remove(int epoll, int fd) {
  struct epoll_event event = {0};
  return epoll_ctl(epoll, EPOLL_CTL_DEL, fd, &event);
}

// Writes at most 64 tokens; returns how many.
static inline int daybook_epoll_wait(int epoll, uint64_t *_Nonnull tokens, int timeout_millis) {
  struct epoll_event events[64];
  int count = epoll_wait(epoll, events, 64, timeout_millis);
  for (int i = 0; i < count; i++) tokens[i] = events[i].data.u64;
  return count;
}

#endif

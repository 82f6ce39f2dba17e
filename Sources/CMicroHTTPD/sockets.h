#ifndef DAYBOOK_SOCKETS_H
#define DAYBOOK_SOCKETS_H

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

// In C because Swift 6.3 finds the enumerators and members of <sys/socket.h> in whichever module
// includes it first, which differs between debug and release builds, and has no epoll at all.

// What daybook_listen returns for a host that does not resolve. Other negatives are -errno.
enum { daybook_address_invalid = -100000 };

// A bound, listening, non-blocking TCP socket; stores its port.
static inline int daybook_listen(const char *_Nonnull host, int port, int backlog,
                                 int *_Nonnull bound_port) {
  struct addrinfo hints, *found = NULL, *chosen;
  char service[8];
  memset(&hints, 0, sizeof hints);
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  snprintf(service, sizeof service, "%d", port);
  if (getaddrinfo(host, service, &hints, &found) != 0 || found == NULL)
    return daybook_address_invalid;
  // localhost is often both families: clients try 127.0.0.1.
  for (chosen = found; chosen->ai_family != AF_INET && chosen->ai_next != NULL;)
    chosen = chosen->ai_next;
  if (chosen->ai_family != AF_INET) chosen = found;
  int result = socket(chosen->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int on = 1;
  struct sockaddr_in6 bound;
  socklen_t length = sizeof bound;
  if (result < 0) {
    result = -errno;
  } else if (setsockopt(result, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
             bind(result, chosen->ai_addr, chosen->ai_addrlen) != 0 ||
             listen(result, backlog) != 0 ||
             getsockname(result, (struct sockaddr *)&bound, &length) != 0) {
    int code = errno;
    close(result);
    result = -code;
  } else {
    // sin_port and sin6_port are at the same place.
    *bound_port = ntohs(bound.sin6_port);
  }
  freeaddrinfo(found);
  return result;
}

enum { daybook_address_bytes_max = sizeof(struct sockaddr_storage) };

// Waits for a connection and takes it: its descriptor, which does not block and is not inherited, or -errno. Writes the
// peer's sockaddr, of at most daybook_address_bytes_max, and its length.
static inline int daybook_accept(int listener, uint8_t *_Nonnull address, int *_Nonnull length) {
  struct pollfd waiting = {.fd = listener, .events = POLLIN};
  if (poll(&waiting, 1, -1) < 0) return -errno;
  socklen_t bytes = sizeof(struct sockaddr_storage);
  int result = accept4(listener, (struct sockaddr *)address, &bytes, SOCK_NONBLOCK | SOCK_CLOEXEC);
  *length = (int)bytes;
  return result < 0 ? -errno : result;
}

static inline void daybook_pause(unsigned int millis) { (void)poll(NULL, 0, (int)millis); }

// Ends both directions; on a listening socket, ends listening.
static inline void daybook_shutdown(int fd) { (void)shutdown(fd, SHUT_RDWR); }

// Writes the 4 or 16 bytes of an address; returns how many, 0 for other families.
static inline int daybook_address_bytes(const void *_Nonnull address, uint8_t *_Nonnull bytes) {
  const struct sockaddr *any = (const struct sockaddr *)address;
  if (any->sa_family == AF_INET) {
    memcpy(bytes, &((const struct sockaddr_in *)address)->sin_addr, 4);
    return 4;
  }
  if (any->sa_family == AF_INET6) {
    memcpy(bytes, &((const struct sockaddr_in6 *)address)->sin6_addr, 16);
    return 16;
  }
  return 0;
}

// Writes the text of 16 bytes of an IPv6 address, at most INET6_ADDRSTRLEN (46) with its zero.
static inline void daybook_ipv6_text(const uint8_t *_Nonnull bytes, char *_Nonnull text) {
  if (inet_ntop(AF_INET6, bytes, text, INET6_ADDRSTRLEN) == NULL) text[0] = 0;
}

// Reads an IPv4 or IPv6 address into 4 or 16 bytes; returns how many, 0 where it is neither.
static inline int daybook_address_parse(const char *_Nonnull text, uint8_t *_Nonnull bytes) {
  if (inet_pton(AF_INET, text, bytes) == 1) return 4;
  if (inet_pton(AF_INET6, text, bytes) == 1) return 16;
  return 0;
}

// epoll_event holds a union: plain numbers for Swift.

static inline int daybook_epoll_create(void) { return epoll_create1(EPOLL_CLOEXEC); }

static inline int daybook_eventfd_create(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

static inline void daybook_eventfd_ring(int fd) { (void)eventfd_write(fd, 1); }

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

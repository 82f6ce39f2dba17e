#ifndef DAYBOOK_MICROHTTPD_SHIM_H
#define DAYBOOK_MICROHTTPD_SHIM_H

#include <microhttpd.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

// Swift imports neither variadic functions nor function-typed option values: these do the calls
// that need them, and nothing else.

struct daybook_mhd_config {
  unsigned int threads;
  unsigned int connection_limit;
  unsigned int idle_timeout_seconds;
  size_t connection_memory_bytes;
  // PEM text, or NULL for plain HTTP. MHD keeps the pointers while it runs.
  const char *_Nullable tls_key;
  const char *_Nullable tls_certificate;
  const char *_Nullable tls_priorities;
};

typedef void *_Nullable (*daybook_mhd_uri_callback)(void *_Nullable cls, const char *_Nullable uri,
                                                   struct MHD_Connection *_Nullable connection);

static inline struct MHD_Daemon *_Nullable daybook_mhd_start(
    const struct daybook_mhd_config *_Nonnull config, MHD_AcceptPolicyCallback _Nonnull on_accept,
    MHD_AccessHandlerCallback _Nonnull handler, daybook_mhd_uri_callback _Nonnull on_uri, MHD_RequestCompletedCallback _Nonnull on_completed,
    MHD_NotifyConnectionCallback _Nonnull on_connection, void *_Nonnull cls) {
  unsigned int flags =
      MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET;
  struct MHD_OptionItem items[16];
  unsigned int count = 0;
#define DAYBOOK_MHD_OPTION(name, number, pointer) \
  items[count++] = (struct MHD_OptionItem) { (name), (intptr_t) (number), (void *) (pointer) }
  // A pool of one is refused: MHD's own single thread is meant then.
  if (config->threads > 1)
    DAYBOOK_MHD_OPTION(MHD_OPTION_THREAD_POOL_SIZE, config->threads, NULL);
  DAYBOOK_MHD_OPTION(MHD_OPTION_CONNECTION_LIMIT, config->connection_limit, NULL);
  DAYBOOK_MHD_OPTION(MHD_OPTION_CONNECTION_TIMEOUT, config->idle_timeout_seconds, NULL);
  DAYBOOK_MHD_OPTION(MHD_OPTION_CONNECTION_MEMORY_LIMIT, config->connection_memory_bytes, NULL);
  DAYBOOK_MHD_OPTION(MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL);
  DAYBOOK_MHD_OPTION(MHD_OPTION_URI_LOG_CALLBACK, (intptr_t) on_uri, cls);
  DAYBOOK_MHD_OPTION(MHD_OPTION_NOTIFY_COMPLETED, (intptr_t) on_completed, cls);
  DAYBOOK_MHD_OPTION(MHD_OPTION_NOTIFY_CONNECTION, (intptr_t) on_connection, cls);
  if (config->tls_key != NULL && config->tls_certificate != NULL) {
    flags |= MHD_USE_TLS;
    DAYBOOK_MHD_OPTION(MHD_OPTION_HTTPS_MEM_KEY, 0, config->tls_key);
    DAYBOOK_MHD_OPTION(MHD_OPTION_HTTPS_MEM_CERT, 0, config->tls_certificate);
    DAYBOOK_MHD_OPTION(MHD_OPTION_HTTPS_PRIORITIES, 0, config->tls_priorities);
  }
  DAYBOOK_MHD_OPTION(MHD_OPTION_END, 0, NULL);
#undef DAYBOOK_MHD_OPTION
  return MHD_start_daemon(flags, 0, on_accept, cls, handler, cls, MHD_OPTION_ARRAY, items,
                          MHD_OPTION_END);
}

// Takes over `fd`, whose peer's sockaddr is `address`; 0 where it was not wanted, and closed.
static inline int daybook_mhd_add_connection(
    struct MHD_Daemon *_Nonnull daemon, int fd, const void *_Nonnull address,
    socklen_t address_bytes) {
  return MHD_add_connection(daemon, fd, (const struct sockaddr *)address, address_bytes) == MHD_YES;
}

static inline int daybook_mhd_connection_fd(struct MHD_Connection *_Nonnull connection) {
  const union MHD_ConnectionInfo *info =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  return info == NULL ? -1 : info->connect_fd;
}

// From the first byte of the method to the last of the empty line.
static inline size_t daybook_mhd_head_bytes(struct MHD_Connection *_Nonnull connection) {
  const union MHD_ConnectionInfo *info =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
  return info == NULL ? 0 : info->header_size;
}

// A sockaddr.
static inline const void *_Nullable daybook_mhd_connection_address(
    struct MHD_Connection *_Nonnull connection) {
  const union MHD_ConnectionInfo *info =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  return info == NULL ? NULL : info->client_addr;
}

// What the connection callback stored for this socket.
static inline void *_Nullable daybook_mhd_socket_context(
    struct MHD_Connection *_Nonnull connection) {
  const union MHD_ConnectionInfo *info =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  return info == NULL ? NULL : info->socket_context;
}

#endif

#define _GNU_SOURCE
#include "pages.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

// Both are called by libmicrohttpd itself through its procedure linkage table, so that a program's functions of the
// same names are called instead (ld.so(8), symbol lookup). Why: Sources/HTTP/Server/decisions/0003.

static enum MHD_Result (*queue_response)(
    struct MHD_Connection *, unsigned int, struct MHD_Response *);
static enum MHD_Result (*lookup_value)(
    struct MHD_Connection *, enum MHD_ValueKind, const char *, size_t, const char **, size_t *);

static _Atomic(daybook_mhd_page) replacement;

__attribute__((constructor)) static void find_originals(void) {
  *(void **)&queue_response = dlsym(RTLD_NEXT, "MHD_queue_response");
  *(void **)&lookup_value = dlsym(RTLD_NEXT, "MHD_lookup_connection_value_n");
}

void daybook_mhd_replace_pages(daybook_mhd_page page) { atomic_store(&replacement, page); }

enum MHD_Result daybook_mhd_queue_response(
    struct MHD_Connection *connection, unsigned int status, struct MHD_Response *response) {
  return queue_response(connection, status, response);
}

void daybook_mhd_end_with_connection(struct MHD_Response *response) {
  MHD_set_response_options(response, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
}

// Called for pages alone: what is ours goes by daybook_mhd_queue_response.
enum MHD_Result MHD_queue_response(
    struct MHD_Connection *connection, unsigned int status, struct MHD_Response *page) {
  daybook_mhd_page replace = atomic_load(&replacement);
  struct MHD_Response *ours = replace == NULL ? NULL : replace(connection, status);
  if (ours == NULL) return queue_response(connection, status, page);
  enum MHD_Result result = queue_response(connection, status, ours);
  MHD_destroy_response(ours);
  return result;
}

static int names(const char *key, size_t key_size, const char *name) {
  return key_size == strlen(name) && strncasecmp(key, name, key_size) == 0;
}

// A length that fits into 63 bits. What is none by these rules the handler refuses by the same (Framing.swift,
// isLength): otherwise its body would be read as the next request.
static int is_length(const char *text, size_t size) {
  if (text == NULL || size == 0 || size > 18) return 0;
  for (size_t i = 0; i < size; i++)
    if (text[i] < '0' || text[i] > '9') return 0;
  return 1;
}

// Asked between the head and the first call of the handler for fields without which there is no handler. The page in
// its place has its head twice (0.9.75), so that no answer of ours would do: both faults are left to the handler. So has
// that for a cookie which does not fit into the pool once more, where it would be taken apart for nobody.
enum MHD_Result MHD_lookup_connection_value_n(
    struct MHD_Connection *connection, enum MHD_ValueKind kind, const char *key, size_t key_size,
    const char **value, size_t *value_size) {
  const char *text = NULL;
  size_t size = 0;
  enum MHD_Result result = lookup_value(connection, kind, key, key_size, &text, &size);
  if (kind == MHD_HEADER_KIND && key != NULL) {
    if (names(key, key_size, MHD_HTTP_HEADER_HOST)) return MHD_YES;
    if (names(key, key_size, MHD_HTTP_HEADER_COOKIE)) return MHD_NO;
    if (names(key, key_size, MHD_HTTP_HEADER_CONTENT_LENGTH) && !is_length(text, size))
      return MHD_NO;
  }
  if (value != NULL) *value = text;
  if (value_size != NULL) *value_size = size;
  return result;
}

// Of the library that libmicrohttpd is linked with; not looked for before a connection of TLS is there.
static void send_by_tls(void *session, const char *bytes, size_t count) {
  static _Atomic(void *) found;
  void *send_record = atomic_load(&found);
  if (send_record == NULL) {
    send_record = dlsym(RTLD_DEFAULT, "gnutls_record_send");
    atomic_store(&found, send_record);
  }
  if (send_record == NULL) return;
  ssize_t (*record_send)(void *, const void *, size_t);
  *(void **)&record_send = send_record;
  (void)record_send(session, bytes, count);
}

void daybook_mhd_say(
    struct MHD_Connection *connection, unsigned int status, const char *fields, const void *body,
    size_t body_bytes) {
  char answer[4096], date[64] = "";
  time_t now = time(NULL);
  struct tm utc;
  if (gmtime_r(&now, &utc) != NULL)
    strftime(date, sizeof date, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &utc);
  int head_bytes = snprintf(
      answer, sizeof answer, "HTTP/1.1 %u %s\r\n%s%sContent-Length: %zu\r\nConnection: close\r\n\r\n",
      status, MHD_get_reason_phrase_for(status), date, fields, body_bytes);
  if (head_bytes < 0 || (size_t)head_bytes > sizeof answer - body_bytes || body_bytes > sizeof answer)
    return;
  memcpy(answer + head_bytes, body, body_bytes);
  size_t count = (size_t)head_bytes + body_bytes;
  const union MHD_ConnectionInfo *tls =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
  const union MHD_ConnectionInfo *socket =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  if (socket == NULL) return;
  if (tls != NULL && tls->tls_session != NULL)
    send_by_tls(tls->tls_session, answer, count);
  else
    (void)send(socket->connect_fd, answer, count, MSG_NOSIGNAL | MSG_DONTWAIT);
  // What came behind the head and is never read would be answered with a reset, which takes the answer with it.
  char rest[4096];
  for (int i = 0; i < 64; i++)
    if (recv(socket->connect_fd, rest, sizeof rest, MSG_DONTWAIT) <= 0) break;
}

#define _GNU_SOURCE
#include "pages.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <string.h>

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

// A length that fits into 63 bits.
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

#ifndef DAYBOOK_CURL_SHIM_H
#define DAYBOOK_CURL_SHIM_H

#include <curl/curl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

// curl_easy_setopt, curl_multi_setopt and curl_easy_getinfo are variadic: one function a value type.

static inline CURLcode daybook_curl_set_long(CURL *_Nonnull easy, CURLoption option, long value) {
  return curl_easy_setopt(easy, option, value);
}

static inline CURLcode daybook_curl_set_size(CURL *_Nonnull easy, CURLoption option,
                                             curl_off_t value) {
  return curl_easy_setopt(easy, option, value);
}

// curl copies strings, except CURLOPT_POSTFIELDS.
static inline CURLcode daybook_curl_set_string(CURL *_Nonnull easy, CURLoption option,
                                               const char *_Nullable value) {
  return curl_easy_setopt(easy, option, value);
}

static inline CURLcode daybook_curl_set_pointer(CURL *_Nonnull easy, CURLoption option,
                                                void *_Nullable value) {
  return curl_easy_setopt(easy, option, value);
}

static inline CURLcode daybook_curl_set_headers(CURL *_Nonnull easy,
                                                struct curl_slist *_Nullable headers) {
  return curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
}

typedef size_t (*daybook_curl_data_callback)(char *_Nullable data, size_t size, size_t count,
                                             void *_Nullable context);
typedef curl_socket_t (*daybook_curl_socket_callback)(void *_Nullable context,
                                                      curlsocktype purpose,
                                                      struct curl_sockaddr *_Nullable address);
typedef int (*daybook_curl_prerequest_callback)(void *_Nullable context,
                                                char *_Nullable remote_address,
                                                char *_Nullable local_address, int remote_port,
                                                int local_port);

// Every callback of one transfer gets the same context.
static inline CURLcode daybook_curl_set_callbacks(
    CURL *_Nonnull easy, void *_Nonnull context, daybook_curl_data_callback _Nonnull on_header,
    daybook_curl_data_callback _Nonnull on_body, daybook_curl_socket_callback _Nonnull on_socket,
    daybook_curl_prerequest_callback _Nonnull on_prerequest) {
  CURLcode code = curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
  if (code == CURLE_OK) code = curl_easy_setopt(easy, CURLOPT_HEADERDATA, context);
  if (code == CURLE_OK) code = curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
  if (code == CURLE_OK) code = curl_easy_setopt(easy, CURLOPT_WRITEDATA, context);
  if (code == CURLE_OK) code = curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_socket);
  if (code == CURLE_OK) code = curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, context);
  if (code == CURLE_OK) code = curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_prerequest);
  if (code == CURLE_OK) code = curl_easy_setopt(easy, CURLOPT_PREREQDATA, context);
  return code;
}

// The sockaddr of an address that curl is about to connect to, and a socket for it.
static inline const void *_Nonnull daybook_curl_address(
    const struct curl_sockaddr *_Nonnull address) {
  return &address->addr;
}

static inline curl_socket_t daybook_curl_open_socket(
    const struct curl_sockaddr *_Nonnull address) {
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static inline CURLcode daybook_curl_get_long(CURL *_Nonnull easy, CURLINFO info,
                                             long *_Nonnull value) {
  return curl_easy_getinfo(easy, info, value);
}

static inline CURLcode daybook_curl_get_pointer(CURL *_Nonnull easy, CURLINFO info,
                                                void *_Nullable *_Nonnull value) {
  return curl_easy_getinfo(easy, info, value);
}

static inline CURLMcode daybook_curl_multi_set_long(CURLM *_Nonnull multi, CURLMoption option,
                                                    long value) {
  return curl_multi_setopt(multi, option, value);
}

static inline CURLcode daybook_curl_message_result(const CURLMsg *_Nonnull message) {
  return message->data.result;
}

// With CURLOPT_NOSIGNAL curl leaves SIGPIPE alone, and OpenSSL writes without MSG_NOSIGNAL. A
// thread that blocks the signal gets EPIPE instead.
static inline int daybook_block_sigpipe(void) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGPIPE);
  return pthread_sigmask(SIG_BLOCK, &signals, NULL);
}

#endif

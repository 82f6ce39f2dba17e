#ifndef DAYBOOK_MICROHTTPD_PAGES_H
#define DAYBOOK_MICROHTTPD_PAGES_H

#include <microhttpd.h>

// What libmicrohttpd 0.9.75 does by itself where nobody is asked: it answers what is not well-formed with pages of
// HTML. The calls for these go through the dynamic linker, which finds the functions of this target first.

// Makes the answer in the place of a page with `status`. The caller destroys it; NULL: the page is sent.
typedef struct MHD_Response *_Nullable (*daybook_mhd_page)(
    struct MHD_Connection *_Nonnull connection, unsigned int status);

// From now on, for every daemon of this process.
void daybook_mhd_replace_pages(daybook_mhd_page _Nonnull page);

// Queues an answer of ours.
enum MHD_Result daybook_mhd_queue_response(
    struct MHD_Connection *_Nonnull connection, unsigned int status,
    struct MHD_Response *_Nonnull response);

// Ends a body of unknown size with the connection, instead of in chunks: the answer to a HEAD has no body, and MHD sends
// the end of its chunks all the same.
void daybook_mhd_end_with_connection(struct MHD_Response *_Nonnull response);

// Sends an answer by itself, whose connection the caller then ends: for where the library has no memory for its head.
// `fields`: lines, each with its end. As much as the socket takes at once.
void daybook_mhd_say(
    struct MHD_Connection *_Nonnull connection, unsigned int status, const char *_Nonnull fields,
    const void *_Nonnull body, size_t body_bytes);

#endif

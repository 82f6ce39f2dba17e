#ifndef DAYBOOK_SHA256_LANES_H
#define DAYBOOK_SHA256_LANES_H

#include <stddef.h>
#include <stdint.h>

// SHA-256 (FIPS 180-4) of many messages of whole blocks, sixteen in step: a lane of AVX-512 each.

// Whether this processor, and its operating system, can.
int sha256_lanes_are_supported(void);

// Goes on from each of `count` chaining values (eight words each, one after the other) over `block_counts[i]` blocks of
// 64 bytes that begin at `messages + offsets[i]`. Only where it is supported.
void sha256_lanes(
    uint32_t *chains, const uint8_t *messages, const uint32_t *offsets, const uint32_t *block_counts,
    size_t count);

#endif

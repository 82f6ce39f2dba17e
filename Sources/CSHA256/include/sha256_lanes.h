#ifndef DAYBOOK_SHA256_LANES_H
#define DAYBOOK_SHA256_LANES_H

#include <stddef.h>
#include <stdint.h>

// SHA-256 (FIPS 180-4) of many messages of whole blocks. Each function goes on from each of `count` chaining values (eight words
// each, one after the other) over `block_counts[i]` blocks (one or more) of 64 bytes that begin at `messages + offsets[i]`. Only where it is
// supported: by this processor, and its operating system.

// Sixteen in step: a lane of AVX-512 each.
int sha256_lanes_are_supported(void);
void sha256_lanes(
    uint32_t *chains, const uint8_t *messages, const uint32_t *offsets, const uint32_t *block_counts,
    size_t count);

// Two in turns, with the instructions for SHA-256.
int sha256_pairs_are_supported(void);
void sha256_pairs(
    uint32_t *chains, const uint8_t *messages, const uint32_t *offsets, const uint32_t *block_counts,
    size_t count);

#endif

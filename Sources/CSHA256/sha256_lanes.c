// One word of sixteen messages in each register: the rounds are those of FIPS 180-4, 6.2.2, and never look at another lane.
#include "sha256_lanes.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#define LANES 16
#define AVX512 __attribute__((target("avx512f,avx512bw")))

// FIPS 180-4, 4.2.2.
static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

// Rows become columns.
AVX512 static inline void transpose(__m512i rows[LANES]) {
  __m512i pairs[LANES];
  for (int i = 0; i < 8; i++) {
    pairs[2 * i] = _mm512_unpacklo_epi32(rows[2 * i], rows[2 * i + 1]);
    pairs[2 * i + 1] = _mm512_unpackhi_epi32(rows[2 * i], rows[2 * i + 1]);
  }
  for (int i = 0; i < 4; i++) {
    rows[4 * i] = _mm512_unpacklo_epi64(pairs[4 * i], pairs[4 * i + 2]);
    rows[4 * i + 1] = _mm512_unpackhi_epi64(pairs[4 * i], pairs[4 * i + 2]);
    rows[4 * i + 2] = _mm512_unpacklo_epi64(pairs[4 * i + 1], pairs[4 * i + 3]);
    rows[4 * i + 3] = _mm512_unpackhi_epi64(pairs[4 * i + 1], pairs[4 * i + 3]);
  }
  for (int i = 0; i < 4; i++) {
    pairs[i] = _mm512_shuffle_i32x4(rows[i], rows[i + 4], 0x88);
    pairs[i + 4] = _mm512_shuffle_i32x4(rows[i], rows[i + 4], 0xdd);
    pairs[i + 8] = _mm512_shuffle_i32x4(rows[i + 8], rows[i + 12], 0x88);
    pairs[i + 12] = _mm512_shuffle_i32x4(rows[i + 8], rows[i + 12], 0xdd);
  }
  for (int i = 0; i < 4; i++) {
    rows[i] = _mm512_shuffle_i32x4(pairs[i], pairs[i + 8], 0x88);
    rows[i + 8] = _mm512_shuffle_i32x4(pairs[i], pairs[i + 8], 0xdd);
    rows[i + 4] = _mm512_shuffle_i32x4(pairs[i + 4], pairs[i + 12], 0x88);
    rows[i + 12] = _mm512_shuffle_i32x4(pairs[i + 4], pairs[i + 12], 0xdd);
  }
}

#define ADD _mm512_add_epi32
#define ROTATE _mm512_ror_epi32
#define SHIFT _mm512_srli_epi32
// Truth tables of three inputs: their parity, the choice of the first, the majority.
#define PARITY(a, b, c) _mm512_ternarylogic_epi32(a, b, c, 0x96)
#define CHOICE(a, b, c) _mm512_ternarylogic_epi32(a, b, c, 0xca)
#define MAJORITY(a, b, c) _mm512_ternarylogic_epi32(a, b, c, 0xe8)

// One block of each lane in `mask`: `words` are its sixteen numbers.
AVX512 static inline void compress(__m512i state[8], __m512i words[16], __mmask16 mask) {
  __m512i a = state[0], b = state[1], c = state[2], d = state[3];
  __m512i e = state[4], f = state[5], g = state[6], h = state[7];
#pragma clang loop unroll(full)
  for (int i = 0; i < 64; i++) {
    if (i >= 16) {
      const __m512i early = words[(i - 15) & 15], late = words[(i - 2) & 15];
      const __m512i first = PARITY(ROTATE(early, 7), ROTATE(early, 18), SHIFT(early, 3));
      const __m512i second = PARITY(ROTATE(late, 17), ROTATE(late, 19), SHIFT(late, 10));
      words[i & 15] = ADD(ADD(words[i & 15], first), ADD(words[(i - 7) & 15], second));
    }
    const __m512i constant = _mm512_set1_epi32((int)round_constants[i]);
    const __m512i one = ADD(
        ADD(ADD(h, constant), ADD(words[i & 15], CHOICE(e, f, g))),
        PARITY(ROTATE(e, 6), ROTATE(e, 11), ROTATE(e, 25)));
    const __m512i two = ADD(MAJORITY(a, b, c), PARITY(ROTATE(a, 2), ROTATE(a, 13), ROTATE(a, 22)));
    h = g, g = f, f = e, e = ADD(d, one), d = c, c = b, b = a, a = ADD(one, two);
  }
  const __m512i changes[8] = {a, b, c, d, e, f, g, h};
  for (int i = 0; i < 8; i++) state[i] = _mm512_mask_add_epi32(state[i], mask, state[i], changes[i]);
}

// The sixteen messages, or fewer, that `order` names.
AVX512 static void hash_some(
    uint32_t *chains, const uint8_t *messages, const uint32_t *offsets, const uint32_t *block_counts,
    const uint8_t *order, size_t count) {
  static const uint8_t nothing[64];
  const __m512i big_endian = _mm512_set4_epi32(0x0c0d0e0f, 0x08090a0b, 0x04050607, 0x00010203);
  uint32_t left[LANES] = {0};
  const uint8_t *start[LANES];
  uint32_t most = 0;
  __m512i state[LANES];
  for (size_t lane = 0; lane < LANES; lane++) {
    state[lane] = _mm512_setzero_si512();
    if (lane >= count) continue;
    const size_t message = order[lane];
    state[lane] = _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(chains + 8 * message)));
    start[lane] = messages + offsets[message];
    left[lane] = block_counts[message];
    if (left[lane] > most) most = left[lane];
  }
  transpose(state);
  const __m512i counts = _mm512_loadu_si512(left);
  for (uint32_t block = 0; block < most; block++) {
    const __mmask16 mask = _mm512_cmpgt_epu32_mask(counts, _mm512_set1_epi32((int)block));
    __m512i words[LANES];
    for (size_t lane = 0; lane < LANES; lane++) {
      const uint8_t *bytes = left[lane] > block ? start[lane] + 64 * (size_t)block : nothing;
      words[lane] = _mm512_shuffle_epi8(_mm512_loadu_si512(bytes), big_endian);
    }
    transpose(words);
    compress(state, words, mask);
  }
  transpose(state);
  for (size_t lane = 0; lane < count; lane++) {
    _mm256_storeu_si256((__m256i *)(chains + 8 * order[lane]), _mm512_castsi512_si256(state[lane]));
  }
}

// How many messages are put in order together.
#define WINDOW 256

// Messages of the same length next to each other: sixteen in step take as long as the longest of them. Those of so many
// blocks or more count as equal.
#define LENGTHS 16

static void sort_by_length(const uint32_t *block_counts, size_t count, uint8_t order[WINDOW]) {
  uint32_t next[LENGTHS + 1] = {0};
  uint32_t different = 0;
  for (size_t i = 0; i < count; i++) different |= block_counts[i] ^ block_counts[0];
  if (!different) {
    for (size_t i = 0; i < count; i++) order[i] = (uint8_t)i;
    return;
  }
  for (size_t i = 0; i < count; i++) {
    next[1 + (block_counts[i] < LENGTHS ? block_counts[i] : LENGTHS - 1)]++;
  }
  for (size_t length = 1; length < LENGTHS; length++) next[length] += next[length - 1];
  for (size_t i = 0; i < count; i++) {
    order[next[block_counts[i] < LENGTHS ? block_counts[i] : LENGTHS - 1]++] = (uint8_t)i;
  }
}

int sha256_lanes_are_supported(void) {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
}

void sha256_lanes(
    uint32_t *chains, const uint8_t *messages, const uint32_t *offsets, const uint32_t *block_counts,
    size_t count) {
  uint8_t order[WINDOW];
  for (size_t first = 0; first < count; first += WINDOW) {
    const size_t window = count - first < WINDOW ? count - first : WINDOW;
    sort_by_length(block_counts + first, window, order);
    for (size_t lane = 0; lane < window; lane += LANES) {
      const size_t some = window - lane < LANES ? window - lane : LANES;
      hash_some(
          chains + 8 * first, messages, offsets + first, block_counts + first, order + lane, some);
    }
  }
}

#else

int sha256_lanes_are_supported(void) { return 0; }

void sha256_lanes(
    uint32_t *chains, const uint8_t *messages, const uint32_t *offsets, const uint32_t *block_counts,
    size_t count) {
  (void)chains, (void)messages, (void)offsets, (void)block_counts, (void)count;
  __builtin_trap();
}

#endif

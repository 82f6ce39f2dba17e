// Two messages in turns, with the processor's own instructions for SHA-256: one alone waits most of the time for its own last result.
#include "sha256_lanes.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

#include "round_constants.h"

#define SHA_NI __attribute__((target("sha,sse4.1,ssse3")))
#define INLINE __attribute__((always_inline)) SHA_NI static inline

// A message on its way. The instructions take the eight words from two registers, the first letter in the highest place.
struct lane {
  __m128i abef, cdgh;
  // Before the block in progress.
  __m128i abef_before, cdgh_before;
  __m128i words[4];
  uint32_t *chain;
  const uint8_t *next;
  uint32_t left;
};

INLINE void begin(struct lane *lane, uint32_t *chain, const uint8_t *message, uint32_t block_count) {
  const __m128i dcba = _mm_loadu_si128((const __m128i *)chain);
  const __m128i hgfe = _mm_loadu_si128((const __m128i *)(chain + 4));
  const __m128i cdab = _mm_shuffle_epi32(dcba, 0xb1), efgh = _mm_shuffle_epi32(hgfe, 0x1b);
  lane->abef = _mm_alignr_epi8(cdab, efgh, 8);
  lane->cdgh = _mm_blend_epi16(efgh, cdab, 0xf0);
  lane->chain = chain;
  lane->next = message;
  lane->left = block_count;
}

INLINE void end(struct lane *lane) {
  const __m128i feba = _mm_shuffle_epi32(lane->abef, 0x1b);
  const __m128i dchg = _mm_shuffle_epi32(lane->cdgh, 0xb1);
  _mm_storeu_si128((__m128i *)lane->chain, _mm_blend_epi16(feba, dchg, 0xf0));
  _mm_storeu_si128((__m128i *)(lane->chain + 4), _mm_alignr_epi8(dchg, feba, 8));
}

INLINE void load(struct lane *lane) {
  const __m128i big_endian = _mm_set_epi32(0x0c0d0e0f, 0x08090a0b, 0x04050607, 0x00010203);
  for (int i = 0; i < 4; i++) {
    const __m128i bytes = _mm_loadu_si128((const __m128i *)lane->next + i);
    lane->words[i] = _mm_shuffle_epi8(bytes, big_endian);
  }
  lane->next += 64;
  lane->left--;
  lane->abef_before = lane->abef;
  lane->cdgh_before = lane->cdgh;
}

// Rounds 4 * `i` to 4 * `i` + 3.
INLINE void compress(struct lane *lane, int i) {
  __m128i *words = lane->words;
  if (i >= 4) {
    const __m128i first = _mm_sha256msg1_epu32(words[i & 3], words[(i + 1) & 3]);
    const __m128i second = _mm_alignr_epi8(words[(i + 3) & 3], words[(i + 2) & 3], 4);
    words[i & 3] = _mm_sha256msg2_epu32(_mm_add_epi32(first, second), words[(i + 3) & 3]);
  }
  const __m128i constants = _mm_loadu_si128((const __m128i *)(round_constants + 4 * i));
  const __m128i sum = _mm_add_epi32(words[i & 3], constants);
  lane->cdgh = _mm_sha256rnds2_epu32(lane->cdgh, lane->abef, sum);
  lane->abef = _mm_sha256rnds2_epu32(lane->abef, lane->cdgh, _mm_shuffle_epi32(sum, 0x0e));
}

INLINE void add(struct lane *lane) {
  lane->abef = _mm_add_epi32(lane->abef, lane->abef_before);
  lane->cdgh = _mm_add_epi32(lane->cdgh, lane->cdgh_before);
}

SHA_NI static void hash_both(struct lane *first, struct lane *second, uint32_t block_count) {
  // In registers meanwhile.
  struct lane one = *first, other = *second;
  for (uint32_t block = 0; block < block_count; block++) {
    load(&one);
    load(&other);
#pragma clang loop unroll(full)
    for (int i = 0; i < 16; i++) {
      compress(&one, i);
      compress(&other, i);
    }
    add(&one);
    add(&other);
  }
  *first = one;
  *second = other;
}

SHA_NI static void hash_rest(struct lane *lane) {
  struct lane one = *lane;
  while (one.left > 0) {
    load(&one);
#pragma clang loop unroll(full)
    for (int i = 0; i < 16; i++) compress(&one, i);
    add(&one);
  }
  *lane = one;
}

int sha256_pairs_are_supported(void) {
  unsigned a, b, c, d;
  return __builtin_cpu_supports("sse4.1") && __get_cpuid_count(7, 0, &a, &b, &c, &d)
      && (b & bit_SHA) != 0;
}

SHA_NI void sha256_pairs(
    uint32_t *chains, const uint8_t *messages, const uint32_t *offsets, const uint32_t *block_counts,
    size_t count) {
  struct lane lanes[2];
  size_t next = 0;
  size_t busy = 0;
  for (; busy < 2 && next < count; busy++, next++) {
    begin(&lanes[busy], chains + 8 * next, messages + offsets[next], block_counts[next]);
  }
  while (busy == 2) {
    struct lane *shorter = lanes[0].left < lanes[1].left ? &lanes[0] : &lanes[1];
    hash_both(&lanes[0], &lanes[1], shorter->left);
    end(shorter);
    if (next < count) {
      begin(shorter, chains + 8 * next, messages + offsets[next], block_counts[next]);
      next++;
    } else {
      if (shorter == &lanes[0]) lanes[0] = lanes[1];
      busy = 1;
    }
  }
  if (busy == 0) return;
  hash_rest(&lanes[0]);
  end(&lanes[0]);
}

#else

int sha256_pairs_are_supported(void) { return 0; }

void sha256_pairs(
    uint32_t *chains, const uint8_t *messages, const uint32_t *offsets, const uint32_t *block_counts,
    size_t count) {
  (void)chains, (void)messages, (void)offsets, (void)block_counts, (void)count;
  __builtin_trap();
}

#endif

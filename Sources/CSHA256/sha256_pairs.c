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

// What is left of a message, alone.
INLINE void finish(struct lane *lane) {
  while (lane->left > 0) {
    load(lane);
#pragma clang loop unroll(full)
    for (int i = 0; i < 16; i++) compress(lane, i);
    add(lane);
  }
  end(lane);
}

int sha256_pairs_are_supported(void) {
  unsigned a, b, c, d;
  return __builtin_cpu_supports("sse4.1") && __get_cpuid_count(7, 0, &a, &b, &c, &d)
      && (b & bit_SHA) != 0;
}

SHA_NI void sha256_pairs(
    uint32_t *chains, const uint8_t *messages, const uint32_t *offsets, const uint32_t *block_counts,
    size_t count) {
  // Two variables that nothing points to stay in registers from message to message; an array of two does not, and takes twice the time.
  struct lane one, other;
  size_t next = 2;
  if (count == 0) return;
  begin(&one, chains, messages + offsets[0], block_counts[0]);
  if (count == 1) return finish(&one);
  begin(&other, chains + 8, messages + offsets[1], block_counts[1]);
  while (1) {
    do {
      load(&one);
      load(&other);
#pragma clang loop unroll(full)
      for (int i = 0; i < 16; i++) {
        compress(&one, i);
        compress(&other, i);
      }
      add(&one);
      add(&other);
    } while (one.left > 0 && other.left > 0);
    if (one.left == 0) {
      end(&one);
      // Of two that end together neither has a block left.
      if (next == count) return finish(&other);
      begin(&one, chains + 8 * next, messages + offsets[next], block_counts[next]);
      next++;
    }
    if (other.left == 0) {
      end(&other);
      if (next == count) return finish(&one);
      begin(&other, chains + 8 * next, messages + offsets[next], block_counts[next]);
      next++;
    }
  }
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

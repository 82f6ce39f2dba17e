// One word of sixteen messages in each register: the rounds are those of FIPS 180-4, 6.2.2, and never look at another lane.
#include "sha256_lanes.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include "round_constants.h"

#define LANES 16
#define AVX512 __attribute__((target("avx512f,avx512bw")))
#define INLINE __attribute__((always_inline)) AVX512 static inline

// Rows become columns.
INLINE void transpose(__m512i rows[LANES]) {
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

// Sixteen messages in step, or fewer.
struct group {
  __m512i state[8];
  // Of the block in progress.
  __m512i words[LANES];
  __m512i variables[8];
  __mmask16 mask;
  const uint8_t *start[LANES];
  uint32_t left[LANES];
  uint32_t most;
};

// Of the messages that `order` names.
INLINE void begin(
    struct group *group, const uint32_t *chains, const uint8_t *messages, const uint32_t *offsets,
    const uint32_t *block_counts, const uint8_t *order, size_t count) {
  __m512i rows[LANES];
  group->most = 0;
  for (size_t lane = 0; lane < LANES; lane++) {
    rows[lane] = _mm512_setzero_si512();
    group->left[lane] = 0;
    if (lane >= count) continue;
    const size_t message = order[lane];
    rows[lane] = _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(chains + 8 * message)));
    group->start[lane] = messages + offsets[message];
    group->left[lane] = block_counts[message];
    if (group->left[lane] > group->most) group->most = group->left[lane];
  }
  transpose(rows);
  for (int i = 0; i < 8; i++) group->state[i] = rows[i];
}

INLINE void load(struct group *group, uint32_t block) {
  static const uint8_t nothing[64];
  const __m512i big_endian = _mm512_set4_epi32(0x0c0d0e0f, 0x08090a0b, 0x04050607, 0x00010203);
  const __m512i counts = _mm512_loadu_si512(group->left);
  group->mask = _mm512_cmpgt_epu32_mask(counts, _mm512_set1_epi32((int)block));
  for (size_t lane = 0; lane < LANES; lane++) {
    const uint8_t *bytes =
        group->left[lane] > block ? group->start[lane] + 64 * (size_t)block : nothing;
    group->words[lane] = _mm512_shuffle_epi8(_mm512_loadu_si512(bytes), big_endian);
  }
  transpose(group->words);
  for (int i = 0; i < 8; i++) group->variables[i] = group->state[i];
}

// Round `i`. Instead of moving the eight variables on, each round calls another one `a`.
INLINE void compress(struct group *group, int i) {
  __m512i *words = group->words;
  if (i >= 16) {
    const __m512i early = words[(i - 15) & 15], late = words[(i - 2) & 15];
    const __m512i first = PARITY(ROTATE(early, 7), ROTATE(early, 18), SHIFT(early, 3));
    const __m512i second = PARITY(ROTATE(late, 17), ROTATE(late, 19), SHIFT(late, 10));
    words[i & 15] = ADD(ADD(words[i & 15], first), ADD(words[(i - 7) & 15], second));
  }
#define VARIABLE(n) group->variables[((n) - i) & 7]
  const __m512i a = VARIABLE(0), b = VARIABLE(1), c = VARIABLE(2);
  const __m512i e = VARIABLE(4), f = VARIABLE(5), g = VARIABLE(6), h = VARIABLE(7);
  const __m512i word = ADD(words[i & 15], _mm512_set1_epi32((int)round_constants[i]));
  const __m512i one = ADD(
      ADD(ADD(h, word), CHOICE(e, f, g)), PARITY(ROTATE(e, 6), ROTATE(e, 11), ROTATE(e, 25)));
  const __m512i two = ADD(MAJORITY(a, b, c), PARITY(ROTATE(a, 2), ROTATE(a, 13), ROTATE(a, 22)));
  VARIABLE(3) = ADD(VARIABLE(3), one);
  VARIABLE(7) = ADD(one, two);
#undef VARIABLE
}

INLINE void add(struct group *group) {
  for (int i = 0; i < 8; i++) {
    group->state[i] = _mm512_mask_add_epi32(
        group->state[i], group->mask, group->state[i], group->variables[i]);
  }
}

INLINE void end(const struct group *group, uint32_t *chains, const uint8_t *order, size_t count) {
  __m512i rows[LANES];
  for (int i = 0; i < 8; i++) rows[i] = group->state[i];
  for (int i = 8; i < LANES; i++) rows[i] = _mm512_setzero_si512();
  transpose(rows);
  for (size_t lane = 0; lane < count; lane++) {
    _mm256_storeu_si256((__m256i *)(chains + 8 * order[lane]), _mm512_castsi512_si256(rows[lane]));
  }
}

AVX512 static void hash_group(
    uint32_t *chains, const uint8_t *messages, const uint32_t *offsets, const uint32_t *block_counts,
    const uint8_t *order, size_t count) {
  struct group group;
  begin(&group, chains, messages, offsets, block_counts, order, count);
  for (uint32_t block = 0; block < group.most; block++) {
    load(&group, block);
#pragma clang loop unroll(full)
    for (int i = 0; i < 64; i++) compress(&group, i);
    add(&group);
  }
  end(&group, chains, order, count);
}

// Two groups in turns: one alone waits most of the time for its own last result. `count` is more than sixteen.
AVX512 static void hash_two_groups(
    uint32_t *chains, const uint8_t *messages, const uint32_t *offsets, const uint32_t *block_counts,
    const uint8_t *order, size_t count) {
  struct group one, other;
  begin(&one, chains, messages, offsets, block_counts, order, LANES);
  begin(&other, chains, messages, offsets, block_counts, order + LANES, count - LANES);
  const uint32_t most = one.most > other.most ? one.most : other.most;
  for (uint32_t block = 0; block < most; block++) {
    load(&one, block);
    load(&other, block);
#pragma clang loop unroll(full)
    for (int i = 0; i < 64; i++) {
      compress(&one, i);
      compress(&other, i);
    }
    add(&one);
    add(&other);
  }
  end(&one, chains, order, LANES);
  end(&other, chains, order + LANES, count - LANES);
}

// How many messages are put in order together.
#define WINDOW 256

// Messages of the same length next to each other: those in step take as long as the longest of them. Those of so many
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
    for (size_t done = 0; done < window; done += 2 * LANES) {
      const size_t rest = window - done;
      const size_t some = rest < 2 * LANES ? rest : 2 * LANES;
      (some > LANES ? hash_two_groups : hash_group)(
          chains + 8 * first, messages, offsets + first, block_counts + first, order + done, some);
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

// Arithmetic of one tile of keys on AMX tiles, real or emulated. Included inside an anonymous namespace,
// after the lanes, their weights and `Tiles`.
//
//   scores:  C 0..3  =  A 4, 5: rows by 32 dims of q   x  B 6, 7: 16 pairs of dims by 16 keys, as K lies
//   values:  C 0..3 +=  A 4:    rows by 32 keys of p   x  B 6, 7: 16 pairs of keys by 16 dims, as V lies
//
// A 5 and B 7 have the shape of the last block of dims where a head is no multiple of 32. A row of C depends
// on its row of A alone, and a key that a row does not see has a p of 0: neither the rows beside it nor where
// a chunk was cut matter to a row.

constexpr int kBandRows = 16;
// Of all bands before their weights: the tile unit has a band's products to work on while the vector unit
// weighs another.
constexpr bool kScoresFirst = true;
constexpr bool kShrinksInMix = false;
constexpr int32_t kBlockPairs = 16;
constexpr int64_t kScoreBytes = kTileKeys * int64_t(sizeof(float));
constexpr int64_t kGroupElements = kTileKeys * 16;  // of V: one group of 16 dims

// Like the registers that it stands for, the tile unit is the thread's.
inline Tiles& tiles_of_thread() {
  static thread_local Tiles tiles;
  return tiles;
}

inline TileShapes shapes_for(int32_t rows, int32_t head_dim) {
  const int32_t last_pairs = head_dim / 2 % kBlockPairs;
  const int32_t tail_pairs = last_pairs ? last_pairs : kBlockPairs;
  TileShapes shapes;
  for (int tile = 0; tile < 8; tile++) {
    shapes.row_bytes[tile] = uint16_t(tile == 5 ? tail_pairs * 4 : 64);
    shapes.rows[tile] = uint8_t(tile < 6 ? rows : tile == 7 ? tail_pairs : kBlockPairs);
  }
  return shapes;
}

// Two B tiles in turn, where one is not kept for the last block of dims.
template <bool kTail>
constexpr int right_for(int group) {
  return kTail || group % 2 == 0 ? 6 : 7;
}

// Calls f with the constants 0 to N - 1. By value: what is captured by reference is read from memory again
// after each tile instruction.
template <int N, class F>
inline void each(F f) {
  [f]<int... I>(std::integer_sequence<int, I...>) { (f(std::integral_constant<int, I>()), ...); }
  (std::make_integer_sequence<int, N>());
}

// C += A B, B of so many rows, with as many lines fetched from `ahead`, if that is anywhere.
template <int C, int A, int B>
inline void dot_with(Tiles& tiles, const uint16_t* b, int32_t lines, const char* ahead) {
  if (ahead)
    for (int32_t i = 0; i < lines; i++) _mm_prefetch(ahead + i * 64, _MM_HINT_T0);
  tiles.template load<B>(b, 64);
  tiles.template dot<C, A, B>();
}

inline const char* past(const char* ahead, int64_t lines) { return ahead ? ahead + lines * 64 : nullptr; }

// Scores become weights relative to `top`, in bf16 at the front of the row; returns lanes of the sum of what
// they were rounded to.
inline Vec weigh_row(float* s, Vec top, Vec sum) {
  Vec p[4], gained[2];
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) p[i] = weight_of(sub(load(s + 16 * i), top));
#pragma GCC unroll 2
  for (int i = 0; i < 2; i++) {
    const Raw pairs = round_pairs(p[2 * i], p[2 * i + 1]);
    store_raw(s + 16 * i, pairs);
    gained[i] = add(first_of(pairs), second_of(pairs));
  }
  return add(sum, add(gained[0], gained[1]));
}

// scores[rows][64] of G groups of 16 keys at k; q is [blocks of 16 pairs of dims][rows][32].
template <bool kTail, int G>
void score_groups(const uint16_t* q, const uint16_t* k, int64_t pairs, int32_t rows, float* scores,
                  const char* ahead) {
  Tiles& tiles = tiles_of_thread();
  const int64_t blocks = pairs / kBlockPairs;
  each<G>([&tiles](auto g) { tiles.template zero<g()>(); });
  for (int64_t block = 0; block < blocks; block++) {
    tiles.template load<4>(q + block * rows * 32, 64);
    const uint16_t* keys = k + block * kBlockPairs * 32;
    each<G>([&tiles, keys, pairs, ahead](auto g) {
      dot_with<g(), 4, right_for<kTail>(g())>(tiles, keys + g() * pairs * 32, kBlockPairs,
                                              past(ahead, g() * kBlockPairs));
    });
    ahead = past(ahead, G * kBlockPairs);
  }
  if constexpr (kTail) {
    tiles.template load<5>(q + blocks * rows * 32, 64);
    const uint16_t* keys = k + blocks * kBlockPairs * 32;
    const int32_t lines = int32_t(pairs % kBlockPairs);
    each<G>([&tiles, keys, pairs, lines, ahead](auto g) {
      dot_with<g(), 5, 7>(tiles, keys + g() * pairs * 32, lines, past(ahead, g() * lines));
    });
  }
  each<G>([&tiles, scores](auto g) { tiles.template store<g()>(scores + g() * 16, kScoreBytes); });
}

// Weighted values so far, and where they go with those of a tile added; strides in floats.
struct ValueRows {
  const float* from;
  int64_t from_stride;
  float* to;
  int64_t to_stride;
};

// G groups of 16 dims: first the tile's keys 0 to 31, then 32 to 63; those outside [first, end) halves have
// no weight.
template <bool kTail, int G>
void add_groups(const float* p, const uint16_t* v, ValueRows values, int first, int end, const char* ahead) {
  Tiles& tiles = tiles_of_thread();
  each<G>([&tiles, values](auto g) {
    tiles.template load<g()>(values.from + g() * 16, values.from_stride * 4);
  });
  for (int half = first; half < end; half++) {
    tiles.template load<4>(p + half * 16, kScoreBytes);
    const uint16_t* keys = v + half * kBlockPairs * 32;
    each<G>([&tiles, keys, ahead](auto g) {
      dot_with<g(), 4, right_for<kTail>(g())>(tiles, keys + g() * kGroupElements, kBlockPairs,
                                              past(ahead, g() * kBlockPairs));
    });
    ahead = past(ahead, G * kBlockPairs);
  }
  each<G>([&tiles, values](auto g) {
    tiles.template store<g()>(values.to + g() * 16, values.to_stride * 4);
  });
}

struct TileKernels {
  void (*score[4])(const uint16_t* q, const uint16_t* k, int64_t pairs, int32_t rows, float* scores,
                   const char* ahead);
  void (*add[4])(const float* p, const uint16_t* v, ValueRows values, int first, int end,
                 const char* ahead);
};

template <bool kTail>
constexpr TileKernels kernels_of() {
  return {{score_groups<kTail, 1>, score_groups<kTail, 2>, score_groups<kTail, 3>, score_groups<kTail, 4>},
          {add_groups<kTail, 1>, add_groups<kTail, 2>, add_groups<kTail, 3>, add_groups<kTail, 4>}};
}

inline const TileKernels& kernels_for(int32_t head_dim) {
  static constexpr TileKernels whole = kernels_of<false>(), with_tail = kernels_of<true>();
  return head_dim % (2 * kBlockPairs) == 0 ? whole : with_tail;
}

// Whether pairs [first, end) of positions of a V tile hold an infinity or a NaN.
inline bool holds_not_finite(const uint16_t* v, int64_t groups, int first, int end) {
  uint16_t worst = 0;
  for (int64_t group = 0; group < groups; group++)
    for (int i = first * 32; i < end * 32; i++) {
      const uint16_t magnitude = v[group * kGroupElements + i] & 0x7fff;
      worst = magnitude > worst ? magnitude : worst;
    }
  return worst >= 0x7f80;
}

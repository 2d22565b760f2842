// Norm, RoPE and the write of K and V, for the compiler's vectors of either instruction set. Included inside
// an anonymous namespace. No sum depends on the vector width: both sets give the same bits.
//
// Ranks of one worker may append the same KV head of a shared store at once. They store the same bytes, each
// only those of the position, so a rank that has stored its own never reads anything else.

constexpr int kMaxDim = 256;

// x / rms(x) * weight. Element i adds to lane i % 16; lanes pair up 8 apart, then 4, 2 and 1.
inline void norm_head(float* x, const float* weight, int32_t dims, float epsilon) {
  float lanes[16] = {};
  int32_t d = 0;
  for (; d + 16 <= dims; d += 16)
    for (int lane = 0; lane < 16; lane++) lanes[lane] += x[d + lane] * x[d + lane];
  for (int lane = 0; d + lane < dims; lane++) lanes[lane] += x[d + lane] * x[d + lane];
  for (int step = 8; step > 0; step /= 2)
    for (int lane = 0; lane < step; lane++) lanes[lane] += lanes[lane + step];
  const float inverse = 1.0f / __builtin_sqrtf(lanes[0] / float(dims) + epsilon);
  for (int32_t i = 0; i < dims; i++) x[i] = x[i] * inverse * weight[i];
}

// Pairs (j, j + dims / 2) turn by the angle of their cosine and sine.
inline void turn_head(float* __restrict x, const float* __restrict rope, int32_t dims) {
  const int32_t half = dims / 2;
  for (int32_t j = 0; j < half; j++) {
    const float a = x[j], b = x[j + half], c = rope[j], s = rope[j + half];
    x[j] = a * c - b * s;
    x[j + half] = b * c + a * s;
  }
}

// To nearest even; a NaN stays one.
inline void round_head(const float* __restrict x, uint16_t* __restrict y, int32_t dims) {
  for (int32_t i = 0; i < dims; i++) {
    const uint32_t bits = __builtin_bit_cast(uint32_t, x[i]);
    const uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    y[i] = uint16_t((bits & 0x7fffffff) > 0x7f800000 ? bits >> 16 | 0x40 : rounded);
  }
}

// Threads may write neighbouring positions at once, so nothing but the position's own elements is touched.
inline void write_key(const uint16_t* x, uint16_t* head, int32_t slot, int32_t dims, bool tiled) {
  if (!tiled) {
    __builtin_memcpy(head + int64_t(slot) * dims, x, size_t(dims) * 2);
    return;
  }
  const int32_t group = slot % pd::kTileKeys / 16;
  uint16_t* out =
      head + int64_t(slot / pd::kTileKeys) * pd::kTileKeys * dims + group * 16 * dims + slot % 16 * 2;
  for (int32_t d = 0; d < dims; d += 2, out += 32) __builtin_memcpy(out, x + d, 4);
}

inline void write_value(const uint16_t* x, uint16_t* head, int32_t slot, int32_t dims, bool tiled) {
  if (!tiled) {
    __builtin_memcpy(head + int64_t(slot) * dims, x, size_t(dims) * 2);
    return;
  }
  const int32_t key = slot % pd::kTileKeys;
  uint16_t* out = head + int64_t(slot / pd::kTileKeys) * pd::kTileKeys * dims + key / 2 * 32 + key % 2;
  for (int32_t d = 0; d < dims; d += 16, out += pd::kTileKeys * 16)
    for (int lane = 0; lane < 16; lane++) out[2 * lane] = x[d + lane];
}

inline void append_token(const pd_append_args& args, const pd::KvPlaces& places, const pd_slice& slice,
                         int32_t token) {
  const int32_t dims = args.head_dim, position = slice.start + token - slice.first_token;
  const float* rope = args.rope + position * args.rope_stride;
  float* q = args.qkv + token * args.qkv_stride;
  for (int32_t head = 0; head < args.heads; head++, q += dims) {
    if (args.q_norm) norm_head(q, args.q_norm, dims, args.epsilon);
    turn_head(q, rope, dims);
  }
  const float* k = q;
  const float* v = k + int64_t(args.kv_heads) * dims;
  const int64_t block = args.blocks[slice.first_block + position / args.page_size];
  const int32_t slot = position % args.page_size;
  uint8_t* k_plane = args.store + block * args.block_bytes + args.first_kv_head * places.head_bytes;
  uint8_t* v_plane = k_plane + args.store_kv_heads * places.head_bytes;
  for (int32_t head = 0; head < args.kv_heads; head++, k += dims, v += dims) {
    alignas(64) float turned[kMaxDim];
    alignas(64) uint16_t rounded[kMaxDim];
    __builtin_memcpy(turned, k, size_t(dims) * 4);
    if (args.k_norm) norm_head(turned, args.k_norm, dims, args.epsilon);
    turn_head(turned, rope, dims);
    round_head(turned, rounded, dims);
    const int64_t at = head * places.head_bytes;
    write_key(rounded, reinterpret_cast<uint16_t*>(k_plane + at), slot, dims, places.tiled);
    round_head(v, rounded, dims);
    write_value(rounded, reinterpret_cast<uint16_t*>(v_plane + at), slot, dims, places.tiled);
  }
}

inline void append_range(const pd_append_args& args, const pd::KvPlaces& places, int32_t first, int32_t end) {
  int32_t low = 0, high = args.slice_count;
  while (high - low > 1) {
    const int32_t middle = low + (high - low) / 2;
    (args.slices[middle].first_token <= first ? low : high) = middle;
  }
  for (int32_t token = first; token < end; token++) {
    while (low + 1 < args.slice_count && args.slices[low + 1].first_token <= token) low++;
    const int32_t at = token - args.slices[low].first_token;
    if (at >= 0 && at < args.slices[low].query_count) append_token(args, places, args.slices[low], token);
  }
}

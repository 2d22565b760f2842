// Norm, RoPE and the write of K and V, token by token or, where tokens lie side by side in a tile, some at
// once: whole cache lines are written. Included inside an anonymous namespace, after append_heads.h and
// attention_gather.h.
//
// Ranks of one worker may append the same KV head of a shared store at once. They store the same bytes, each
// only those of the position, so a rank that has stored its own never reads anything else.

// Positions that are written together: a cache line of K has 16, memory gathers it by eights.
constexpr int32_t kTogether = 16;
constexpr int32_t kStep = 8;
// Elements of one position's K, or V, that are held at once.
constexpr int32_t kHeldElements = 1024;

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

struct Append {
  const pd_append_args& args;
  const pd::KvPlaces& places;
  const HeadKernels kernels;
  alignas(64) uint16_t keys[kTogether][kHeldElements], values[kTogether][kHeldElements];

  Append(const pd_append_args& args, const pd::KvPlaces& places)
      : args(args), places(places), kernels(head_kernels(args.head_dim)) {}

  HeadTurn turn_at(const float* norm, int32_t position) const {
    return {norm, args.rope + position * args.rope_stride, args.epsilon, args.head_dim};
  }

  void turn_queries(int32_t token, int32_t position) const {
    const HeadTurn turn = turn_at(args.q_norm, position);
    float* q = args.qkv + token * args.qkv_stride;
    for (int32_t head = 0; head < args.heads; head++, q += args.head_dim) kernels.turn(q, turn, q);
  }

  // Heads [first, end) of K and V, as they are stored.
  void take(int32_t token, int32_t position, int32_t first, int32_t end, uint16_t* key,
            uint16_t* value) const {
    const HeadTurn turn = turn_at(args.k_norm, position);
    const int32_t dims = args.head_dim;
    const float* k = args.qkv + token * args.qkv_stride + int64_t(args.heads + first) * dims;
    for (int32_t head = first; head < end; head++, k += dims, key += dims)
      kernels.turn_and_round(k, turn, key);
    const float* v = k + int64_t(args.kv_heads - end + first) * dims;
    for (int32_t head = first; head < end; head++, v += dims, value += dims) kernels.round(v, turn, value);
  }

  // Of a head of the K plane; its V is value_bytes() on.
  uint8_t* key_head(int32_t block, int32_t head) const {
    return args.store + block * args.block_bytes + (args.first_kv_head + head) * places.head_bytes;
  }
  int64_t value_bytes() const { return args.store_kv_heads * places.head_bytes; }

  // As many positions side by side as there are tokens, from a multiple of kStep on.
  void append(const pd_slice& slice, int32_t token, int32_t count) {
    const int32_t dims = args.head_dim, position = slice.start + token - slice.first_token;
    const int32_t block = args.blocks[slice.first_block + position / args.page_size];
    const int32_t slot = position % args.page_size, most = kHeldElements / dims;
    for (int32_t i = 0; i < count; i++) turn_queries(token + i, position + i);
    for (int32_t first = 0; first < args.kv_heads; first += most) {
      const int32_t end = first + most < args.kv_heads ? first + most : args.kv_heads;
      for (int32_t i = 0; i < count; i++) take(token + i, position + i, first, end, keys[i], values[i]);
      for (int32_t head = first; head < end; head++)
        write(key_head(block, head), slot, count, int64_t(head - first) * dims);
    }
  }

  void write(uint8_t* head, int32_t slot, int32_t count, int64_t from) const {
    const int32_t dims = args.head_dim;
    auto* k = reinterpret_cast<uint16_t*>(head);
    auto* v = reinterpret_cast<uint16_t*>(head + value_bytes());
    if (count == 1) {
      write_key(keys[0] + from, k, slot, dims, places.tiled);
      return write_value(values[0] + from, v, slot, dims, places.tiled);
    }
    const int32_t key = slot % pd::kTileKeys;
    const int64_t tile = int64_t(slot / pd::kTileKeys) * pd::kTileKeys * dims;
    const uint8_t *k_rows[pd::kTileKeys], *v_rows[pd::kTileKeys];
    for (int32_t i = 0; i < count; i++) {
      k_rows[key + i] = reinterpret_cast<const uint8_t*>(keys[i] + from);
      v_rows[key + i] = reinterpret_cast<const uint8_t*>(values[i] + from);
    }
    gather_keys({k_rows, k_rows, 0, dims}, key, key + count, reinterpret_cast<uint32_t*>(k + tile));
    gather_values({v_rows, v_rows, 0, dims}, key, key + count, reinterpret_cast<uint32_t*>(v + tile));
  }

  // How many tokens from this one on, of so many, are written together.
  int32_t together(int32_t position, int32_t left) const {
    if (!places.tiled || position % kStep != 0 || left < kStep) return 1;
    return left < kTogether || position % kTogether != 0 ? kStep : kTogether;
  }
};

inline void append_range(const pd_append_args& args, const pd::KvPlaces& places, int32_t first, int32_t end) {
  int32_t low = 0, high = args.slice_count;
  while (high - low > 1) {
    const int32_t middle = low + (high - low) / 2;
    (args.slices[middle].first_token <= first ? low : high) = middle;
  }
  Append work(args, places);
  for (int32_t token = first, count; token < end; token += count) {
    count = 1;
    while (low + 1 < args.slice_count && args.slices[low + 1].first_token <= token) low++;
    const pd_slice& slice = args.slices[low];
    const int32_t at = token - slice.first_token, left = slice.query_count - at;
    if (at < 0 || left <= 0) continue;
    count = work.together(slice.start + at, left < end - token ? left : end - token);
    work.append(slice, token, count);
  }
}

// What a block of attention works on, and how its queries, keys and values come to shared memory.
#pragma once
#include "platform.h"

namespace pd::cuda {

// A tile of up to 64 rows has its queries in registers, 16 rows a warp, and two tiles of keys and values in
// turn. A taller one has 32 rows a warp, so that a key that is read serves two products: its queries stay in
// shared memory, beside one tile of keys and one of values.
template <int D, int M>
struct AttentionTile {
  static constexpr bool kIsTall = M > 64;
  static constexpr i32 kRowTiles = kIsTall ? 2 : 1, kRowsOfLane = 2 * kRowTiles, kWarpRows = 16 * kRowTiles;
  static constexpr i32 kWidth = D, kRows = M, kThreads = M / kWarpRows * 32, kChunks = D / 8;
  static constexpr i32 kSteps = D / 16, kKeyTiles = kKeyTile / 8, kValueTiles = D / 8;
  static constexpr i32 kPlaneElements = kKeyTile * D;  // keys; values follow them
  static constexpr i32 kBufferElements = 2 * kPlaneElements, kBuffers = kIsTall ? 1 : 2;
};

// A unit's slice, rows and keys.
struct Work {
  AttentionSlice slice;
  i32 group, rows, first_row, head;
  i32 first_key, end_key;  // that some row of the tile sees

  DEVICE Work(const AttentionArgs& args, const AttentionUnit& unit, i32 tile_rows) {
    slice = args.slices[unit.slice];
    group = args.heads / args.kv_heads;
    rows = slice.query_count * group;
    first_row = unit.first_row;
    head = block_y();
    const i32 last_row = smaller(first_row + tile_rows, rows) - 1;
    end_key = slice.start + last_row / group + 1;
    first_key = args.window > 0 ? larger(0, slice.start + first_row / group + 1 - args.window) : 0;
  }
  DEVICE i64 token(i32 row) const { return slice.first_token + row / group; }
  DEVICE i32 query_head(i32 row) const { return head * group + row % group; }
};

template <class Tile>
DEVICE void fetch_queries(const AttentionArgs& args, const Work& work, bf16* queries) {
  for (i32 i = thread_x(); i < Tile::kRows * Tile::kChunks; i += Tile::kThreads) {
    const i32 row = work.first_row + i / Tile::kChunks, chunk = i % Tile::kChunks;
    const bool valid = row < work.rows;
    const float* head = args.qkv;
    if (valid) head += work.token(row) * args.qkv_stride + work.query_head(row) * Tile::kWidth;
    copy16(queries + swizzled<Tile::kChunks>(i / Tile::kChunks, chunk),
           reinterpret_cast<const bf16*>(head) + chunk * 8, valid);
  }
}

// Where the keys of a tile lie. Pages of at least a tile have them in one run, which is looked up once.
template <class Tile>
struct KeyPlaces {
  const u8* head;  // this head of block 0
  const i32* blocks;
  i64 block_bytes;
  i32 page_shift, page_mask;

  DEVICE KeyPlaces(const AttentionArgs& args, const Work& work) {
    page_shift = log2_of(args.page_size);
    page_mask = args.page_size - 1;
    head = args.store + (i64(args.first_kv_head + work.head) << page_shift) * (Tile::kWidth * 2);
    blocks = args.blocks + work.slice.first_block;
    block_bytes = args.block_bytes;
  }
  DEVICE bool tiles_are_runs() const { return page_mask >= kKeyTile - 1; }
  DEVICE const u8* of(i32 position) const {
    const i64 block = blocks[position >> page_shift];
    return head + block * block_bytes + (position & page_mask) * (Tile::kWidth * 2);
  }
};

// A tile's keys, its values, or both. What no row sees is zeros, never what happens to lie there: 0 times a
// NaN would show. Places are looked up several at a time, since a copy keeps later loads behind it.
enum TilePart { kKeysAndValues, kKeysAlone, kValuesAlone };
template <TilePart PART, class Tile>
DEVICE void fetch_keys(const AttentionArgs& args, const Work& work, i32 tile, bf16* buffer) {
  constexpr i32 kKeysApart = Tile::kThreads / Tile::kChunks;
  constexpr i32 kCopies = (kKeyTile + kKeysApart - 1) / kKeysApart, kAtOnce = kCopies < 8 ? kCopies : 8;
  const KeyPlaces<Tile> places(args, work);
  const i32 key = thread_x() / Tile::kChunks, chunk = thread_x() % Tile::kChunks;
  const i32 position = tile * kKeyTile + key;
  const u8* run = places.tiles_are_runs() ? places.of(tile * kKeyTile) : nullptr;
  const bool has_key = kKeysApart <= kKeyTile || key < kKeyTile;
  for (i32 done = 0; done < kCopies && has_key; done += kAtOnce) {
    const u8* from[kAtOnce];
#pragma unroll
    for (i32 n = 0; n < kAtOnce; n++) {
      const i32 apart = (done + n) * kKeysApart;
      const bool valid = position + apart >= work.first_key && position + apart < work.end_key;
      if (run != nullptr)
        from[n] = run + (key + apart) * (Tile::kWidth * 2) + chunk * 16;
      else
        from[n] = valid ? places.of(position + apart) + chunk * 16 : args.store;
    }
#pragma unroll
    for (i32 n = 0; n < kAtOnce; n++) {
      const i32 apart = (done + n) * kKeysApart;
      const bool valid = position + apart >= work.first_key && position + apart < work.end_key;
      bf16* to = buffer + swizzled<Tile::kChunks>(key + apart, chunk);
      if constexpr (PART != kValuesAlone) copy16(to, from[n], valid);
      if constexpr (PART != kKeysAlone) copy16(to + Tile::kPlaneElements, from[n] + args.plane_bytes, valid);
    }
  }
  commit_copies();
}

// Rows of the tiles in shared memory, as ldmatrix wants them named.
template <class Tile>
struct QueryRows {
  static constexpr bool kShared = true;
  LaneRow<Tile::kChunks> own;

  DEVICE QueryRows(const bf16* queries, i32 first, i32 lane) : own(queries, first, lane & 15, lane >> 4) {}
  DEVICE SharedTile row(i32 step, i32 tile = 0) const { return own.at(tile * 16, step * 2); }
};
template <class Tile>
struct KeyRows {
  LaneRow<Tile::kChunks> own;

  DEVICE KeyRows(const bf16* keys, i32 lane) : own(keys, 0, (lane & 7) + (lane >> 4) * 8, lane >> 3 & 1) {}
  DEVICE SharedTile row(i32 step, i32 tile) const { return own.at(tile * 8, step * 2); }
};
template <class Tile>
struct ValueRows {
  LaneRow<Tile::kChunks> own;

  DEVICE ValueRows(const bf16* values, i32 lane) : own(values, 0, lane & 15, lane >> 4) {}
  DEVICE SharedTile row(i32 step, i32 tile) const { return own.at(step * 16, tile); }
};
// Fragments [steps][ROW_TILES][4] that a lane holds.
template <int ROW_TILES>
struct Registers {
  static constexpr bool kShared = false;
  const u32* first;
  DEVICE const u32* registers(i32 step, i32 tile) const { return first + (step * ROW_TILES + tile) * 4; }
};

}  // namespace pd::cuda

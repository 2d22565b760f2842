// What the stand-in driver encodes a tensor map to, and the emulator's copy engine reads: as many bytes as a
// driver's, whose own form nobody knows.
#pragma once
#include <cstdint>

namespace pd::emulated {

constexpr uint64_t kTensorMapMark = 0x646574616c756d65ull;
constexpr uint32_t kMaxTensorRank = 5;

enum TensorSwizzle : uint32_t { kSwizzleNone = 0, kSwizzle32 = 1, kSwizzle64 = 2, kSwizzle128 = 3 };

struct EncodedTensorMap {
  uint64_t mark;
  uint64_t address;
  uint64_t extents[kMaxTensorRank];           // of each dimension, the innermost first
  uint64_t byte_strides[kMaxTensorRank - 1];  // from dimension 1 on
  uint32_t box[kMaxTensorRank];
  uint32_t rank;
  uint32_t element_bytes;
  uint32_t swizzle;  // a TensorSwizzle
  uint32_t reserved[2];
};
static_assert(sizeof(EncodedTensorMap) == 128);

// Where a byte of a swizzled tile lies, by its place without: chunks of 16 bytes change places within 32, 64
// or 128 bytes as the bits above say (PTX ISA, "Tensor swizzling modes"). By addresses of shared memory, not
// by offsets in the tile.
inline uint32_t swizzled_place(uint32_t swizzle, uint32_t place) {
  const uint32_t bits = (1u << swizzle) - 1;
  return place ^ ((place >> 7 & bits) << 4);
}

}  // namespace pd::emulated

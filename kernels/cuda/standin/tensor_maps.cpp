// Tensor maps: what the driver asks of them, as its documentation of cuTensorMapEncodeTiled has it.
#include <cstring>
#include <string>

#include "machine.h"
#include "tensor_map.h"

using namespace pd::standin;

namespace {

constexpr uint64_t kMaxExtent = uint64_t{1} << 32, kMaxStride = uint64_t{1} << 40;
constexpr uint32_t kMaxBox = 256;

// By the number that the driver gives a type of elements; 0: there is no such type, or none that is modelled.
uint32_t element_bytes_of(int type) {
  constexpr int kByte = 0, kWord = 2, kHalf = 6, kFloat = 7, kBFloat16 = 9;
  switch (type) {
    case kByte: return 1;
    case kHalf:
    case kBFloat16: return 2;
    case kWord:
    case kFloat: return 4;
    default: return 0;
  }
}

// What is wrong with one dimension; nothing where it is right.
std::string problem_of(const pd::emulated::EncodedTensorMap& map, uint32_t dimension,
                       const uint32_t* element_strides) {
  const std::string which = "dimension " + std::to_string(dimension) + ": ";
  if (map.extents[dimension] == 0 || map.extents[dimension] > kMaxExtent)
    return which + "an extent is from 1 to 2^32";
  if (map.box[dimension] == 0 || map.box[dimension] > kMaxBox)
    return which + "a box of " + std::to_string(map.box[dimension]) + ", which goes from 1 to 256";
  if (element_strides[dimension] != 1) return which + "the stand-in takes every element, and has no other";
  if (dimension == 0) return {};
  const uint64_t stride = map.byte_strides[dimension - 1];
  if (stride % 16 != 0 || stride >= kMaxStride)
    return which + "a stride of " + std::to_string(stride) +
           " bytes, which has to be a multiple of 16 below 2^40";
  const uint64_t row = map.extents[0] * map.element_bytes;
  if (dimension == 1 && stride < row)
    return which + "a stride of " + std::to_string(stride) + " bytes, below the " + std::to_string(row) +
           " of dimension 0";
  // The driver's own account of strides makes each a multiple of the one before, past all of its extent.
  const uint64_t inner = dimension > 1 ? map.byte_strides[dimension - 2] : 0;
  if (dimension > 1 && (stride % inner != 0 || stride / inner < map.extents[dimension - 1]))
    return which + "a stride of " + std::to_string(stride) + " bytes, which has to be a multiple of the " +
           std::to_string(inner) + " of dimension " + std::to_string(dimension - 1) + ", by its " +
           std::to_string(map.extents[dimension - 1]) + " or more";
  return {};
}

std::string problem_of(const pd::emulated::EncodedTensorMap& map, const uint32_t* element_strides) {
  if (map.address % 16 != 0) return "the tensor's first byte is not aligned to 16";
  for (uint32_t i = 0; i < map.rank; i++)
    if (std::string problem = problem_of(map, i, element_strides); !problem.empty()) return problem;
  const uint32_t inner = map.box[0] * map.element_bytes;
  if (inner % 16 != 0) return "a box of " + std::to_string(inner) + " bytes within, no multiple of 16";
  if (map.swizzle != pd::emulated::kSwizzleNone && inner > 16u << map.swizzle)
    return "a box of " + std::to_string(inner) + " bytes within, over the " +
           std::to_string(16 << map.swizzle) + " that its swizzle takes";
  return {};
}

}  // namespace

PD_DRIVER_API cuTensorMapEncodeTiled(void* to, int type, uint32_t rank, void* address,
                                     const uint64_t* extents, const uint64_t* byte_strides,
                                     const uint32_t* box, const uint32_t* element_strides, int interleave,
                                     int swizzle, int promotion, int fill) {
  std::lock_guard<std::recursive_mutex> lock(machine().gate);
  if (machine().compute_capability < 90)
    return refuse(kNotSupported, "tensor maps are for compute capability 9.0 and later");
  if (reinterpret_cast<uintptr_t>(to) % 64 != 0) return refuse(kInvalidValue, "the map is not aligned to 64");
  if (rank == 0 || rank > pd::emulated::kMaxTensorRank)
    return refuse(kInvalidValue, "a tensor has 1 to 5 dimensions");
  if (swizzle < 0 || swizzle > 3 || promotion < 0 || promotion > 3)
    return refuse(kInvalidValue, "there is no such swizzle, or no such promotion");
  if (interleave != 0 || fill != 0 || element_bytes_of(type) == 0)
    return refuse(kNotSupported, "the stand-in has neither interleaving, nor NaN outside, nor such elements");
  pd::emulated::EncodedTensorMap map = {};
  map.mark = pd::emulated::kTensorMapMark;
  map.address = reinterpret_cast<Address>(address);
  map.rank = rank;
  map.element_bytes = element_bytes_of(type);
  map.swizzle = static_cast<uint32_t>(swizzle);
  for (uint32_t i = 0; i < rank; i++) {
    map.extents[i] = extents[i];
    map.box[i] = box[i];
    if (i > 0) map.byte_strides[i - 1] = byte_strides[i - 1];
  }
  if (std::string problem = problem_of(map, element_strides); !problem.empty())
    return refuse(kInvalidValue, problem);
  memcpy(to, &map, sizeof map);
  return kOk;
}

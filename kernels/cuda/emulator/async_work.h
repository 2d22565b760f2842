// What a block of sm_90 has under way beside its threads: copies of the copy engine, and products of
// warpgroups. Both end as late as they may, or at once where the seed says so: a copy when no thread can go
// on without it, a product when its warp waits for it. What must not be touched meanwhile is a fault.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tensor_map.h"

namespace pd::emulated {

class Block;
struct Fiber;

constexpr int kProductTiles = 16;  // of 8 columns in a product: m64n128k16

// A lane's part of a product: descriptors of the operands, and the first of its sums.
struct Product {
  uint64_t left, right;
  float* sums;
};

class AsyncWork {
 public:
  void begin(Block* block, bool eager);
  // Ends one copy; false: there is none under way.
  bool land_one();
  bool has_copies() const { return !copies_.empty(); }
  // Null, or what was left unawaited, or not done by all warps of a warpgroup, when all threads have left.
  const char* unfinished();

  // What follows is called by fibers.
  uint32_t address_of(const void* pointer) const;
  void init_barrier(void* barrier, uint32_t arrivals);
  void publish_barriers();
  void arrive(void* barrier, int64_t bytes);
  void await_phase(void* barrier, uint32_t parity);
  void load_box(void* to, const void* map, void* barrier, const int32_t (&first)[3]);

  // By one lane for its warp.
  void begin_products();
  void multiply(void* const* lanes);
  void end_products();
  void await_products(uint32_t groups_left);

 private:
  struct Barrier {
    void* place;
    uint32_t arrivals, pending;
    int64_t bytes;  // expected and not come
    uint32_t phase;
    bool is_published;
  };
  struct Waiter {
    Fiber* fiber;
    void* barrier;
    uint32_t parity;
  };
  struct Range {
    uint32_t first, end;
    bool meets(const Range& other) const { return first < other.end && other.first < end; }
  };
  struct Copy {
    EncodedTensorMap map;
    int32_t first[3];
    Range target;
    void* barrier;
  };
  // What a copy has filled, and whose phase tells of it.
  struct Filled {
    Range target;
    const void* barrier;
    uint32_t phase;
  };
  struct WarpProduct {
    uint64_t left, right;
    float* sums[32];
    Range reads[2];
    uint32_t group;
    bool is_done;
  };
  struct ProductWarp {
    std::vector<WarpProduct> products;
    uint32_t group, is_begun;
    uint64_t trace;  // of all descriptors, which the warps of a group share
    std::vector<uint32_t> ended_phases;  // of each barrier, as far as it has waited
  };

  Barrier& barrier_at(void* place);
  uint32_t& ended_phases(uint32_t warp, const void* place);
  void check_filled(const WarpProduct& product, uint32_t warp);
  void end_phase_if_due(Barrier& barrier);
  void land(const Copy& copy);
  // Where eight bf16 of a row of an operand lie: chunk 0 or 1 of the product's 16 columns.
  static uint32_t operand_place(uint64_t descriptor, uint32_t row, uint32_t chunk);
  Range operand_range(uint64_t descriptor, uint32_t rows) const;
  void compute(const WarpProduct& product, uint32_t warp);

  Block* block_ = nullptr;
  bool eager_ = false;
  std::vector<Barrier> barriers_;
  std::vector<Waiter> waiters_;
  std::vector<Copy> copies_;
  std::vector<Filled> filled_;
  std::vector<ProductWarp> warps_;
};

}  // namespace pd::emulated

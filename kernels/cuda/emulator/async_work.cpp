#include "async_work.h"

#include <algorithm>
#include <cstring>

#include "../device/platform.h"

namespace pd::emulated {
namespace {

// A GPU's shared memory begins behind what the system has of it.
constexpr uint32_t kSharedWindow = 1024;
constexpr uint64_t kBarrierMark = 0x7265697272616276ull;

int64_t box_bytes(const EncodedTensorMap& map) {
  int64_t bytes = map.element_bytes;
  for (uint32_t i = 0; i < map.rank; i++) bytes *= map.box[i];
  return bytes;
}

}  // namespace

void AsyncWork::begin(Block* block, bool eager) {
  block_ = block;
  eager_ = eager;
  barriers_.clear();
  waiters_.clear();
  copies_.clear();
  filled_.clear();
  warps_.clear();
  warps_.resize(kMaxWarps);
}

uint32_t AsyncWork::address_of(const void* pointer) const {
  return uint32_t(static_cast<const uint8_t*>(pointer) - block_->shared) + kSharedWindow;
}

void AsyncWork::init_barrier(void* place, uint32_t arrivals) {
  block_->check_shared(place, sizeof kBarrierMark, "an mbarrier");
  if (address_of(place) % 8 != 0) block_->fault("an mbarrier is not aligned to 8");
  std::memcpy(place, &kBarrierMark, sizeof kBarrierMark);
  barriers_.push_back({place, arrivals, arrivals, 0, 0, false});
}

void AsyncWork::publish_barriers() {
  for (Barrier& barrier : barriers_) barrier.is_published = true;
}

AsyncWork::Barrier& AsyncWork::barrier_at(void* place) {
  for (Barrier& barrier : barriers_) {
    if (barrier.place != place) continue;
    if (std::memcmp(place, &kBarrierMark, sizeof kBarrierMark) != 0)
      block_->fault("thread %u: an mbarrier was written over", block_->self->index);
    return barrier;
  }
  block_->fault("thread %u: an mbarrier that nobody made ready", block_->self->index);
}

uint32_t& AsyncWork::ended_phases(uint32_t warp, const void* place) {
  size_t index = 0;
  while (barriers_[index].place != place) index++;
  std::vector<uint32_t>& phases = warps_[warp].ended_phases;
  phases.resize(barriers_.size());
  return phases[index];
}

void AsyncWork::end_phase_if_due(Barrier& barrier) {
  if (barrier.pending != 0 || barrier.bytes != 0) return;
  barrier.phase++;
  barrier.pending = barrier.arrivals;
  size_t kept = 0;
  for (const Waiter& waiter : waiters_) {
    if (waiter.barrier != barrier.place || (barrier.phase & 1) == waiter.parity) {
      waiters_[kept++] = waiter;
      continue;
    }
    ended_phases(waiter.fiber->warp, barrier.place) = barrier.phase;
    block_->resume(waiter.fiber);
  }
  waiters_.resize(kept);
}

void AsyncWork::arrive(void* place, int64_t bytes) {
  Barrier& barrier = barrier_at(place);
  if (barrier.pending == 0)
    block_->fault("thread %u: an arrival more than the mbarrier takes in a phase", block_->self->index);
  barrier.bytes += bytes;
  barrier.pending--;
  end_phase_if_due(barrier);
}

void AsyncWork::await_phase(void* place, uint32_t parity) {
  const Barrier& barrier = barrier_at(place);
  if ((barrier.phase & 1) != parity) {
    ended_phases(block_->self->warp, place) = barrier.phase;
    return;
  }
  waiters_.push_back({block_->self, place, parity});
  block_->park("an mbarrier");
}

void AsyncWork::load_box(void* to, const void* map, void* place, const int32_t (&first)[3]) {
  Copy copy = {};
  std::memcpy(&copy.map, map, sizeof copy.map);
  if (copy.map.mark != kTensorMapMark) block_->fault("a tensor copy by what is no tensor map");
  if (reinterpret_cast<uintptr_t>(map) % 64 != 0) block_->fault("a tensor map is not aligned to 64");
  if (copy.map.rank != 3) block_->fault("a copy of 3 dimensions of a tensor of %u", copy.map.rank);
  block_->check_awaited(reinterpret_cast<const void*>(copy.map.address), "a tensor copy");
  const int64_t bytes = box_bytes(copy.map);
  block_->check_shared(to, size_t(bytes), "a tensor copy");
  copy.target = {address_of(to), address_of(to) + uint32_t(bytes)};
  if (copy.target.first % 128 != 0) block_->fault("the target of a tensor copy is not aligned to 128");
  if (!barrier_at(place).is_published) block_->fault("a tensor copy to an mbarrier that is not fenced");
  for (const Copy& other : copies_)
    if (other.target.meets(copy.target)) block_->fault("two tensor copies into the same shared memory");
  for (uint32_t warp = 0; warp < warps_.size(); warp++)
    for (const WarpProduct& product : warps_[warp].products)
      if (product.reads[0].meets(copy.target) || product.reads[1].meets(copy.target))
        block_->fault("a tensor copy into shared memory that a product of warp %u under way reads", warp);
  std::erase_if(filled_, [&](const Filled& before) { return before.target.meets(copy.target); });
  std::memcpy(copy.first, first, sizeof copy.first);
  copy.barrier = place;
  if (eager_)
    land(copy);
  else
    copies_.push_back(copy);
}

bool AsyncWork::land_one() {
  if (copies_.empty()) return false;
  const Copy copy = copies_.front();
  copies_.erase(copies_.begin());
  land(copy);
  return true;
}

void AsyncWork::land(const Copy& copy) {
  const EncodedTensorMap& map = copy.map;
  const uint32_t per_chunk = 16 / map.element_bytes, chunks = map.box[0] / per_chunk;
  uint32_t place = copy.target.first;
  for (uint32_t row = 0; row < map.box[1] * map.box[2]; row++) {
    const int64_t y = copy.first[1] + int64_t(row % map.box[1]);
    const int64_t z = copy.first[2] + int64_t(row / map.box[1]);
    const bool inside = y >= 0 && y < int64_t(map.extents[1]) && z >= 0 && z < int64_t(map.extents[2]);
    for (uint32_t chunk = 0; chunk < chunks; chunk++, place += 16) {
      uint8_t* to = block_->shared + (swizzled_place(map.swizzle, place) - kSharedWindow);
      std::memset(to, 0, 16);
      for (uint32_t e = 0; e < per_chunk && inside; e++) {
        const int64_t x = copy.first[0] + int64_t(chunk * per_chunk + e);
        if (x < 0 || x >= int64_t(map.extents[0])) continue;
        const uint64_t from = map.address + uint64_t(x) * map.element_bytes +
                              uint64_t(y) * map.byte_strides[0] + uint64_t(z) * map.byte_strides[1];
        std::memcpy(to + e * map.element_bytes, reinterpret_cast<const void*>(from), map.element_bytes);
      }
    }
  }
  Barrier& barrier = barrier_at(copy.barrier);
  filled_.push_back({copy.target, copy.barrier, barrier.phase});
  barrier.bytes -= box_bytes(map);
  end_phase_if_due(barrier);
}

void AsyncWork::begin_products() { warps_[block_->self->warp].is_begun = true; }

// K-major operands: rows by eights a stride dimension offset apart, within them as wide as the swizzle;
// without one, chunks of 8 rows by 16 bytes a leading dimension offset apart. The swizzle is of addresses.
uint32_t AsyncWork::operand_place(uint64_t descriptor, uint32_t row, uint32_t chunk) {
  const uint32_t start = uint32_t(descriptor & 0x3fff) << 4;
  const uint32_t leading = uint32_t(descriptor >> 16 & 0x3fff) << 4;
  const uint32_t stride = uint32_t(descriptor >> 32 & 0x3fff) << 4;
  const uint32_t mode = uint32_t(descriptor >> 62);
  if (mode == 0) return start + row / 8 * stride + chunk * leading + row % 8 * 16;
  const uint32_t swizzle = 4 - mode;  // the driver counts them the other way round
  return swizzled_place(swizzle, start + row / 8 * stride + row % 8 * (16u << swizzle) + chunk * 16);
}

AsyncWork::Range AsyncWork::operand_range(uint64_t descriptor, uint32_t rows) const {
  if ((descriptor >> 49 & 7) != 0) block_->fault("wgmma: a base offset, which the emulator has not");
  Range range{~0u, 0};
  for (uint32_t row = 0; row < rows; row++) {
    for (uint32_t chunk = 0; chunk < 2; chunk++) {
      const uint32_t place = operand_place(descriptor, row, chunk);
      range.first = std::min(range.first, place);
      range.end = std::max(range.end, place + 16);
    }
  }
  if (range.first < kSharedWindow) block_->fault("wgmma reads below the block's shared memory");
  block_->check_shared(block_->shared + (range.first - kSharedWindow), range.end - range.first, "wgmma");
  return range;
}

// An operand must have come, and its warp must have seen the phase end that says so.
void AsyncWork::check_filled(const WarpProduct& product, uint32_t warp) {
  auto reads = [&](const Range& target) {
    return target.meets(product.reads[0]) || target.meets(product.reads[1]);
  };
  for (const Copy& copy : copies_)
    if (reads(copy.target))
      block_->fault("warp %u: wgmma reads shared memory that a tensor copy has yet to fill", warp);
  for (const Filled& filled : filled_)
    if (reads(filled.target) && ended_phases(warp, filled.barrier) <= filled.phase)
      block_->fault("warp %u: wgmma reads what a tensor copy brought without having awaited it", warp);
}

void AsyncWork::multiply(void* const* lanes) {
  const uint32_t warp = block_->self->warp;
  ProductWarp& own = warps_[warp];
  if (!own.is_begun) block_->fault("warp %u: wgmma without the fence that it takes", warp);
  WarpProduct product = {};
  const Product& first = *static_cast<const Product*>(lanes[0]);
  product.left = first.left;
  product.right = first.right;
  for (int lane = 0; lane < 32; lane++) {
    const Product& each = *static_cast<const Product*>(lanes[lane]);
    if (each.left != first.left || each.right != first.right)
      block_->fault("warp %u: lanes give wgmma other descriptors", warp);
    product.sums[lane] = each.sums;
  }
  product.reads[0] = operand_range(product.left, 64);
  product.reads[1] = operand_range(product.right, 8 * kProductTiles);
  check_filled(product, warp);
  product.group = own.group;
  own.trace = (own.trace + product.left) * 0x9E3779B97F4A7C15ull + product.right;
  product.is_done = eager_;
  if (eager_) compute(product, warp);
  own.products.push_back(product);
}

void AsyncWork::end_products() { warps_[block_->self->warp].group++; }

void AsyncWork::await_products(uint32_t groups_left) {
  const uint32_t warp = block_->self->warp;
  ProductWarp& own = warps_[warp];
  size_t kept = 0;
  for (const WarpProduct& product : own.products) {
    if (product.group + groups_left >= own.group)
      own.products[kept++] = product;
    else if (!product.is_done)
      compute(product, warp);
  }
  own.products.resize(kept);
  own.is_begun = false;
}

// The sums of a warp, in the order of mma.m16n8k16 (products.h).
void AsyncWork::compute(const WarpProduct& product, uint32_t warp) {
  auto row_at = [&](uint64_t descriptor, uint32_t row, uint32_t chunk) {
    const uint32_t place = operand_place(descriptor, row, chunk) - kSharedWindow;
    return cuda::matrix_row(reinterpret_cast<const cuda::bf16*>(block_->shared + place));
  };
  cuda::TileA a;
  for (uint32_t row = 0; row < 16; row++)
    for (uint32_t chunk = 0; chunk < 2; chunk++)
      cuda::put_row(&a.at[row][chunk * 8], row_at(product.left, warp % 4 * 16 + row, chunk));
  for (uint32_t tile = 0; tile < kProductTiles; tile++) {
    cuda::TileB b;
    for (uint32_t n = 0; n < 8; n++)
      for (uint32_t chunk = 0; chunk < 2; chunk++) {
        const cuda::Lanes8 row = row_at(product.right, tile * 8 + n, chunk);
        for (int k = 0; k < 8; k++) b.at[chunk * 8 + k][n] = row[k];
      }
    cuda::TileC c;
    for (int lane = 0; lane < 32; lane++)
      for (int e = 0; e < 4; e++) cuda::element(c, lane, e) = product.sums[lane][tile * 4 + e];
    cuda::multiply(&c, a, b);
    for (int lane = 0; lane < 32; lane++)
      for (int e = 0; e < 4; e++) product.sums[lane][tile * 4 + e] = cuda::element(c, lane, e);
  }
}

const char* AsyncWork::unfinished() {
  auto is_awaited = [&](const Filled& filled) {
    for (uint32_t warp = 0; warp < warps_.size(); warp++)
      if (ended_phases(warp, filled.barrier) > filled.phase) return true;
    return false;
  };
  if (!copies_.empty() || !std::all_of(filled_.begin(), filled_.end(), is_awaited))
    return "a tensor copy is left that nobody waited for";
  for (uint32_t warp = 0; warp < warps_.size(); warp++) {
    if (!warps_[warp].products.empty()) return "a product is left that nobody waited for";
    if (warps_[warp].trace != warps_[warp / 4 * 4].trace)
      return "warps of a warpgroup did not ask for the same products";
  }
  return nullptr;
}

}  // namespace pd::emulated

// The kernels that the stand-in can run: those of the emulator, and one of its own for tests of its rules.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "registry.h"

namespace pd::standin {

struct Extent {
  unsigned x, y, z;
};

struct KernelEntry {
  bool exists = false;
  size_t parameter_bytes = 0;
  const emulated::Kernel* emulated = nullptr;  // null: the stand-in's own
};

// As the arguments of a kernel with tensor maps are aligned, and no kernel's more.
struct alignas(64) AlignedArguments {
  unsigned char bytes[64];
};

KernelEntry find_kernel(const std::string& name);
// One launch.
class KernelRun {
 public:
  KernelRun(const KernelEntry& kernel, Extent grid, Extent block, size_t shared_bytes,
            const std::vector<unsigned char>& arguments);
  ~KernelRun();
  KernelRun(const KernelRun&) = delete;
  KernelRun& operator=(const KernelRun&) = delete;

  // Its first block, up to where it awaits the kernel before. The same thread finishes it.
  void start();
  // Runs it, or the rest of it; returns what went wrong, or nothing.
  std::string finish();

 private:
  KernelEntry kernel_;
  Extent grid_, block_;
  size_t shared_bytes_;
  // A copy of its own: a kernel gets aligned arguments that it may write to.
  std::vector<AlignedArguments> arguments_;
  emulated::Block* started_ = nullptr;
};

}  // namespace pd::standin

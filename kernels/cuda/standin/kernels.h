// The kernels that the stand-in can run: those of the emulator, and one of its own for tests of its rules.
#pragma once

#include <cstddef>
#include <string>

namespace pd::standin {

struct Extent {
  unsigned x, y, z;
};

struct KernelEntry {
  bool exists = false;
  size_t parameter_bytes = 0;
  const void* emulated = nullptr;  // null: the stand-in's own
};

KernelEntry find_kernel(const std::string& name);
// Runs it; returns what went wrong, or nothing.
std::string run_kernel(const KernelEntry& kernel, Extent grid, Extent block, size_t shared_bytes,
                       const void* parameters);

}  // namespace pd::standin

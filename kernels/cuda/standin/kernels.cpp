#include "kernels.h"

#include <cstdint>

#include "registry.h"

namespace pd::standin {
namespace {

// target[i] = source[i] + value.
struct ProbeArguments {
  uint64_t source, target;
  int32_t count;
  float value;
};

constexpr char kProbe[] = "pd_standin_probe";

void run_probe(const ProbeArguments& arguments) {
  const float* source = reinterpret_cast<const float*>(arguments.source);
  float* target = reinterpret_cast<float*>(arguments.target);
  for (int32_t i = 0; i < arguments.count; i++) target[i] = source[i] + arguments.value;
}

}  // namespace

KernelEntry find_kernel(const std::string& name) {
  if (name == kProbe) return {true, sizeof(ProbeArguments), nullptr};
  const emulated::Kernel* found = emulated::find_kernel(name.c_str());
  if (found != nullptr) return {true, found->parameter_bytes, found};
  return {};
}

std::string run_kernel(const KernelEntry& kernel, Extent grid, Extent block, size_t shared_bytes,
                       const void* parameters) {
  if (kernel.emulated == nullptr) {
    run_probe(*static_cast<const ProbeArguments*>(parameters));
    return {};
  }
  const auto& emulated = *static_cast<const emulated::Kernel*>(kernel.emulated);
  const char* problem =
      emulated.run({grid.x, grid.y, grid.z}, {block.x, block.y, block.z}, shared_bytes, parameters);
  return problem == nullptr ? "" : problem;
}

}  // namespace pd::standin

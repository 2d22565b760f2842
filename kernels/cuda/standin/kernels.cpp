#include "kernels.h"

#include <cstdint>
#include <cstring>
#include <utility>

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

KernelRun::KernelRun(const KernelEntry& kernel, Extent grid, Extent block, size_t shared_bytes,
                     const std::vector<unsigned char>& arguments)
    : kernel_(kernel),
      grid_(grid),
      block_(block),
      shared_bytes_(shared_bytes),
      arguments_(arguments.size() / sizeof(AlignedArguments) + 1) {
  memcpy(arguments_.data(), arguments.data(), arguments.size());
}

KernelRun::~KernelRun() {
  if (started_ != nullptr) emulated::drop(started_);
}

void KernelRun::start() {
  if (kernel_.emulated == nullptr || started_ != nullptr) return;
  started_ = emulated::start(*kernel_.emulated, {grid_.x, grid_.y, grid_.z}, {block_.x, block_.y, block_.z},
                             shared_bytes_, arguments_.data());
}

std::string KernelRun::finish() {
  if (kernel_.emulated == nullptr) {
    run_probe(*reinterpret_cast<const ProbeArguments*>(arguments_.data()));
    return {};
  }
  const char* problem =
      emulated::run(*kernel_.emulated, {grid_.x, grid_.y, grid_.z}, {block_.x, block_.y, block_.z},
                    shared_bytes_, arguments_.data(), std::exchange(started_, nullptr));
  return problem == nullptr ? "" : problem;
}

}  // namespace pd::standin

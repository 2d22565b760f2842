// The part of the CUDA driver's C ABI that the engine calls, in our own words: results, attributes, structs.
#pragma once

#include <cstddef>
#include <cstdint>

#define PD_DRIVER_API extern "C" __attribute__((visibility("default"))) int

namespace pd::standin {

using Address = uint64_t;

enum Result : int {
  kBlocked = -1,  // never returned: a stream waits for what nobody has asked for yet
  kOk = 0,
  kInvalidValue = 1,
  kOutOfMemory = 2,
  kNotInitialized = 3,
  kDeviceUnavailable = 46,
  kNoDevice = 100,
  kInvalidDevice = 101,
  kInvalidImage = 200,
  kInvalidContext = 201,
  kNoBinaryForGpu = 209,
  kEccUncorrectable = 214,
  kInvalidHandle = 400,
  kNotFound = 500,
  kNotReady = 600,
  kIllegalAddress = 700,
  kLaunchOutOfResources = 701,
  kLaunchFailed = 719,
  kNotSupported = 801,
  kCaptureUnsupported = 900,
  kCaptureInvalidated = 901,
};

enum DeviceAttribute : int {
  kMaxSharedBytesPerBlock = 8,
  kMultiprocessorCount = 16,
  kUnifiedAddressing = 41,
  kComputeCapabilityMajor = 75,
  kComputeCapabilityMinor = 76,
  kMaxSharedBytesPerBlockOptIn = 97,
  kVirtualMemoryManagement = 102,
};

enum FunctionAttribute : int { kMaxDynamicSharedBytes = 8 };

enum CaptureMode : int { kCaptureGlobal = 0, kCaptureThreadLocal = 1, kCaptureRelaxed = 2 };

struct MemoryLocation {
  int kind;
  int id;
};

constexpr int kLocationDevice = 1;
constexpr int kAccessReadWrite = 3;

struct AllocationProperties {
  int kind;
  int handle_kinds;
  MemoryLocation location;
  void* windows_only;
  unsigned char compression, direct_rdma;
  unsigned short usage;
  unsigned char reserved[4];
};

struct AccessDescription {
  MemoryLocation location;
  int flags;
};

struct CopyAttributes {
  int source_access_order;
  MemoryLocation source_hint, target_hint;
  unsigned flags;
};

struct LaunchAttribute {
  int kind;
  int padding;
  int value[16];
};
constexpr int kEarlyStart = 6;

struct LaunchConfiguration {
  unsigned grid_x, grid_y, grid_z, block_x, block_y, block_z, shared_bytes;
  void* stream;
  const LaunchAttribute* attributes;
  unsigned attribute_count;
};

static_assert(sizeof(LaunchAttribute) == 72);
static_assert(sizeof(LaunchConfiguration) == 56);
static_assert(sizeof(AllocationProperties) == 32);
static_assert(sizeof(AccessDescription) == 12);
static_assert(sizeof(CopyAttributes) == 24);

}  // namespace pd::standin

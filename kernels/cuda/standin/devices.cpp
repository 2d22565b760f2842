// Devices, contexts, and what names results.
#include <dlfcn.h>

#include <cstdio>
#include <cstring>

#include "control.h"
#include "memory.h"

using namespace pd::standin;

namespace {

Result known_device(int device) {
  if (!machine().is_initialized) return refuse(kNotInitialized, "cuInit was not called");
  if (device < 0 || device >= static_cast<int>(machine().devices.size()))
    return refuse(kInvalidDevice, "there is no device " + std::to_string(device));
  return kOk;
}

const char* name_of(int result) {
  switch (result) {
    case kOk:
      return "CUDA_SUCCESS";
    case kInvalidValue:
      return "CUDA_ERROR_INVALID_VALUE";
    case kOutOfMemory:
      return "CUDA_ERROR_OUT_OF_MEMORY";
    case kNotInitialized:
      return "CUDA_ERROR_NOT_INITIALIZED";
    case kDeviceUnavailable:
      return "CUDA_ERROR_DEVICE_UNAVAILABLE";
    case kNoDevice:
      return "CUDA_ERROR_NO_DEVICE";
    case kInvalidDevice:
      return "CUDA_ERROR_INVALID_DEVICE";
    case kInvalidImage:
      return "CUDA_ERROR_INVALID_IMAGE";
    case kInvalidContext:
      return "CUDA_ERROR_INVALID_CONTEXT";
    case kNoBinaryForGpu:
      return "CUDA_ERROR_NO_BINARY_FOR_GPU";
    case kEccUncorrectable:
      return "CUDA_ERROR_ECC_UNCORRECTABLE";
    case kInvalidHandle:
      return "CUDA_ERROR_INVALID_HANDLE";
    case kNotFound:
      return "CUDA_ERROR_NOT_FOUND";
    case kNotReady:
      return "CUDA_ERROR_NOT_READY";
    case kIllegalAddress:
      return "CUDA_ERROR_ILLEGAL_ADDRESS";
    case kLaunchOutOfResources:
      return "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES";
    case kLaunchFailed:
      return "CUDA_ERROR_LAUNCH_FAILED";
    case kNotSupported:
      return "CUDA_ERROR_NOT_SUPPORTED";
    case kCaptureUnsupported:
      return "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED";
    case kCaptureInvalidated:
      return "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED";
    default:
      return nullptr;
  }
}

}  // namespace

PD_DRIVER_API cuInit(unsigned) {
  std::lock_guard<std::recursive_mutex> lock(machine().gate);
  configure_from_environment();
  if (machine().devices.empty()) return refuse(kNoDevice, "the stand-in was configured with no devices");
  machine().is_initialized = true;
  return kOk;
}

PD_DRIVER_API cuDriverGetVersion(int* version) {
  *version = machine().driver_version;
  return kOk;
}

PD_DRIVER_API cuGetErrorName(int result, const char** name) {
  *name = name_of(result);
  return *name == nullptr ? kInvalidValue : kOk;
}

// The reason of the last refusal, which a real driver does not give.
PD_DRIVER_API cuGetErrorString(int result, const char** text) {
  static thread_local std::string last;
  std::lock_guard<std::recursive_mutex> lock(machine().gate);
  last = result == kOk ? "no error" : machine().problem;
  *text = last.c_str();
  return kOk;
}

PD_DRIVER_API cuDeviceGetCount(int* count) {
  PD_ENTER(known_device(0));
  *count = static_cast<int>(machine().devices.size());
  return kOk;
}

PD_DRIVER_API cuDeviceGet(int* device, int ordinal) {
  PD_ENTER(known_device(ordinal));
  *device = ordinal;
  return kOk;
}

PD_DRIVER_API cuDeviceGetName(char* name, int capacity, int device) {
  PD_ENTER(known_device(device));
  snprintf(name, static_cast<size_t>(capacity), "stand-in %d", device);
  return kOk;
}

PD_DRIVER_API cuDeviceTotalMem_v2(size_t* bytes, int device) {
  PD_ENTER(known_device(device));
  *bytes = machine().devices[device]->total_bytes;
  return kOk;
}

PD_DRIVER_API cuDeviceGetAttribute(int* value, int attribute, int device) {
  PD_ENTER(known_device(device));
  switch (attribute) {
    case kComputeCapabilityMajor:
      *value = machine().compute_capability / 10;
      break;
    case kComputeCapabilityMinor:
      *value = machine().compute_capability % 10;
      break;
    case kMultiprocessorCount:
      *value = 4;
      break;
    case kMaxSharedBytesPerBlock:
      *value = 48 * 1024;
      break;
    case kMaxSharedBytesPerBlockOptIn:
      *value = 227 * 1024;
      break;
    case kUnifiedAddressing:
    case kVirtualMemoryManagement:
      *value = 1;
      break;
    default:
      return refuse(kInvalidValue, "the stand-in does not know the attribute");
  }
  return kOk;
}

PD_DRIVER_API cuDeviceCanAccessPeer(int* can, int device, int peer) {
  PD_ENTER(known_device(device));
  if (Result result = known_device(peer); result != kOk) return result;
  *can = machine().has_peers && device != peer;
  return kOk;
}

PD_DRIVER_API cuDevicePrimaryCtxRetain(Context** context, int device) {
  PD_ENTER(known_device(device));
  Device& own = *machine().devices[device];
  if (own.is_lost) return refuse(kDeviceUnavailable, "the device is lost");
  own.context.retained++;
  *context = &own.context;
  return kOk;
}

PD_DRIVER_API cuDevicePrimaryCtxRelease_v2(int device) {
  PD_ENTER(known_device(device));
  Context& context = machine().devices[device]->context;
  if (context.retained == 0) return refuse(kInvalidContext, "the context was not retained");
  if (--context.retained == 0) context.error = kOk;
  return kOk;
}

PD_DRIVER_API cuCtxSetCurrent(Context* context) {
  std::lock_guard<std::recursive_mutex> lock(machine().gate);
  current_context() = context;
  return kOk;
}

PD_DRIVER_API cuCtxSynchronize() {
  PD_ENTER(usable_context());
  if (Result result = no_capture("a synchronisation"); result != kOk) return result;
  for (Stream* stream : machine().streams) {
    if (stream->context != current_context() || stream->capture == nullptr) continue;
    stream->capture_is_broken = true;
    return refuse(kCaptureUnsupported, "a synchronisation with a device that a stream is being captured on");
  }
  return wait_on_host(lock, [] { return drain_device(current_context()->device); });
}

PD_DRIVER_API cuGetProcAddress_v2(const char* symbol, void** address, int version, uint64_t, int*) {
  std::string name(symbol);
  if (name == "cuMemcpyBatchAsync" && version >= 13000) name += "_v2";
  *address = dlsym(RTLD_DEFAULT, name.c_str());
  Dl_info own;
  if (*address == nullptr && dladdr(reinterpret_cast<void*>(&cuInit), &own) != 0) {
    void* self = dlopen(own.dli_fname, RTLD_NOW | RTLD_NOLOAD);
    *address = self == nullptr ? nullptr : dlsym(self, name.c_str());
    if (self != nullptr) dlclose(self);
  }
  return *address == nullptr ? kNotFound : kOk;
}

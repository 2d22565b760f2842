// Copies. What is pinned is read and written when the copy runs, not when it is asked for.
#include <cstring>
#include <vector>

#include "memory.h"

using namespace pd::standin;

namespace {

Result injected() {
  return due(machine().faults.copy) ? refuse(kEccUncorrectable, "an injected fault of a copy") : kOk;
}

void* host(Address address) { return reinterpret_cast<void*>(address); }

// Moves bytes; between two devices with a bit wrong, where a test asks for that.
void move(Address target, Address source, size_t bytes) {
  memmove(host(target), host(source), bytes);
  const Mapping* to = find_mapping(target, bytes);
  const Mapping* from = find_mapping(source, bytes);
  bool is_between = to != nullptr && from != nullptr && to->device != from->device;
  if (machine().faults.spoils_peer_copies && is_between && bytes > 0)
    *(static_cast<char*>(host(target)) + bytes / 2) ^= 4;
}

// A copy by one device, which must be able to reach both ends now and when it runs.
Result copy_on_device(Stream& stream, Address target, Address source, size_t bytes) {
  int device = stream.context->device;
  auto check = [=] {
    Result result = check_access(device, target, bytes, "the target of a copy");
    return result == kOk ? check_access(device, source, bytes, "the source of a copy") : result;
  };
  if (Result result = check(); result != kOk) return result;
  return enqueue(stream, [=] {
    if (Result result = check(); result != kOk) return result;
    if (Result result = injected(); result != kOk) return result;
    move(target, source, bytes);
    return kOk;
  });
}

}  // namespace

PD_DRIVER_API cuMemcpyHtoDAsync_v2(Address target, const void* source, size_t bytes, void* handle) {
  PD_ENTER(usable_context());
  Stream* stream;
  if (Result result = find_stream(handle, stream); result != kOk) return result;
  int device = stream->context->device;
  if (Result result = check_access(device, target, bytes, "the target of a copy"); result != kOk)
    return result;
  bool from_pinned = is_pinned(source, bytes);
  if (!from_pinned && stream->capture != nullptr)
    return refuse(kCaptureUnsupported, "a captured copy from memory that is not pinned");
  const char* first = static_cast<const char*>(source);
  // Like a driver, it takes what is not pinned at the call.
  std::vector<char> staged;
  if (!from_pinned) staged.assign(first, first + bytes);
  return enqueue(*stream, [=] {
    if (Result result = check_access(device, target, bytes, "the target of a copy"); result != kOk)
      return result;
    if (from_pinned && !is_pinned(source, bytes))
      return refuse_taken_away(kIllegalAddress, "the pinned source of a copy was freed before it ran");
    if (Result result = injected(); result != kOk) return result;
    memcpy(host(target), from_pinned ? first : staged.data(), bytes);
    return kOk;
  });
}

PD_DRIVER_API cuMemcpyDtoHAsync_v2(void* target, Address source, size_t bytes, void* handle) {
  PD_ENTER(usable_context());
  Stream* stream;
  if (Result result = find_stream(handle, stream); result != kOk) return result;
  int device = stream->context->device;
  if (Result result = check_access(device, source, bytes, "the source of a copy"); result != kOk)
    return result;
  bool to_pinned = is_pinned(target, bytes);
  if (!to_pinned && stream->capture != nullptr)
    return refuse(kCaptureUnsupported, "a captured copy to memory that is not pinned");
  Result result = enqueue(*stream, [=] {
    if (Result now = check_access(device, source, bytes, "the source of a copy"); now != kOk) return now;
    if (to_pinned && !is_pinned(target, bytes))
      return refuse_taken_away(kIllegalAddress, "the pinned target of a copy was freed before it ran");
    if (Result now = injected(); now != kOk) return now;
    memcpy(target, host(source), bytes);
    return kOk;
  });
  // Like a driver, it has written what is not pinned when it returns.
  if (result != kOk || to_pinned) return result;
  return wait_on_host(lock, [stream] { return drain(*stream); });
}

PD_DRIVER_API cuMemcpyDtoDAsync_v2(Address target, Address source, size_t bytes, void* handle) {
  PD_ENTER(usable_context());
  Stream* stream;
  if (Result result = find_stream(handle, stream); result != kOk) return result;
  return copy_on_device(*stream, target, source, bytes);
}

// Each end need only be within reach of its own context.
PD_DRIVER_API cuMemcpyPeerAsync(Address target, Context* target_context, Address source,
                                Context* source_context, size_t bytes, void* handle) {
  PD_ENTER(usable_context());
  Stream* stream;
  if (Result result = find_stream(handle, stream); result != kOk) return result;
  auto check = [=] {
    Result result = check_access(target_context->device, target, bytes, "the target of a peer copy");
    return result == kOk ? check_access(source_context->device, source, bytes, "the source of a peer copy")
                         : result;
  };
  if (Result result = check(); result != kOk) return result;
  return enqueue(*stream, [=] {
    if (Result result = check(); result != kOk) return result;
    if (Result result = injected(); result != kOk) return result;
    move(target, source, bytes);
    return kOk;
  });
}

PD_DRIVER_API cuMemsetD8Async(Address target, unsigned char value, size_t bytes, void* handle) {
  PD_ENTER(usable_context());
  Stream* stream;
  if (Result result = find_stream(handle, stream); result != kOk) return result;
  int device = stream->context->device;
  if (Result result = check_access(device, target, bytes, "the target of a fill"); result != kOk)
    return result;
  return enqueue(*stream, [=] {
    if (Result result = check_access(device, target, bytes, "the target of a fill"); result != kOk)
      return result;
    memset(host(target), value, bytes);
    return kOk;
  });
}

// The copies of a batch have no order: they run last to first.
PD_DRIVER_API cuMemcpyBatchAsync_v2(Address* targets, Address* sources, size_t* sizes, size_t count,
                                    CopyAttributes* attributes, size_t* attribute_starts,
                                    size_t attribute_count, void* handle) {
  PD_ENTER(usable_context());
  Stream* stream;
  if (Result result = find_stream(handle, stream); result != kOk) return result;
  if (attribute_count != 1 || attribute_starts[0] != 0 || attributes[0].source_access_order != 1)
    return refuse(kInvalidValue, "a batch needs one attribute: sources are read in stream order");
  for (size_t i = count; i-- > 0;) {
    Result result = copy_on_device(*stream, targets[i], sources[i], sizes[i]);
    if (result != kOk) return result;
  }
  return kOk;
}

// The form of before CUDA 13.
PD_DRIVER_API cuMemcpyBatchAsync(Address* targets, Address* sources, size_t* sizes, size_t count,
                                 CopyAttributes* attributes, size_t* attribute_starts, size_t attribute_count,
                                 size_t* failed, void* handle) {
  *failed = SIZE_MAX;
  return cuMemcpyBatchAsync_v2(targets, sources, sizes, count, attributes, attribute_starts, attribute_count,
                               handle);
}

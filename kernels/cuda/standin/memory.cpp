#include "memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

namespace pd::standin {
namespace {

constexpr size_t kGranularity = 1 << 16;

struct Memory {
  std::map<Address, Mapping> mappings;
  // Every range ever given out or reserved, by first address; ranges stay after they are freed.
  std::map<Address, size_t> ranges;
  std::map<Address, size_t> reservations;
  std::map<const char*, size_t> pinned, freed_pinned;
  std::set<Physical*> physicals;
};

Memory& memory() {
  static Memory instance;
  return instance;
}

size_t rounded(size_t bytes) { return (bytes + kGranularity - 1) / kGranularity * kGranularity; }

Address take_range(size_t bytes) {
  void* range = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (range == MAP_FAILED) return 0;
  memory().ranges[reinterpret_cast<Address>(range)] = bytes;
  return reinterpret_cast<Address>(range);
}

void hide(Address first, size_t bytes) {
  mmap(reinterpret_cast<void*>(first), bytes, PROT_NONE,
       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

Result charge(int device, size_t bytes) {
  Device& own = *machine().devices[device];
  if (due(machine().faults.allocation)) return refuse(kOutOfMemory, "an injected fault");
  if (own.used_bytes + bytes > own.total_bytes)
    return refuse(kOutOfMemory, "device " + std::to_string(device) + " has " +
                                    std::to_string(own.total_bytes - own.used_bytes) + " bytes left of " +
                                    std::to_string(own.total_bytes) + ", not " + std::to_string(bytes));
  own.used_bytes += bytes;
  return kOk;
}

void drop(Physical* physical) {
  if (!physical->is_released || physical->mapping_count > 0) return;
  machine().devices[physical->device]->used_bytes -= physical->bytes;
  close(physical->file);
  memory().physicals.erase(physical);
  delete physical;
}

}  // namespace

const Mapping* find_mapping(Address first, size_t bytes) {
  auto next = memory().mappings.upper_bound(first);
  if (next == memory().mappings.begin()) return nullptr;
  const Mapping& mapping = (--next)->second;
  return first + bytes <= mapping.first + mapping.bytes ? &mapping : nullptr;
}

bool is_device_address(Address address) {
  auto next = memory().ranges.upper_bound(address);
  if (next == memory().ranges.begin()) return false;
  --next;
  return address < next->first + next->second;
}

bool is_pinned(const void* first, size_t bytes) {
  const char* address = static_cast<const char*>(first);
  auto next = memory().pinned.upper_bound(address);
  if (next == memory().pinned.begin()) return false;
  --next;
  return address + bytes <= next->first + next->second;
}

Result check_access(int device, Address first, size_t bytes, const char* what) {
  const Mapping* mapping = find_mapping(first, bytes);
  const uint64_t since = machine().running_since;
  if (mapping == nullptr) {
    std::string why = std::string(what) + " is not, or no longer, device memory";
    return since == kNotRunning ? refuse(kIllegalAddress, why) : refuse_taken_away(kIllegalAddress, why);
  }
  if (mapping->since > since)
    return refuse_taken_away(
        kIllegalAddress,
        std::string(what) + " was unmapped while this was pending; other memory is there now");
  if (mapping->access.count(device) == 0)
    return refuse(kIllegalAddress, std::string(what) + " is memory of device " +
                                       std::to_string(mapping->device) + ", which device " +
                                       std::to_string(device) + " was given no access to");
  return kOk;
}

Result check_parameters(int device, const unsigned char* parameters, size_t bytes,
                        const std::string& kernel) {
  for (size_t offset = 0; offset + sizeof(Address) <= bytes; offset += sizeof(Address)) {
    Address word;
    memcpy(&word, parameters + offset, sizeof word);
    std::string what = kernel + ": the pointer at byte " + std::to_string(offset) + " of its arguments";
    if (is_pinned(reinterpret_cast<void*>(word), 1)) return refuse(kIllegalAddress, what + " is host memory");
    if (!is_device_address(word)) continue;
    Result result = check_access(device, word, 1, what.c_str());
    if (result != kOk) return result;
  }
  return kOk;
}

void release_all_memory() {
  for (auto& [first, bytes] : memory().ranges) munmap(reinterpret_cast<void*>(first), bytes);
  for (Physical* physical : memory().physicals) {
    close(physical->file);
    delete physical;
  }
  for (auto& [first, bytes] : memory().pinned) munmap(const_cast<char*>(first), bytes);
  for (auto& [first, bytes] : memory().freed_pinned) munmap(const_cast<char*>(first), bytes);
  memory() = {};
}

}  // namespace pd::standin

using namespace pd::standin;

PD_DRIVER_API cuMemGetInfo_v2(size_t* free, size_t* total) {
  PD_ENTER(usable_context());
  const Device& device = *machine().devices[current_context()->device];
  *total = device.total_bytes;
  *free = device.total_bytes - device.used_bytes;
  return kOk;
}

PD_DRIVER_API cuMemAlloc_v2(Address* address, size_t bytes) {
  PD_ENTER(usable_context());
  if (Result result = no_capture("an allocation"); result != kOk) return result;
  if (bytes == 0) return refuse(kInvalidValue, "an allocation of no bytes");
  int device = current_context()->device;
  if (Result result = charge(device, bytes); result != kOk) return result;
  Address first = take_range(rounded(bytes));
  mprotect(reinterpret_cast<void*>(first), rounded(bytes), PROT_READ | PROT_WRITE);
  memset(reinterpret_cast<void*>(first), 0xff, bytes);
  memory().mappings[first] = {first, bytes, device, ++machine().clock, nullptr, {device}};
  *address = first;
  return kOk;
}

PD_DRIVER_API cuMemFree_v2(Address address) {
  PD_ENTER(usable_context());
  if (Result result = no_capture("a free"); result != kOk) return result;
  auto found = memory().mappings.find(address);
  if (found == memory().mappings.end() || found->second.physical != nullptr)
    return refuse(kInvalidValue, "a free of what was not allocated");
  int device = found->second.device;
  Result result = wait_on_host(lock, [device] { return drain_device(device); });
  found = memory().mappings.find(address);
  if (found == memory().mappings.end()) return refuse(kInvalidValue, "a free of what another thread freed");
  machine().devices[found->second.device]->used_bytes -= found->second.bytes;
  hide(address, rounded(found->second.bytes));
  memory().mappings.erase(address);
  return result;
}

PD_DRIVER_API cuMemHostAlloc(void** address, size_t bytes, unsigned) {
  PD_ENTER(usable_context());
  if (Result result = no_capture("an allocation"); result != kOk) return result;
  void* pages = mmap(nullptr, rounded(bytes), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) return refuse(kOutOfMemory, "the host has no memory left");
  memory().pinned[static_cast<char*>(pages)] = rounded(bytes);
  *address = pages;
  return kOk;
}

PD_DRIVER_API cuMemFreeHost(void* address) {
  PD_ENTER(usable_context());
  auto found = memory().pinned.find(static_cast<char*>(address));
  if (found == memory().pinned.end()) return refuse(kInvalidValue, "a free of what was not allocated");
  // As with device memory, nobody gets the address again: who still uses it is seen.
  hide(reinterpret_cast<Address>(address), found->second);
  memory().freed_pinned[found->first] = found->second;
  memory().pinned.erase(found);
  return kOk;
}

PD_DRIVER_API cuMemGetAllocationGranularity(size_t* bytes, const AllocationProperties*, int) {
  *bytes = kGranularity;
  return kOk;
}

PD_DRIVER_API cuMemAddressReserve(Address* address, size_t bytes, size_t, Address, unsigned long long) {
  PD_ENTER(usable_context());
  if (bytes == 0 || bytes % kGranularity != 0)
    return refuse(kInvalidValue, "a reservation that is no multiple of the granularity");
  *address = take_range(bytes);
  if (*address == 0) return refuse(kOutOfMemory, "no address space is left");
  memory().reservations[*address] = bytes;
  return kOk;
}

PD_DRIVER_API cuMemAddressFree(Address address, size_t bytes) {
  PD_ENTER(usable_context());
  auto found = memory().reservations.find(address);
  if (found == memory().reservations.end() || found->second != bytes)
    return refuse(kInvalidValue, "no such reservation");
  if (find_mapping(address, 1) != nullptr) return refuse(kInvalidValue, "the reservation still shows memory");
  memory().reservations.erase(found);
  return kOk;
}

PD_DRIVER_API cuMemCreate(Physical** handle, size_t bytes, const AllocationProperties* properties,
                          unsigned long long) {
  PD_ENTER(usable_context());
  if (Result result = no_capture("an allocation"); result != kOk) return result;
  int device = properties->location.id;
  if (bytes % kGranularity != 0 || device < 0 || device >= static_cast<int>(machine().devices.size()))
    return refuse(kInvalidValue, "not a size or a device that there is");
  if (Result result = charge(device, bytes); result != kOk) return result;
  int file = memfd_create("pd-standin", 0);
  if (file < 0 || ftruncate(file, static_cast<off_t>(bytes)) != 0)
    return refuse(kOutOfMemory, "the host has no memory left");
  *handle = new Physical{device, bytes, file};
  memory().physicals.insert(*handle);
  return kOk;
}

PD_DRIVER_API cuMemRelease(Physical* handle) {
  PD_ENTER(usable_context());
  if (memory().physicals.count(handle) == 0 || handle->is_released)
    return refuse(kInvalidValue, "no such memory");
  handle->is_released = true;
  drop(handle);
  return kOk;
}

PD_DRIVER_API cuMemMap(Address address, size_t bytes, size_t offset, Physical* handle, unsigned long long) {
  PD_ENTER(usable_context());
  auto reservation = memory().reservations.upper_bound(address);
  bool is_reserved = reservation != memory().reservations.begin() &&
                     address + bytes <= std::prev(reservation)->first + std::prev(reservation)->second;
  if (!is_reserved || memory().physicals.count(handle) == 0 || offset + bytes > handle->bytes)
    return refuse(kInvalidValue, "the addresses were not reserved, or the memory is not there");
  if (find_mapping(address, 1) != nullptr) return refuse(kInvalidValue, "the addresses show memory already");
  void* pages = reinterpret_cast<void*>(address);
  mmap(pages, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, handle->file,
       static_cast<off_t>(offset));
  if (!handle->is_poisoned) memset(pages, 0xff, bytes);
  handle->is_poisoned = true;
  memory().mappings[address] = {address, bytes, handle->device, ++machine().clock, handle, {}};
  handle->mapping_count++;
  return kOk;
}

PD_DRIVER_API cuMemUnmap(Address address, size_t bytes) {
  PD_ENTER(usable_context());
  if (Result result = no_capture("a free"); result != kOk) return result;
  auto found = memory().mappings.find(address);
  bool is_mapped = found != memory().mappings.end() && found->second.physical != nullptr;
  if (!is_mapped || found->second.bytes != bytes) return refuse(kInvalidValue, "no such mapping");
  Physical* physical = found->second.physical;
  hide(address, bytes);
  memory().mappings.erase(found);
  physical->mapping_count--;
  drop(physical);
  return kOk;
}

PD_DRIVER_API cuMemSetAccess(Address address, size_t bytes, const AccessDescription* access, size_t count) {
  PD_ENTER(usable_context());
  auto found = memory().mappings.find(address);
  bool is_mapped = found != memory().mappings.end() && found->second.physical != nullptr;
  if (!is_mapped || found->second.bytes != bytes) return refuse(kInvalidValue, "no such mapping");
  for (size_t i = 0; i < count; i++) {
    bool is_own = access[i].location.id == found->second.device;
    if (!is_own && !machine().has_peers) return refuse(kInvalidDevice, "the devices do not reach each other");
    if (access[i].flags == kAccessReadWrite)
      found->second.access.insert(access[i].location.id);
    else
      found->second.access.erase(access[i].location.id);
  }
  return kOk;
}

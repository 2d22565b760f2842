// Device memory of the virtual devices: real pages of this process at addresses that are never used twice, so
// that a pointer to what was freed is known for what it is.
#pragma once

#include "machine.h"

namespace pd::standin {

// Memory of one device, apart from any address; several mappings may show it.
struct Physical {
  int device = 0;
  size_t bytes = 0;
  int file = -1;
  bool is_released = false;
  bool is_poisoned = false;
  int mapping_count = 0;
};

struct Mapping {
  Address first = 0;
  size_t bytes = 0;
  int device = 0;
  uint64_t since = 0;  // by the machine's clock
  Physical* physical = nullptr;
  // Devices that may read and write it: its own for plain allocations, those of cuMemSetAccess for others.
  std::set<int> access;
};

// The mapping that holds all of a range; null where there is none.
const Mapping* find_mapping(Address first, size_t bytes);
// Whether an address lies in what once was device memory or address space reserved for it.
bool is_device_address(Address address);
// Whether a host range lies in memory of cuMemHostAlloc.
bool is_pinned(const void* first, size_t bytes);

// Refuses a range that a device may not touch.
PD_STANDIN_SHARED Result check_access(int device, Address first, size_t bytes, const char* what);
// Refuses a parameter block in which some word is a device address that the device may not touch.
Result check_parameters(int device, const unsigned char* parameters, size_t bytes, const std::string& kernel);

void release_all_memory();

// What every call begins with: the lock, and a reason not to go on.
#define PD_ENTER(check)                                        \
  std::unique_lock<std::recursive_mutex> lock(machine().gate); \
  if (Result entered = (check); entered != kOk) return entered

}  // namespace pd::standin

// Partitions of a device's multiprocessors, as drivers from CUDA 12.4 on have them.
#include <cstring>

#include "memory.h"

using namespace pd::standin;

namespace {

constexpr int kMultiprocessors = 1;
constexpr unsigned kUnit = 2, kCount = 4;

struct Resource {
  int type;
  unsigned char internal[92];
  unsigned count;
  unsigned char more[44];
};

static_assert(sizeof(Resource) == 144);

struct ResourceList {
  unsigned count;
};

}  // namespace

PD_DRIVER_API cuDeviceGetDevResource(int device, Resource* resource, int type) {
  PD_ENTER(kOk);
  if (device < 0 || device >= static_cast<int>(machine().devices.size()) || type != kMultiprocessors)
    return refuse(kInvalidValue, "no such device or kind");
  if (!machine().has_partitions) return refuse(kNotSupported, "the driver has no partitions");
  *resource = {};
  resource->type = type;
  resource->count = kCount;
  return kOk;
}

PD_DRIVER_API cuDevSmResourceSplitByCount(Resource* groups, unsigned* group_count, const Resource* input,
                                          Resource* left, unsigned, unsigned least) {
  PD_ENTER(kOk);
  unsigned taken = (least + kUnit - 1) / kUnit * kUnit;
  if (*group_count != 1 || taken == 0 || taken > input->count)
    return refuse(kInvalidValue, "not so many multiprocessors, or groups");
  groups[0] = *input;
  groups[0].count = taken;
  *left = *input;
  left->count = input->count - taken;
  return kOk;
}

PD_DRIVER_API cuDevResourceGenerateDesc(ResourceList** list, Resource* resources, unsigned count) {
  PD_ENTER(kOk);
  if (count != 1 || resources[0].type != kMultiprocessors || resources[0].count == 0)
    return refuse(kInvalidValue, "no resource");
  *list = new ResourceList{resources[0].count};
  return kOk;
}

PD_DRIVER_API cuGreenCtxCreate(GreenContext** made, ResourceList* list, int device, unsigned flags) {
  PD_ENTER(usable_context());
  if (flags != 1) return refuse(kInvalidValue, "a partition needs its flag of a default stream");
  *made = new GreenContext{device, list->count};
  delete list;
  machine().partitions.insert(*made);
  return kOk;
}

PD_DRIVER_API cuGreenCtxDestroy(GreenContext* partition) {
  std::lock_guard<std::recursive_mutex> lock(machine().gate);
  if (machine().partitions.erase(partition) == 0) return refuse(kInvalidHandle, "there is no such partition");
  delete partition;
  return kOk;
}

// It belongs to the primary context all the same.
PD_DRIVER_API cuGreenCtxStreamCreate(Stream** stream, GreenContext* partition, unsigned flags, int) {
  PD_ENTER(usable_context());
  if (machine().partitions.count(partition) == 0) return refuse(kInvalidHandle, "there is no such partition");
  if (partition->device != current_context()->device || flags != 1)
    return refuse(kInvalidValue, "a partition of another device, or a stream that blocks");
  *stream = new Stream;
  (*stream)->context = current_context();
  (*stream)->multiprocessors = partition->count;
  machine().streams.insert(*stream);
  return kOk;
}

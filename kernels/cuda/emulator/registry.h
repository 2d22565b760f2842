// The kernels of kernels/cuda as C++ functions: what a stand-in for the driver launches.
#pragma once
#include <cstddef>
#include <cstdint>

namespace pd::emulated {

struct Dim3 {
  uint32_t x = 1, y = 1, z = 1;
};

// How the threads of a block take turns.
struct Schedule {
  // 0: a warp runs ahead as far as barriers let it, and asynchronous copies land as late as they may.
  // Otherwise: random order; an odd seed lands asynchronous copies at once.
  uint64_t seed = 0;
  // OS threads over which the blocks of a launch are spread; 0: as many as there are cores.
  uint32_t threads = 0;
};

struct Kernel {
  const char* name;
  size_t parameter_bytes;
  uint32_t threads;
  void (*entry)(const void* parameters);  // what each thread runs
};

class Block;

// Runs all blocks. Null, or what went wrong: a deadlock, diverging lanes, a copy never waited for, a shape or
// an address that the device would refuse. The text is good until this thread's next run. first: what start
// gave for the same arguments, on this thread; or null.
const char* run(const Kernel& kernel, Dim3 grid, Dim3 block, size_t dynamic_shared_bytes,
                const void* parameters, Block* first = nullptr);
// Takes the first block to where it awaits the kernel before, which is yet to run. Null: nothing to start.
Block* start(const Kernel& kernel, Dim3 grid, Dim3 block, size_t dynamic_shared_bytes,
             const void* parameters);
// Of a block that was started and will not be run.
void drop(Block* started);

// Null: there is none of that name. Finds candidates and those with a planted bug (pd_planted_*) too, which
// are not counted.
const Kernel* find_kernel(const char* name);
size_t kernel_count();
const Kernel& kernel_at(size_t index);

// Of the launches that follow, from any thread.
void set_schedule(Schedule schedule);
Schedule schedule();

// Rows of ldmatrix that waited for others of their matrix, since this was last asked.
uint64_t take_bank_conflicts();

}  // namespace pd::emulated

// Which kernels a module image has, and how many bytes of arguments each takes.
#pragma once

#include <cstddef>
#include <map>
#include <string>

namespace pd::standin {

struct Image {
  std::map<std::string, size_t> entries;
  std::map<std::string, int> registers;  // of a thread; only machine code says
  int capability = 0;  // that it is for: 90 for 9.0; 0: any
  bool is_ptx = false;
  bool is_exact = false;  // for that capability alone
};

// Reads a cubin (ELF), PTX, or the text that tests write: "pd-standin-image 1", then "entry NAME BYTES" a
// line. Returns what is wrong with it, or nothing.
std::string read_image(const void* bytes, Image& image);
// Whether a GPU takes it: PTX of any generation up to its own, machine code of its own alone.
bool runs_on(const Image& image, int capability);

}  // namespace pd::standin

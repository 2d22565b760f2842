// Which kernels a module image has, and how many bytes of arguments each takes.
#pragma once

#include <cstddef>
#include <map>
#include <string>

namespace pd::standin {

// Reads a cubin (ELF), PTX, or the text that tests write: "pd-standin-image 1", then "entry NAME BYTES" a
// line. Returns what is wrong with it, or nothing.
std::string read_image(const void* image, std::map<std::string, size_t>& entries);

}  // namespace pd::standin

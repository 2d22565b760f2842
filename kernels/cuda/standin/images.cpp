#include "images.h"

#include <cstdint>
#include <cstring>
#include <sstream>

namespace pd::standin {
namespace {

constexpr char kTextMark[] = "pd-standin-image 1";

std::string read_text(const char* text, std::map<std::string, size_t>& entries) {
  std::istringstream lines(text);
  std::string line, word, name;
  std::getline(lines, line);
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    size_t bytes = 0;
    if (!(words >> word >> name >> bytes) || word != "entry")
      return "the image's line '" + line + "' is no entry";
    entries[name] = bytes;
  }
  return {};
}

// Bytes of one .param: "NAME[72]" of bytes, or a scalar whose type says its bits.
size_t parameter_bytes(const std::string& declaration) {
  size_t bracket = declaration.find('[');
  if (bracket != std::string::npos) return strtoull(declaration.c_str() + bracket + 1, nullptr, 10);
  for (const char* type : {".u", ".s", ".f", ".b"}) {
    size_t at = declaration.rfind(type);
    if (at != std::string::npos && isdigit(declaration[at + 2]) != 0)
      return strtoull(declaration.c_str() + at + 2, nullptr, 10) / 8;
  }
  return 0;
}

std::string read_ptx(const std::string& ptx, Image& image) {
  const std::string target = ".target sm_";
  size_t named = ptx.find(target);
  if (named == std::string::npos) return "the PTX has no target";
  size_t digits = named + target.size();
  image.capability = static_cast<int>(strtoul(ptx.c_str() + digits, nullptr, 10));
  image.is_exact = ptx[ptx.find_first_not_of("0123456789", digits)] == 'a';
  image.is_ptx = true;
  const std::string mark = ".entry ";
  for (size_t at = ptx.find(mark); at != std::string::npos; at = ptx.find(mark, at + 1)) {
    size_t open = ptx.find('(', at);
    size_t close = ptx.find(')', at);
    size_t body = ptx.find('{', at);
    if (body == std::string::npos) return "the PTX ends inside an entry";
    size_t end = open < body ? open : body;
    std::istringstream head(ptx.substr(at + mark.size(), end - at - mark.size()));
    std::string name;
    head >> name;
    size_t bytes = 0;
    if (open < body) {
      std::istringstream declarations(ptx.substr(open + 1, close - open - 1));
      for (std::string one; std::getline(declarations, one, ',');) bytes += parameter_bytes(one);
    }
    image.entries[name] = bytes;
  }
  return image.entries.empty() ? "the PTX has no entry" : "";
}

template <typename T>
T number_at(const unsigned char* bytes) {
  T value;
  memcpy(&value, bytes, sizeof value);
  return value;
}

// The attributes of a kernel's .nv.info section that say how long its constant bank of arguments is, and
// where in it the first begins, which may want to lie at a multiple of more than the bank does.
bool find_argument_bytes(const unsigned char* attributes, size_t length, size_t& bytes) {
  constexpr unsigned char kSized = 4, kArgument = 0x17, kArgumentBytes = 0x19;
  size_t bank = 0, first = 0;
  for (size_t at = 0; at + 4 <= length;) {
    size_t value = number_at<uint16_t>(attributes + at + 2);
    const bool is_sized = attributes[at] == kSized;
    if (attributes[at + 1] == kArgumentBytes) bank = value;
    if (is_sized && attributes[at + 1] == kArgument && number_at<uint16_t>(attributes + at + 8) == 0)
      first = number_at<uint16_t>(attributes + at + 10);
    at += is_sized ? 4 + value : 4;
  }
  bytes = bank - first;
  return bank > first;
}

// Registers by the symbol of a kernel, out of the .nv.info section.
void read_registers(const unsigned char* attributes, size_t length, std::map<uint32_t, int>& registers) {
  constexpr unsigned char kSized = 4, kRegisters = 0x2f;
  for (size_t at = 0; at + 4 <= length;) {
    if (attributes[at + 1] == kRegisters && at + 12 <= length)
      registers[number_at<uint32_t>(attributes + at + 4)] = number_at<int>(attributes + at + 8);
    at += attributes[at] == kSized ? 4 + number_at<uint16_t>(attributes + at + 2) : 4;
  }
}

std::string read_cubin(const unsigned char* bytes, Image& image) {
  constexpr uint16_t kCudaMachine = 190;
  constexpr uint32_t kCapabilityMask = 0xff, kExactFlag = 0x800;
  if (number_at<uint16_t>(bytes + 0x12) != kCudaMachine) return "the ELF image is not for a GPU";
  uint32_t flags = number_at<uint32_t>(bytes + 0x30);
  image.capability = static_cast<int>(flags & kCapabilityMask);
  image.is_exact = (flags & kExactFlag) != 0;
  const unsigned char* sections = bytes + number_at<uint64_t>(bytes + 0x28);
  size_t stride = number_at<uint16_t>(bytes + 0x3a);
  size_t count = number_at<uint16_t>(bytes + 0x3c);
  const unsigned char* names_section = sections + stride * number_at<uint16_t>(bytes + 0x3e);
  const char* names = reinterpret_cast<const char*>(bytes + number_at<uint64_t>(names_section + 0x18));
  const std::string mark = ".nv.info.", code = ".text.";
  std::map<uint32_t, std::string> kernels;
  std::map<uint32_t, int> registers;
  for (size_t i = 0; i < count; i++) {
    const unsigned char* section = sections + stride * i;
    std::string name = names + number_at<uint32_t>(section);
    const unsigned char* attributes = bytes + number_at<uint64_t>(section + 0x18);
    size_t length = number_at<uint64_t>(section + 0x20);
    if (name == ".nv.info") read_registers(attributes, length, registers);
    if (name.compare(0, code.size(), code) == 0)
      kernels[number_at<uint32_t>(section + 0x2c) & 0xffffff] = name.substr(code.size());
    if (name.compare(0, mark.size(), mark) != 0) continue;
    size_t arguments = 0;
    if (find_argument_bytes(attributes, length, arguments))
      image.entries[name.substr(mark.size())] = arguments;
  }
  for (auto& [symbol, name] : kernels)
    if (registers.count(symbol) != 0) image.registers[name] = registers[symbol];
  return image.entries.empty() ? "the cubin has no kernel" : "";
}

}  // namespace

std::string read_image(const void* bytes, Image& image) {
  const char* text = static_cast<const char*>(bytes);
  if (memcmp(text,
             "\x7f"
             "ELF",
             4) == 0)
    return read_cubin(static_cast<const unsigned char*>(bytes), image);
  if (strncmp(text, kTextMark, sizeof kTextMark - 1) == 0) return read_text(text, image.entries);
  if (strncmp(text, "//", 2) == 0 || strstr(text, ".version") != nullptr) return read_ptx(text, image);
  return "the image is neither a cubin nor PTX";
}

bool runs_on(const Image& image, int capability) {
  if (image.capability == 0 || image.capability == capability) return true;
  if (image.is_exact || image.capability > capability) return false;
  return image.is_ptx || image.capability / 10 == capability / 10;
}

}  // namespace pd::standin

#include "isa.h"

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "last_error.h"

namespace {

constexpr int kArchGetXcompPerm = 0x1022;
constexpr int kArchReqXcompPerm = 0x1023;
constexpr int kTileState = 18;

// What is missing, or null.
struct Support {
  const char* avx2;
  const char* avx512;
  const char* avx512_bf16;
};

// State that the system saves for a process; without OSXSAVE, none.
uint64_t saved_state() {
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE)) return 0;
  uint32_t low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t(high) << 32 | low;
}

const char* missing_avx2(uint64_t state) {
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_FMA) || !(c & bit_F16C))
    return "the CPU has no FMA or F16C";
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & bit_AVX2)) return "the CPU has no AVX2";
  return (state & 0x6) == 0x6 ? nullptr : "the system does not save AVX registers";
}

const char* missing_avx512(uint64_t state) {
  unsigned a, b, c, d;
  constexpr unsigned kWanted = bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (b & kWanted) != kWanted)
    return "the CPU has no AVX-512 (F, BW, DQ and VL)";
  return (state & 0xe6) == 0xe6 ? nullptr : "the system does not save AVX-512 registers";
}

const char* missing_avx512_bf16() {
  unsigned a, b, c, d;
  constexpr unsigned kBf16 = 1u << 5;
  if (!__get_cpuid_count(7, 1, &a, &b, &c, &d) || !(a & kBf16)) return "the CPU has no AVX512-BF16";
  return nullptr;
}

// Without the permission the first tile instruction kills the process; it holds for every thread, older ones
// too.
const char* missing_amx(uint64_t state) {
  unsigned a, b, c, d;
  constexpr unsigned kTile = 1u << 24, kBf16 = 1u << 22;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & (kTile | kBf16)) != (kTile | kBf16))
    return "the CPU has no AMX (amx_tile and amx_bf16)";
  constexpr uint64_t kTileBits = uint64_t(3) << 17;
  if ((state & kTileBits) != kTileBits) return "the system does not save AMX tiles";
  if (syscall(SYS_arch_prctl, kArchReqXcompPerm, kTileState) != 0)
    return "the system refused the AMX permission (ARCH_REQ_XCOMP_PERM)";
  uint64_t granted = 0;
  if (syscall(SYS_arch_prctl, kArchGetXcompPerm, &granted) != 0 || !(granted >> kTileState & 1))
    return "the system did not grant the AMX permission (ARCH_GET_XCOMP_PERM)";
  return nullptr;
}

// Apart from amx_bf16, which a hypervisor may show alone.
const char* missing_amx_int8() {
  unsigned a, b, c, d;
  constexpr unsigned kInt8 = 1u << 25;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d & kInt8)) return "the CPU has no int8 tiles (amx_int8)";
  return nullptr;
}

// Asked once: in a virtual machine each cpuid instruction takes microseconds.
const Support& support() {
  static const Support found = [] {
    const uint64_t state = saved_state();
    Support it;
    it.avx2 = missing_avx2(state);
    it.avx512 = it.avx2 ? it.avx2 : missing_avx512(state);
    it.avx512_bf16 = it.avx512 ? it.avx512 : missing_avx512_bf16();
    return it;
  }();
  return found;
}

// Apart from the rest, since asking for AMX changes the process: its signal frames grow. Attention on tiles
// rounds its weights with AVX512-BF16, which every CPU with AMX has.
const char* amx_support() {
  if (support().avx512_bf16) return support().avx512_bf16;
  static const char* const found = missing_amx(saved_state());
  return found;
}

// Measured: on Zen 5 a bf16 dot product runs at twice the rate of float32 FMA, on Sapphire and Emerald Rapids
// at half of it. What was not measured counts as slow. By model and not by a probe at start, since a machine
// must give the same numbers in every run.
bool has_fast_bf16_dots() {
  constexpr unsigned kZen5 = 0x1a;
  unsigned a, b, c, d;
  if (support().avx512_bf16 || !__get_cpuid(0, &a, &b, &c, &d) || b != signature_AMD_ebx) return false;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return false;
  return (a >> 8 & 0xf) + (a >> 20 & 0xff) >= kZen5;
}

}  // namespace

namespace pd {

pd_status require_isa(int32_t isa) {
  const char* missing;
  const char* name;
  switch (isa) {
    case PD_ISA_AVX2:
      missing = support().avx2, name = "avx2";
      break;
    case PD_ISA_AVX512:
      missing = support().avx512, name = "avx512";
      break;
    case PD_ISA_AMX:
      missing = amx_support(), name = "amx";
      break;
    case PD_ISA_AMX_EMULATED:
      missing = support().avx2, name = "amx-emulated";
      break;
    case PD_ISA_AVX512_BF16:
      missing = support().avx512_bf16, name = "avx512-bf16";
      break;
    default:
      return fail(PD_INVALID_ARGUMENT, "there is no instruction set %d", isa);
  }
  return missing ? fail(PD_UNSUPPORTED, "%s cannot run here: %s", name, missing) : PD_OK;
}

pd_status require_int8(int32_t isa) {
  if (pd_status status = require_isa(isa)) return status;
  if (isa != PD_ISA_AMX) return PD_OK;
  static const char* const missing = missing_amx_int8();
  return missing ? fail(PD_UNSUPPORTED, "amx cannot run int8 products here: %s", missing) : PD_OK;
}

bool uses_avx512(int32_t isa) { return isa != PD_ISA_AVX2 && support().avx512 == nullptr; }

}  // namespace pd

pd_status pd_cpu_isa_supported(int32_t isa) { return pd::require_isa(isa); }

int32_t pd_cpu_best_isa(void) {
  if (amx_support() == nullptr) return PD_ISA_AMX;
  if (has_fast_bf16_dots()) return PD_ISA_AVX512_BF16;
  return support().avx512 == nullptr ? PD_ISA_AVX512 : PD_ISA_AVX2;
}

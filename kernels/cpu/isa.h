// Which instruction sets this process can run, and which vector code an op of one uses.
#pragma once
#include "pd_cpu.h"

namespace pd {

// PD_OK, or a status whose text says what is missing.
pd_status require_isa(int32_t isa);
// The same for the set's int8 products.
pd_status require_int8(int32_t isa);

// True where plain vector code of this (supported) instruction set is the AVX-512 one; otherwise it is AVX2.
bool uses_avx512(int32_t isa);

}  // namespace pd

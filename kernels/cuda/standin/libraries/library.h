// What the stand-ins of NVIDIA's libraries have of the stand-in driver.
#pragma once

#include <memory>
#include <mutex>

#include "../memory.h"

#define PD_LIBRARY_API extern "C" __attribute__((visibility("default")))

// What a test sets and asks of the stand-in; not part of any driver.
#pragma once

namespace pd::standin {

// Where nobody has configured the machine: PD_STANDIN_DEVICES (2), PD_STANDIN_MEGABYTES (256) each, and
// PD_STANDIN_SEED (0, the laziest).
void configure_from_environment();

}  // namespace pd::standin

// A library that is no driver, but for one of a driver's names.
extern "C" __attribute__((visibility("default"))) int cuInit(unsigned) { return 0; }

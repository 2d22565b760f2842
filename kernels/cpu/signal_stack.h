// Room for signal frames that hold tiles.
#pragma once

namespace pd {

// To be called by a thread before its first tile instruction. From then on each of its signal frames is 12
// KB, while the alternate stack that .NET gives its threads leaves 12 KB for frame and handler together: a
// NullReferenceException would kill the process. The thread gets a larger one, and its own back when it ends.
void prepare_thread_for_tiles();

}  // namespace pd

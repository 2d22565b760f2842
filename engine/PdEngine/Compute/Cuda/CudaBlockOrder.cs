namespace PdEngine;

/// <summary>
/// In which order lanes may use the blocks of a pool. Each block remembers the ticket of its last use by
/// every lane, and whose the last write was: a lane that reads waits for the writer, and one that writes
/// waits for all, on the device and not on the host. Any thread may call it; a short lock guards it.
/// </summary>
internal sealed class CudaBlockOrder(int blockCount)
{
    private readonly Lock _gate = new();
    private readonly List<CudaLane> _lanes = [];
    private readonly List<long[]> _uses = [];
    private readonly int[] _writers = Unwritten(blockCount);
    private readonly long[] _writes = new long[blockCount];
    private long[] _needed = [];

    /// <summary>
    /// A batch is about to be put on a lane: it reads the blocks of its sequences and writes those of its own
    /// positions.
    /// </summary>
    public void Enter(CudaLane lane, AttentionBatch batch, int pageSize)
    {
        lock (_gate)
        {
            int own = SlotOf(lane);
            foreach (AttentionSlice slice in batch.Slices)
            {
                int firstWritten = slice.Start / pageSize;
                int last = (slice.Start + slice.QueryCount - 1) / pageSize;
                for (int index = 0; index <= last; index++)
                    Use(own, batch.Blocks[slice.FirstBlock + index], writes: index >= firstWritten);
            }
            Wait(lane, own);
        }
    }

    /// <summary>A copy is about to be put on a lane.</summary>
    public void Enter(CudaLane lane, ReadOnlySpan<int> blocks, bool writes)
    {
        lock (_gate)
        {
            int own = SlotOf(lane);
            foreach (int block in blocks)
                Use(own, block, writes);
            Wait(lane, own);
        }
    }

    private static int[] Unwritten(int blockCount)
    {
        int[] writers = new int[blockCount];
        Array.Fill(writers, -1);
        return writers;
    }

    private int SlotOf(CudaLane lane)
    {
        int slot = _lanes.IndexOf(lane);
        if (slot >= 0)
            return slot;
        _lanes.Add(lane);
        _uses.Add(new long[_writers.Length]);
        _needed = new long[_lanes.Count];
        return _lanes.Count - 1;
    }

    private void Use(int own, int block, bool writes)
    {
        if (!writes)
        {
            int writer = _writers[block];
            if (writer >= 0 && writer != own)
                _needed[writer] = Math.Max(_needed[writer], _writes[block]);
        }
        else
        {
            for (int lane = 0; lane < _uses.Count; lane++)
                _needed[lane] = Math.Max(_needed[lane], _uses[lane][block]);
            _writers[block] = own;
            _writes[block] = _lanes[own].Ticket;
        }
        _uses[own][block] = _lanes[own].Ticket;
    }

    private void Wait(CudaLane lane, int own)
    {
        for (int other = 0; other < _needed.Length; other++)
        {
            if (other != own && _needed[other] > 0)
                lane.WaitFor(_lanes[other], _needed[other]);
            _needed[other] = 0;
        }
    }
}

namespace PdEngine;

/// <summary>
/// In which order lanes may use the blocks of a pool. Each block remembers the ticket of its last use by
/// every lane, and whose the last write was: a lane that reads waits for the writer, and one that writes
/// waits for all, on the device and not on the host. A batch that computes prompts has a ticket for each
/// group of layers, and one for its end: who copies some layers waits for their group alone. Any thread may
/// call it; a short lock guards it.
/// </summary>
internal sealed class CudaBlockOrder(int blockCount)
{
    private readonly Lock _gate = new();
    private readonly List<CudaLane> _lanes = [];
    private readonly List<long[]> _uses = [];
    private readonly int[] _writers = Unwritten(blockCount);
    private readonly long[] _writes = new long[blockCount];
    private readonly long[] _firstGroups = new long[blockCount];
    private long[] _needed = [];

    /// <summary>
    /// A batch is about to be put on a lane: it reads the blocks of its sequences and writes those of its own
    /// positions.
    /// </summary>
    /// <param name="lane">The lane.</param>
    /// <param name="batch">What it computes.</param>
    /// <param name="pageSize">Positions of a block.</param>
    /// <param name="groupCount">Groups of layers whose tickets it ends before that of the whole.</param>
    /// <returns>The ticket of the whole.</returns>
    public long Enter(CudaLane lane, AttentionBatch batch, int pageSize, int groupCount)
    {
        lock (_gate)
        {
            int own = SlotOf(lane);
            long first = lane.Ticket;
            foreach (AttentionSlice slice in batch.Slices)
            {
                int firstWritten = slice.Start / pageSize;
                int last = (slice.Start + slice.QueryCount - 1) / pageSize;
                for (int index = 0; index <= last; index++)
                {
                    Use(
                        own, batch.Blocks[slice.FirstBlock + index], index >= firstWritten, first,
                        first + groupCount, int.MaxValue);
                }
            }
            Wait(lane, own);
            return first + groupCount;
        }
    }

    /// <summary>A copy is about to be put on a lane.</summary>
    /// <param name="lane">The lane.</param>
    /// <param name="blocks">Which blocks.</param>
    /// <param name="writes">They are written, and not read.</param>
    /// <param name="lastGroup">The last group of layers that it needs of them.</param>
    public void Enter(CudaLane lane, ReadOnlySpan<int> blocks, bool writes, int lastGroup)
    {
        lock (_gate)
        {
            int own = SlotOf(lane);
            foreach (int block in blocks)
                Use(own, block, writes, lane.Ticket, lane.Ticket, lastGroup);
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

    private void Use(int own, int block, bool writes, long firstGroup, long ticket, int lastGroup)
    {
        if (!writes)
        {
            int writer = _writers[block];
            if (writer >= 0 && writer != own)
            {
                long needed = Math.Min(_writes[block], _firstGroups[block] + lastGroup);
                _needed[writer] = Math.Max(_needed[writer], needed);
            }
        }
        else
        {
            for (int lane = 0; lane < _uses.Count; lane++)
                _needed[lane] = Math.Max(_needed[lane], _uses[lane][block]);
            _writers[block] = own;
            _writes[block] = ticket;
            _firstGroups[block] = firstGroup;
        }
        _uses[own][block] = ticket;
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

namespace PdEngine;

/// <summary>
/// The receiving side of hand-offs between domains: reserves blocks while the prompt is still being
/// computed, copies what the source has finished, some layers of a run of blocks at a time, and gives the
/// source its blocks back. Belongs to the target worker's thread.
/// </summary>
internal sealed class HandoffReceiver(KvSpace space, TimeProvider clock)
{
    /// <summary>Blocks of one copy: small enough to stop between two, big enough to be fast.</summary>
    private const int RunBlocks = 8;

    private readonly List<Incoming> _incoming = [];
    private readonly BlockWrites _writes = new(space.Domain);
    private bool _awaitsBlocks;
    private bool _hasMore;

    /// <summary>Hand-offs that wait for blocks here or there.</summary>
    public int Count => _incoming.Count;

    /// <summary>Some hand-off waits for blocks of this domain.</summary>
    public bool AwaitsBlocks => _awaitsBlocks && Count > 0;

    /// <summary>Arrival of the first hand-off that waits for blocks; the greatest number where none
    /// does.</summary>
    public long WaitingArrival { get; private set; } = long.MaxValue;

    /// <summary>A copy was cut short by its budget.</summary>
    public bool HasMore => _hasMore && Count > 0;

    /// <summary>
    /// A prompt is being computed that will come here; its tokens are copied, since they are another's.
    /// </summary>
    public void Expect(Handoff handoff, int[] tokens, long arrival) =>
        _incoming.Add(new(handoff, tokens, arrival));

    /// <summary>The prompt is computed; the sequence is this worker's once its blocks are.</summary>
    public void Complete(Handoff handoff)
    {
        Incoming incoming = Find(handoff);
        incoming.IsComplete = true;
        incoming.Handoff.Sequence.Times.Enter(
            incoming.IsReserved ? SequenceStage.DecodeTransfer : SequenceStage.DecodeAllocWait,
            clock.GetTimestamp());
    }

    /// <summary>
    /// Drops a hand-off and all blocks that it has here, and there too once it is complete; false where it
    /// is not here.
    /// </summary>
    public bool TryDrop(Handoff handoff)
    {
        int index = _incoming.FindIndex(incoming => incoming.Handoff == handoff);
        if (index < 0)
            return false;
        space.Release(_incoming[index].Hold);
        WaitingArrival = long.MaxValue;
        if (_incoming[index].IsComplete)
            handoff.Source.Space.Release(handoff.SourceHold);
        _incoming.RemoveAt(index);
        return true;
    }

    /// <summary>
    /// The weights change under prompts that are still being computed: a prefix of the old ones, taken from
    /// the cache here, may reach further than what the source computed with them. They are reserved anew,
    /// without the cache.
    /// </summary>
    public void ReserveAnew()
    {
        foreach (Incoming incoming in _incoming)
        {
            if (incoming.IsComplete || !incoming.IsReserved)
                continue;
            space.Release(incoming.Hold);
            incoming.IsReserved = false;
            incoming.PulledBlocks = 0;
            incoming.PulledLayers = 0;
        }
    }

    /// <summary>Drops every hand-off.</summary>
    public void DropAll()
    {
        while (_incoming.Count > 0)
            TryDrop(_incoming[^1].Handoff);
    }

    /// <summary>Reserves and copies, oldest first, as far as there are blocks and bytes.</summary>
    /// <param name="budgetBytes">How much to copy before the next step, about.</param>
    /// <param name="expectedBlocks">What this worker's running sequences are expected to take.</param>
    /// <param name="before">Only hand-offs from before this arrival may take blocks.</param>
    /// <param name="arrived">Gains the sequences that hold all their blocks here now.</param>
    public void Advance(long budgetBytes, long expectedBlocks, long before, List<Sequence> arrived)
    {
        _awaitsBlocks = false;
        WaitingArrival = long.MaxValue;
        long left = budgetBytes;
        for (int i = 0; i < _incoming.Count && left > 0; i++)
        {
            Incoming incoming = _incoming[i];
            if (!incoming.IsReserved && WillShare(i))
                continue;
            if (!incoming.IsReserved
                && (_awaitsBlocks || incoming.Arrival > before || !TryReserve(incoming, expectedBlocks)))
            {
                _awaitsBlocks = true;
                WaitingArrival = Math.Min(WaitingArrival, incoming.Arrival);
                continue;
            }
            left -= Pull(incoming, left);
            if (!incoming.IsComplete || incoming.PulledBlocks < incoming.Hold.Blocks.Count)
                continue;
            Settle(incoming);
            arrived.Add(incoming.Handoff.Sequence);
            _incoming.RemoveAt(i--);
        }
        _hasMore = left <= 0;
    }

    /// <summary>
    /// An earlier prompt that is being copied will soon supply more of this one than the cache does now, as
    /// with the samples of one group: waiting for it saves the blocks and the copy. Its source has all its
    /// blocks, so it ends in bounded time.
    /// </summary>
    private bool WillShare(int index)
    {
        int[] tokens = _incoming[index].Tokens;
        if (!IsCurrent(_incoming[index]))
            return false;
        int needed = (space.Peek(tokens, tokens.Length).BlockCount + 1) * space.PageSize;
        if (!space.UsesCache || tokens.Length < needed)
            return false;
        for (int i = 0; i < index; i++)
        {
            int[] earlier = _incoming[i].Tokens;
            if (_incoming[i].IsReserved && IsCurrent(_incoming[i]) && earlier.Length >= needed
                && earlier.AsSpan(0, needed).SequenceEqual(tokens.AsSpan(0, needed)))
            {
                return true;
            }
        }
        return false;
    }

    private bool IsCurrent(Incoming incoming) => space.IsCurrent(incoming.Handoff.SourceHold);

    private bool TryReserve(Incoming incoming, long expectedBlocks)
    {
        Request request = incoming.Handoff.Sequence.Request;
        int newTokens = Math.Max(request.Sampling.MaxNewTokens, 1) - 1;
        int full = Math.Max(request.PromptTokens.Length + newTokens, incoming.Tokens.Length);
        int end = (int)Math.Min(full, (long)incoming.Tokens.Length + PrefillScheduler.LookaheadTokens);
        // A prefix of other weights than the rest would make it a mixture that the source has not.
        int maxCached = IsCurrent(incoming) ? incoming.Tokens.Length : 0;
        if (!space.TryAdmit(incoming.Hold, incoming.Tokens, maxCached, end, expectedBlocks))
            return false;
        incoming.Hold.Epoch = incoming.Handoff.SourceHold.Epoch;
        incoming.IsReserved = true;
        incoming.PulledBlocks = incoming.Hold.Prefix.BlockCount;
        if (incoming.IsComplete)
        {
            incoming.Handoff.Sequence.Times.Enter(SequenceStage.DecodeTransfer, clock.GetTimestamp());
        }
        return true;
    }

    private long Pull(Incoming incoming, long budgetBytes)
    {
        IKvTransfer transfer = incoming.Handoff.Transfer!;
        long copied = 0;
        while (copied < budgetBytes)
        {
            ReadOnlySpan<int> lent = incoming.Handoff.Source.Space.Read(incoming.Handoff.SourceHold);
            int count = Math.Min(lent.Length - incoming.PulledBlocks, RunBlocks);
            // A run that was begun is finished with the blocks it had, unless the source has given up.
            if (count > 0 && incoming.PulledLayers > 0)
                count = incoming.RunBlocks;
            if (count <= 0)
                break;
            incoming.RunBlocks = count;
            ReadOnlySpan<int> target = incoming.Hold.Blocks.Blocks.Slice(incoming.PulledBlocks, count);
            int layers = Math.Min(
                KvLayout.GroupLayersOf(transfer.LayerCount), transfer.LayerCount - incoming.PulledLayers);
            _writes.Begin(target);
            try
            {
                copied += transfer.Copy(
                    lent.Slice(incoming.PulledBlocks, count), target, incoming.PulledLayers, layers);
            }
            finally
            {
                _writes.End();
            }
            incoming.PulledLayers += layers;
            if (incoming.PulledLayers < transfer.LayerCount)
                continue;
            incoming.PulledLayers = 0;
            incoming.PulledBlocks += count;
        }
        incoming.Bytes += copied;
        return copied;
    }

    private void Settle(Incoming incoming)
    {
        Sequence sequence = incoming.Handoff.Sequence;
        incoming.Handoff.Source.Space.Release(incoming.Handoff.SourceHold);
        sequence.Kv = incoming.Hold;
        sequence.Pd.TransferBytes += incoming.Bytes;
        space.Keep(sequence.Kv, incoming.Tokens);
        sequence.Times.Enter(SequenceStage.DecodeAllocWait, clock.GetTimestamp());
    }

    private Incoming Find(Handoff handoff)
    {
        Incoming? found = _incoming.Find(incoming => incoming.Handoff == handoff);
        Check.That(found is not null);
        return found!;
    }

    private sealed class Incoming(Handoff handoff, int[] tokens, long arrival)
    {
        public long Arrival => arrival;

        public Handoff Handoff { get; } = handoff;

        public int[] Tokens { get; } = tokens;

        public KvHold Hold { get; } = new();

        public bool IsReserved { get; set; }

        public bool IsComplete { get; set; }

        /// <summary>Leading blocks that are here: cached ones, then copied ones.</summary>
        public int PulledBlocks { get; set; }

        /// <summary>Blocks of the run that is being copied.</summary>
        public int RunBlocks { get; set; }

        /// <summary>Layers of it that are copied.</summary>
        public int PulledLayers { get; set; }

        public long Bytes { get; set; }
    }
}

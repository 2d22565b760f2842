namespace PdEngine;

/// <summary>Sequences that wait for blocks, in the order in which a policy admits them.</summary>
internal sealed class PrefillQueue(SchedulePolicy policy, KvSpace space)
{
    /// <summary>How many of the oldest are weighed against one another by their cached prefix.</summary>
    private const int WindowCount = 128;

    private const int FrontRank = int.MinValue;
    private readonly List<Sequence> _queued = [];

    public int Count => _queued.Count;

    public Sequence this[int index] => _queued[index];

    public void Add(Sequence sequence)
    {
        sequence.QueueRank = policy == SchedulePolicy.Priority ? -sequence.Request.Priority : 0;
        Insert(sequence);
    }

    /// <summary>Takes a retracted sequence back, ahead of all that never ran.</summary>
    public void AddRetracted(Sequence sequence)
    {
        sequence.QueueRank = FrontRank;
        Insert(sequence);
    }

    public void Remove(Sequence sequence)
    {
        int index = _queued.LastIndexOf(sequence);
        Check.That(index >= 0);
        _queued.RemoveAt(index);
    }

    /// <summary>
    /// Takes out a sequence that is being admitted; older ones near the front have been overtaken.
    /// </summary>
    public void RemoveAdmitted(int index)
    {
        long arrival = _queued[index].Arrival;
        _queued.RemoveAt(index);
        int windowCount = Math.Min(WindowCount, _queued.Count);
        for (int i = 0; i < windowCount; i++)
        {
            if (_queued[i].Arrival < arrival)
                _queued[i].OvertakenCount++;
        }
    }

    /// <summary>Puts the queue in order by what the cache holds now.</summary>
    public void Order()
    {
        if (policy != SchedulePolicy.LongestPrefixMatch || _queued.Count < 2)
            return;
        int windowCount = Math.Min(WindowCount, _queued.Count);
        for (int i = 0; i < windowCount; i++)
        {
            Sequence sequence = _queued[i];
            if (sequence.QueueRank == FrontRank)
                continue;
            sequence.QueueRank = sequence.OvertakenCount >= PrefillScheduler.MaxOvertakenCount
                ? FrontRank
                : -space.Peek(sequence).BlockCount;
        }
        _queued.Sort(0, windowCount, ByRank.Instance);
    }

    private void Insert(Sequence sequence)
    {
        int index = _queued.Count;
        while (index > 0 && ByRank.Instance.Compare(_queued[index - 1], sequence) > 0)
            index--;
        _queued.Insert(index, sequence);
    }

    private sealed class ByRank : IComparer<Sequence>
    {
        public static ByRank Instance { get; } = new();

        public int Compare(Sequence? x, Sequence? y)
        {
            int byRank = x!.QueueRank.CompareTo(y!.QueueRank);
            return byRank != 0 ? byRank : x.Arrival.CompareTo(y.Arrival);
        }
    }
}

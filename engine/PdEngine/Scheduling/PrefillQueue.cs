using System.Runtime.InteropServices;

namespace PdEngine;

/// <summary>Sequences that wait for blocks, in the order in which a policy admits them.</summary>
internal sealed class PrefillQueue(SchedulePolicy policy, KvSpace space)
{
    /// <summary>How many of the oldest are weighed against one another by more than arrival.</summary>
    public const int WindowCount = 128;

    private const int FrontRank = int.MinValue;
    private readonly List<Sequence> _queued = [];
    private readonly Dictionary<string, int> _runningByKey = [];

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

    /// <summary>Puts the queue in order by what the cache holds and what runs now.</summary>
    /// <param name="prefilling">Admitted sequences whose tokens are being computed.</param>
    /// <param name="decoding">Sequences that make tokens.</param>
    public void Order(ReadOnlySpan<Sequence> prefilling, ReadOnlySpan<Sequence> decoding)
    {
        bool byPrefix = policy == SchedulePolicy.LongestPrefixMatch;
        if ((!byPrefix && policy != SchedulePolicy.RoutingKey) || _queued.Count < 2)
            return;
        if (!byPrefix)
        {
            _runningByKey.Clear();
            CountKeys(prefilling);
            CountKeys(decoding);
        }
        int windowCount = Math.Min(WindowCount, _queued.Count);
        for (int i = 0; i < windowCount; i++)
        {
            Sequence sequence = _queued[i];
            if (sequence.QueueRank == FrontRank)
                continue;
            sequence.QueueRank = sequence.OvertakenCount >= PrefillScheduler.MaxOvertakenCount
                ? FrontRank
                : byPrefix ? -space.Peek(sequence).BlockCount : -RunningCount(sequence);
        }
        _queued.Sort(0, windowCount, ByRank.Instance);
    }

    private void CountKeys(ReadOnlySpan<Sequence> running)
    {
        foreach (Sequence sequence in running)
        {
            if (sequence.Request.RoutingKey is { Length: > 0 } key)
                CollectionsMarshal.GetValueRefOrAddDefault(_runningByKey, key, out _)++;
        }
    }

    private int RunningCount(Sequence sequence) =>
        sequence.Request.RoutingKey is { Length: > 0 } key ? _runningByKey.GetValueOrDefault(key) : 0;

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

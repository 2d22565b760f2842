using System.Diagnostics.CodeAnalysis;

namespace PdEngine;

/// <summary>
/// The sequences of one worker, each with its hand-off if it has one, and how many there are: for the door
/// and for routers. The counts may be read and posted to by any thread; the rest is the worker's own.
/// </summary>
internal sealed class LiveSequences
{
    private readonly Dictionary<Sequence, Handoff?> _handoffs = [];
    private int _waitingCount;
    private int _requestCount;
    private long _pendingTokens;
    private long _arrivalCount;

    /// <summary>Sequences that are here or on their way here.</summary>
    public int RequestCount => Volatile.Read(ref _requestCount);

    /// <summary>Prompt tokens of sequences here that are not through their prefill.</summary>
    public long PendingTokens => Interlocked.Read(ref _pendingTokens);

    /// <summary>All of them, in no order, as of now.</summary>
    public Sequence[] ToArray() => [.. _handoffs.Keys];

    public Handoff? HandoffOf(Sequence sequence) => _handoffs[sequence];

    public bool Contains(Sequence sequence) => _handoffs.ContainsKey(sequence);

    /// <summary>Between domains: the hand-off whose blocks are copied.</summary>
    public bool TryGetTransfer(Sequence sequence, [NotNullWhen(true)] out Handoff? handoff)
    {
        handoff = _handoffs[sequence];
        return handoff?.Transfer is not null;
    }

    /// <summary>Takes a sequence in; it was counted when it was posted.</summary>
    public void Add(Sequence sequence, Handoff? handoff)
    {
        sequence.Arrival = NextArrival();
        _handoffs.Add(sequence, handoff);
    }

    /// <summary>A place in the order of everything that comes here.</summary>
    public long NextArrival() => _arrivalCount++;

    /// <summary>The sequence goes another way from here, or stays.</summary>
    public void Redirect(Sequence sequence, Handoff? handoff) => _handoffs[sequence] = handoff;

    /// <summary>The sequence is no longer this worker's.</summary>
    public void Remove(Sequence sequence)
    {
        bool removed = _handoffs.Remove(sequence);
        Check.That(removed);
        Interlocked.Decrement(ref _requestCount);
        EndPending(sequence);
    }

    /// <summary>Its prompt is computed, or will not be here.</summary>
    public void EndPending(Sequence sequence)
    {
        Interlocked.Add(ref _pendingTokens, -sequence.PendingTokens);
        sequence.PendingTokens = 0;
    }

    /// <summary>Counts a sequence that is being posted here.</summary>
    public void CountPosted(Sequence sequence)
    {
        Interlocked.Increment(ref _requestCount);
        sequence.PendingTokens = sequence.TokenCount;
        Interlocked.Add(ref _pendingTokens, sequence.PendingTokens);
    }

    /// <summary>Counts hand-offs that are on their way here.</summary>
    public void CountExpected(int count) => Interlocked.Add(ref _requestCount, count);

    /// <summary>Counts sequences that wait for their first admission.</summary>
    /// <returns>How many wait now.</returns>
    public int CountWaiting(int count) => Interlocked.Add(ref _waitingCount, count);
}

using System.Runtime.InteropServices;

namespace PdEngine;

/// <summary>
/// The sequences that make one token a step. Before each step every one of them gets the block that its next
/// position needs; when blocks run out some are retracted, and the last one left goes on or waits for what
/// other workers of the domain give back.
/// </summary>
internal sealed class DecodeScheduler(SchedulerOptions options, KvSpace space, PrefillScheduler prefill)
{
    private readonly List<Sequence> _running = [];
    private readonly List<Sequence> _arrived = [];

    /// <summary>In order of joining.</summary>
    public ReadOnlySpan<Sequence> Running => CollectionsMarshal.AsSpan(_running);

    /// <summary>Handed over with their blocks, waiting for a place.</summary>
    public ReadOnlySpan<Sequence> Arrived => CollectionsMarshal.AsSpan(_arrived);

    /// <summary>The one running sequence waits for a block that others of the domain hold.</summary>
    public bool IsStalled { get; private set; }

    public void Add(Sequence sequence)
    {
        Check.That(sequence.Phase == SequencePhase.Decoding);
        _running.Add(sequence);
    }

    /// <summary>Takes over a sequence whose prompt another worker has computed.</summary>
    public void AddArrived(Sequence sequence)
    {
        Check.That(sequence.Phase == SequencePhase.HandingOff);
        _arrived.Add(sequence);
    }

    public void Remove(Sequence sequence)
    {
        bool removed = sequence.Phase == SequencePhase.HandingOff
            ? _arrived.Remove(sequence)
            : _running.Remove(sequence);
        Check.That(removed);
    }

    /// <summary>
    /// Gives places to sequences that have arrived, first come first, as far as this worker's quota goes.
    /// </summary>
    public void Promote(long nowTicks)
    {
        int places = options.MaxRunningSequences - prefill.Prefilling.Length - _running.Count;
        int most = Math.Clamp(places, 0, _arrived.Count);
        int count = 0;
        for (int i = 0; i < most && space.TryAdopt(_arrived[i].Kv); i++)
        {
            count++;
            _arrived[i].MoveTo(SequencePhase.Decoding);
            _arrived[i].Times.Enter(SequenceStage.DecodeForward, nowTicks);
            _running.Add(_arrived[i]);
        }
        if (count > 0)
            _arrived.RemoveRange(0, count);
    }

    /// <summary>
    /// Whether a sequence has a row in the next step. One that ends, or will have ended with the token that a
    /// started batch draws, has none.
    /// </summary>
    public bool GoesOn(Sequence sequence) =>
        sequence.Ending is null
        && !(sequence.IsStarted
            && StopRule.IsFull(sequence, sequence.StartedTokenCount, options.ContextTokens));

    /// <summary>
    /// Reserves the blocks of the next step before the results of a started one are known; false where blocks
    /// run out.
    /// </summary>
    public bool TryReserveAhead(NewTokenRatio ratio)
    {
        IsStalled = false;
        foreach (Sequence sequence in _running)
        {
            if (GoesOn(sequence) && !space.TryReserve(sequence.Kv, sequence.StartedTokenCount))
                return false;
        }
        ratio.Decay();
        return true;
    }

    /// <summary>Reserves the blocks of the next step; nothing is started.</summary>
    /// <returns>How many sequences had to be retracted for it.</returns>
    public int Reserve(NewTokenRatio ratio)
    {
        IsStalled = false;
        int retractedCount = 0;
        int index = 0;
        while (index < _running.Count && !IsStalled)
        {
            if (space.TryReserve(_running[index].Kv, _running[index].TokenCount))
            {
                index++;
                continue;
            }
            if (TryRetract(out int removedIndex))
            {
                retractedCount++;
                index -= removedIndex < index ? 1 : 0;
            }
            else
            {
                IsStalled = true;
            }
        }
        if (retractedCount > 0)
            ratio.Reset(Running);
        else
            ratio.Decay();
        return retractedCount;
    }

    /// <summary>
    /// Retracts one sequence: of several running ones the one that loses least, else one that has not begun
    /// here. A lone one gives way too where another worker has claimed what becomes free, and else waits.
    /// </summary>
    private bool TryRetract(out int removedIndex)
    {
        removedIndex = int.MaxValue;
        if (_running.Count == 1)
        {
            if (_arrived.Count > 0)
            {
                Sequence latest = _arrived[^1];
                _arrived.RemoveAt(_arrived.Count - 1);
                prefill.Retract(latest);
                return true;
            }
            if (prefill.TryRetractLatest())
                return true;
            if (space.TryClaim())
                return false;
        }
        removedIndex = ChooseVictim();
        Sequence victim = _running[removedIndex];
        _running.RemoveAt(removedIndex);
        prefill.Retract(victim);
        return true;
    }

    private int ChooseVictim()
    {
        int victim = 0;
        for (int i = 1; i < _running.Count; i++)
        {
            if (GoesBefore(_running[i], _running[victim]))
                victim = i;
        }
        return victim;
    }

    private bool GoesBefore(Sequence sequence, Sequence other)
    {
        if (options.Retraction == RetractionPolicy.Priority
            && sequence.Request.Priority != other.Request.Priority)
        {
            return sequence.Request.Priority < other.Request.Priority;
        }
        return sequence.OutputCount != other.OutputCount
            ? sequence.OutputCount < other.OutputCount
            : sequence.Arrival > other.Arrival;
    }
}

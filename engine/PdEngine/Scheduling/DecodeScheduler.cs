using System.Runtime.InteropServices;

namespace PdEngine;

/// <summary>
/// The sequences that make one token a step. Before each step every one of them gets the block that its next
/// position needs; when blocks run out some are retracted, and the last one left always goes on.
/// </summary>
internal sealed class DecodeScheduler(SchedulerOptions options, KvSpace space, PrefillScheduler prefill)
{
    private readonly List<Sequence> _running = [];

    /// <summary>In order of joining.</summary>
    public ReadOnlySpan<Sequence> Running => CollectionsMarshal.AsSpan(_running);

    public void Add(Sequence sequence)
    {
        Check.That(sequence.Phase == SequencePhase.Decoding);
        _running.Add(sequence);
    }

    public void Remove(Sequence sequence)
    {
        bool removed = _running.Remove(sequence);
        Check.That(removed);
    }

    /// <summary>Reserves the blocks of the next step.</summary>
    /// <returns>How many sequences had to be retracted for it.</returns>
    public int Reserve(NewTokenRatio ratio)
    {
        int retractedCount = 0;
        int index = 0;
        while (index < _running.Count)
        {
            if (space.TryReserve(_running[index]))
            {
                index++;
                continue;
            }
            if (_running.Count > 1)
            {
                int victimIndex = ChooseVictim();
                Sequence victim = _running[victimIndex];
                _running.RemoveAt(victimIndex);
                prefill.Retract(victim);
                index -= victimIndex < index ? 1 : 0;
            }
            else
            {
                bool retracted = prefill.TryRetractLatest();
                Check.That(retracted);
            }
            retractedCount++;
        }
        if (retractedCount > 0)
            ratio.Reset(Running);
        else
            ratio.Decay();
        return retractedCount;
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

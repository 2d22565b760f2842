namespace PdEngine.Tests;

/// <summary>
/// What happened over many runs, so that a test can state that nothing interesting was left out.
/// </summary>
internal sealed class SimulationTally
{
    private readonly long[] _aborts = new long[5];
    private readonly Dictionary<FinishReason, long> _finishes = [];

    public long RefusedCount { get; set; }

    public long QueueFullCount { get; set; }

    public long StepCount { get; private set; }

    public long RetractionCount { get; private set; }

    public long FailureCount { get; private set; }

    public long CachedTokenCount { get; private set; }

    public long SequenceCount { get; private set; }

    /// <summary>Scored prompts that were retracted and went on.</summary>
    public long RetractedScoreCount { get; private set; }

    /// <summary>Sequences that lost their blocks before they had made a token.</summary>
    public long RetractedPrefillCount { get; private set; }

    public long Aborts(SequencePhase phase) => _aborts[(int)phase];

    public long Finishes(FinishReason reason) => _finishes.GetValueOrDefault(reason);

    public void CountAbort(SequencePhase phase) => _aborts[(int)phase]++;

    public void CountRetractedPrefill() => RetractedPrefillCount++;

    public void Count(Sequence sequence)
    {
        SequenceCount++;
        FinishReason reason = sequence.FinishReason!.Value;
        _finishes[reason] = Finishes(reason) + 1;
        if (sequence is { RetractionCount: > 0, InputLogProbs.Count: > 0 })
            RetractedScoreCount++;
    }

    public void Count(WorkerSnapshot snapshot)
    {
        StepCount += snapshot.StepCount;
        RetractionCount += snapshot.RetractionCount;
        FailureCount += snapshot.FailureCount;
        CachedTokenCount += snapshot.CachedTokenCount;
    }

    public override string ToString() =>
        $"{SequenceCount} sequences in {StepCount} steps; {RetractionCount} retractions "
        + $"({RetractedPrefillCount} while prefilling, {RetractedScoreCount} with scores), "
        + $"{FailureCount} failed batches, {CachedTokenCount} cached tokens, {RefusedCount} refused, "
        + $"{QueueFullCount} times full, "
        + $"aborted queued {_aborts[0]}, prefilling {_aborts[1]}, decoding {_aborts[3]}";
}

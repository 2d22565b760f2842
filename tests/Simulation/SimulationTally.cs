namespace PdEngine.Tests;

/// <summary>
/// What happened over many runs, so that a test can state that nothing interesting was left out.
/// </summary>
internal sealed class SimulationTally
{
    private readonly long[] _aborts = new long[5];
    private readonly long[] _kills = new long[5];
    private readonly long[] _paths = new long[3];
    private readonly Dictionary<FinishReason, long> _finishes = [];

    public long RefusedCount { get; set; }

    public long QueueFullCount { get; set; }

    public long StepCount { get; private set; }

    public long RetractionCount { get; private set; }

    public long ForkCount { get; private set; }

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

    /// <summary>Sequences that were in a phase when some worker was killed.</summary>
    public long Kills(SequencePhase phase) => _kills[(int)phase];

    public void CountKill(SequencePhase phase) => _kills[(int)phase]++;

    /// <summary>Sequences that went this way.</summary>
    public long Paths(PdPath path) => _paths[(int)path];

    /// <summary>Sequences that lost a worker and still came to their end.</summary>
    public long RescuedCount { get; private set; }

    public void CountRetractedPrefill() => RetractedPrefillCount++;

    public void Count(Sequence sequence)
    {
        SequenceCount++;
        FinishReason reason = sequence.FinishReason!.Value;
        _finishes[reason] = Finishes(reason) + 1;
        _paths[(int)sequence.Pd.Path]++;
        if (sequence.FailureCount > 0 && reason is FinishReason.Stop or FinishReason.Length)
            RescuedCount++;
        if (sequence is { RetractionCount: > 0, InputLogProbs.Count: > 0 })
            RetractedScoreCount++;
    }

    public void Count(WorkerSnapshot snapshot)
    {
        StepCount += snapshot.StepCount;
        RetractionCount += snapshot.RetractionCount;
        ForkCount += snapshot.ForkCount;
        FailureCount += snapshot.FailureCount;
        CachedTokenCount += snapshot.CachedTokenCount;
    }

    public override string ToString() =>
        $"{SequenceCount} sequences in {StepCount} steps; {RetractionCount} retractions "
        + $"({RetractedPrefillCount} while prefilling, {RetractedScoreCount} with scores), "
        + $"{FailureCount} failed batches, {ForkCount} forks, "
        + $"{CachedTokenCount} cached tokens, {RefusedCount} refused, "
        + $"{QueueFullCount} times full, "
        + $"aborted queued {_aborts[0]}, prefilling {_aborts[1]}, handing off {_aborts[2]}, "
        + $"decoding {_aborts[3]}; local {_paths[0]}, handoff {_paths[1]}, copy {_paths[2]}; "
        + $"killed under queued {_kills[0]}, prefilling {_kills[1]}, handing off {_kills[2]}, "
        + $"decoding {_kills[3]}, rescued {RescuedCount}";
}

namespace PdEngine.Tests;

/// <summary>
/// What happened over many runs, so that a test can state that nothing interesting was left out.
/// </summary>
internal sealed class SimulationTally
{
    private readonly long[] _aborts = new long[5];
    private readonly long[] _kills = new long[5];
    private readonly long[] _paths = new long[3];
    private readonly long[] _pauses = new long[15];
    private readonly long[] _happenings = new long[Enum.GetValues<Happening>().Length];
    private readonly Dictionary<FinishReason, long> _finishes = [];
    private readonly Dictionary<string, long> _reasons = [];
    private readonly Dictionary<Enum, long> _runs = [];

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

    /// <summary>Sequences that lost a worker and still came to their end.</summary>
    public long RescuedCount { get; private set; }

    /// <summary>Rounds without progress, as a share of the bound.</summary>
    public double LongestWait { get; set; }

    /// <summary>Steps of a worker without one of its sequences, as a share of the bound.</summary>
    public double LongestIdle { get; set; }

    /// <summary>Rounds in a queue, as a share of what those before it should take.</summary>
    public double LongestQueue { get; set; }

    /// <summary>Rounds that a run took, as a share of the bound.</summary>
    public double LongestRun { get; set; }

    public long Aborts(SequencePhase phase) => _aborts[(int)phase];

    public long Finishes(FinishReason reason) => _finishes.GetValueOrDefault(reason);

    /// <summary>Sequences that were in a phase when some worker was killed.</summary>
    public long Kills(SequencePhase phase) => _kills[(int)phase];

    /// <summary>Sequences that went this way.</summary>
    public long Paths(PdPath path) => _paths[(int)path];

    /// <summary>Sequences that did so for this reason.</summary>
    public long Reasons(string reason) => _reasons.GetValueOrDefault(reason);

    public long Happenings(Happening happening) => _happenings[(int)happening];

    /// <summary>Runs with several workers that were set so.</summary>
    public long Runs(Enum setting) => _runs.GetValueOrDefault(setting);

    public void CountRun(Enum setting) => _runs[setting] = Runs(setting) + 1;

    /// <summary>Sequences that were in a phase when the service was paused so.</summary>
    public long Pauses(PauseMode mode, SequencePhase phase) => _pauses[((int)mode * 5) + (int)phase];

    public void CountPause(PauseMode mode, SequencePhase phase) => _pauses[((int)mode * 5) + (int)phase]++;

    /// <summary>Batches that were started before the results of the one before were there.</summary>
    public long AheadCount { get; private set; }

    /// <summary>Blocks that were copied before the results of their batch were there.</summary>
    public long EarlyCopyCount { get; private set; }

    public void CountEarlyCopies(long count) => EarlyCopyCount += count;

    public void CountAhead(long batchCount) => AheadCount += batchCount;

    public void CountAbort(SequencePhase phase) => _aborts[(int)phase]++;

    public void CountKill(SequencePhase phase) => _kills[(int)phase]++;

    public void CountRetractedPrefill() => RetractedPrefillCount++;

    public void Count(Happening happening) => _happenings[(int)happening]++;

    public void Count(Sequence sequence)
    {
        SequenceCount++;
        FinishReason reason = sequence.FinishReason!.Value;
        _finishes[reason] = Finishes(reason) + 1;
        _paths[(int)sequence.Pd.Path]++;
        _reasons[sequence.Pd.Reason] = Reasons(sequence.Pd.Reason) + 1;
        if (sequence.FailureCount > 0 && reason is FinishReason.Stop or FinishReason.Length)
            RescuedCount++;
        if (sequence.HasMixedKv)
            Count(sequence.Pd.Path == PdPath.Copy ? Happening.MixedKvHandedOver : Happening.MixedKv);
        if (sequence is { ScoreEpoch: > 0, RetractionCount: > 0, InputLogProbs.Count: > 0 })
            Count(Happening.ScoredAnew);
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
        + $"{CachedTokenCount} cached tokens, {AheadCount} batches ahead, {RefusedCount} refused, "
        + $"{QueueFullCount} times full, "
        + $"aborted queued {_aborts[0]}, prefilling {_aborts[1]}, handing off {_aborts[2]}, "
        + $"decoding {_aborts[3]}; local {_paths[0]}, handoff {_paths[1]}, copy {_paths[2]}; "
        + $"killed under queued {_kills[0]}, prefilling {_kills[1]}, handing off {_kills[2]}, "
        + $"decoding {_kills[3]}, rescued {RescuedCount}, "
        + $"paused {string.Join(' ', _pauses)}; "
        + $"longest wait {LongestWait:F2}, idle {LongestIdle:F2}, queue {LongestQueue:F2} "
        + $"and run {LongestRun:F2} of their bounds; "
        + string.Join(", ", _reasons.OrderBy(r => r.Key).Select(r => $"{r.Key} {r.Value}")) + "; "
        + string.Join(", ", Enum.GetValues<Happening>().Select(h => $"{h} {Happenings(h)}"));
}

namespace PdEngine;

/// <summary>
/// Moments in a sequence's life, in ticks of the engine's <see cref="TimeProvider"/>, 0 being not yet; and
/// how long it was in each stage.
/// </summary>
internal sealed class SequenceTimes
{
    private readonly long[] _stageTicks = new long[(int)SequenceStage.DecodeForward + 1];
    private SequenceStage _stage;
    private long _stageStart;
    private List<StageStart>? _trail;

    public SequenceTimes(long submittedTicks)
    {
        SubmittedTicks = submittedTicks;
        _stageStart = submittedTicks;
    }

    public long SubmittedTicks { get; }

    /// <summary>First admission: blocks reserved, first chunk scheduled.</summary>
    public long AdmittedTicks { get; set; }

    /// <summary>First output token; the end of time to first token.</summary>
    public long FirstTokenTicks { get; set; }

    public long FinishedTicks { get; private set; }

    /// <summary>When the present stage began.</summary>
    public long StageStartTicks => _stageStart;

    /// <summary>
    /// Where the time went up to now, of which the present stage has what passed since it began. Read by
    /// another thread than the owner's it may be off by a stage that has just ended.
    /// </summary>
    public PhaseTimings Phases(TimeProvider clock, long handoffTicks, long nowTicks)
    {
        double ticksToNs = 1e9 / clock.TimestampFrequency;
        SequenceStage present = _stage;
        long sinceTicks = Math.Max(0, nowTicks - _stageStart);
        return new PhaseTimings
        {
            HandoffNs = (long)(handoffTicks * ticksToNs),
            PrefillQueueNs = Ns(SequenceStage.PrefillQueue),
            PrefillForwardNs = Ns(SequenceStage.PrefillForward),
            TransferQueueNs = Ns(SequenceStage.TransferQueue),
            DecodeAllocWaitNs = Ns(SequenceStage.DecodeAllocWait),
            DecodeTransferNs = Ns(SequenceStage.DecodeTransfer),
            DecodeForwardNs = Ns(SequenceStage.DecodeForward),
        };

        long Ns(SequenceStage stage) =>
            (long)((_stageTicks[(int)stage] + (stage == present ? sinceTicks : 0)) * ticksToNs);
    }

    /// <summary>Every stage as it was come into, in order; empty where nobody asked for it.</summary>
    public IReadOnlyList<StageStart> Trail => _trail ?? [];

    /// <summary>Notes stages from the first on; before any other is entered.</summary>
    public void KeepTrail() => _trail = new(8) { new(_stage, _stageStart) };

    /// <summary>From now on time counts for this stage.</summary>
    public void Enter(SequenceStage stage, long nowTicks)
    {
        _stageTicks[(int)_stage] += nowTicks - _stageStart;
        if (stage != _stage)
            _trail?.Add(new(stage, nowTicks));
        _stageStart = nowTicks;
        _stage = stage;
    }

    public void Finish(long nowTicks)
    {
        Enter(_stage, nowTicks);
        FinishedTicks = nowTicks;
    }
}

namespace PdEngine;

/// <summary>
/// Both schedulers of one worker: decides what the next batch computes and who holds blocks.
/// </summary>
internal sealed class StepScheduler
{
    private readonly SchedulerOptions _options;
    private readonly KvSpace _space;
    private readonly PrefillScheduler _prefill;
    private readonly DecodeScheduler _decode;
    private readonly NewTokenRatio _ratio;
    private bool _prefillHadTurn;

    public StepScheduler(SchedulerOptions options, KvSpace space, TimeProvider clock)
    {
        Check.That(options.PrefillBudgetTokens > 0 && options.MaxRunningSequences > 0);
        _options = options;
        _space = space;
        _prefill = new(options, space, clock);
        _decode = new(options, space, _prefill);
        _ratio = new(options.Conservativeness);
    }

    public int QueuedCount => _prefill.Queue.Count;

    public int PrefillingCount => _prefill.Prefilling.Length;

    public int DecodingCount => _decode.Running.Length;

    public bool HasWork => _prefill.HasWork || DecodingCount > 0;

    /// <summary>Sequences that the last <see cref="TrySchedule"/> admitted for the first time.</summary>
    public int FirstAdmissionCount { get; private set; }

    public long RetractionCount { get; private set; }

    public long PrefillTokenCount { get; private set; }

    public void Add(Sequence sequence) => _prefill.Queue.Add(sequence);

    /// <summary>One of the sequences, or null when there is none; for whoever ends them all.</summary>
    public Sequence? Last()
    {
        if (DecodingCount > 0)
            return _decode.Running[^1];
        if (PrefillingCount > 0)
            return _prefill.Prefilling[^1];
        return QueuedCount > 0 ? _prefill.Queue[QueuedCount - 1] : null;
    }

    /// <summary>Fills a batch with the next step's work.</summary>
    /// <remarks>
    /// Decoding sequences get their blocks before anything is admitted, and a step that had to retract admits
    /// nothing. Where decode rows do not mix with prefill the two take turns, so that neither starves.
    /// </remarks>
    /// <returns>False when there is no sequence.</returns>
    public bool TrySchedule(ForwardBatch batch)
    {
        FirstAdmissionCount = 0;
        if (!_options.MixesDecode && _prefill.HasWork && !(_prefillHadTurn && DecodingCount > 0))
        {
            AddChunks(batch, _options.PrefillBudgetTokens, admits: true);
            _prefillHadTurn = true;
            if (batch.TokenCount > 0)
                return true;
        }
        int retractedCount = DecodingCount > 0 ? _decode.Reserve(_ratio) : 0;
        RetractionCount += retractedCount;
        if (_options.MixesDecode && _prefill.HasWork)
            AddChunks(batch, MixedBudget(), admits: retractedCount == 0);
        foreach (Sequence sequence in _decode.Running)
            BatchBuilder.Add(batch, sequence, 1, _space.PageSize);
        _prefillHadTurn = false;
        Check.That(batch.TokenCount > 0 || !HasWork);
        return batch.TokenCount > 0;
    }

    /// <summary>
    /// A sequence's tokens are all computed: its blocks can be found, and it decodes from here on.
    /// </summary>
    public void FinishPrefill(Sequence sequence)
    {
        _space.Keep(sequence);
        _prefill.Remove(sequence);
        sequence.MoveTo(SequencePhase.Decoding);
        _decode.Add(sequence);
    }

    /// <summary>Takes a sequence out and its blocks back.</summary>
    /// <param name="sequence">In any phase but the last.</param>
    /// <param name="keeps">What it has computed may be found again.</param>
    public void Remove(Sequence sequence, bool keeps)
    {
        if (sequence.Phase == SequencePhase.Decoding)
            _decode.Remove(sequence);
        else
            _prefill.Remove(sequence);
        if (keeps)
            _space.Keep(sequence);
        _space.Release(sequence);
    }

    /// <summary>
    /// Decode rows count against the budget, but leave a quarter of it: prefill goes on under any load.
    /// </summary>
    private int MixedBudget()
    {
        int budget = _options.PrefillBudgetTokens;
        return Math.Max(budget - DecodingCount, Math.Max(1, budget / 4));
    }

    private void AddChunks(ForwardBatch batch, int budgetTokens, bool admits)
    {
        _prefill.Schedule(budgetTokens, _decode, _ratio, admits);
        FirstAdmissionCount = _prefill.FirstAdmissionCount;
        foreach (PrefillChunk chunk in _prefill.Chunks)
        {
            BatchBuilder.Add(batch, chunk.Sequence, chunk.TokenCount, _space.PageSize);
            PrefillTokenCount += chunk.TokenCount;
        }
    }
}

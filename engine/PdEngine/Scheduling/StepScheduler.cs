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
    private readonly TimeProvider _clock;
    private readonly List<Sequence> _forks = [];
    private bool _prefillHadTurn;

    public StepScheduler(SchedulerOptions options, KvSpace space, TimeProvider clock)
    {
        Check.That(options.PrefillBudgetTokens > 0 && options.MaxRunningSequences > 0);
        _options = options;
        _space = space;
        _clock = clock;
        _prefill = new(options, space, clock);
        _decode = new(options, space, _prefill);
        _ratio = new(options.Conservativeness);
    }

    public int QueuedCount => _prefill.Queue.Count;

    public int PrefillingCount => _prefill.Prefilling.Length;

    public int DecodingCount => _decode.Running.Length;

    /// <summary>Sequences handed over that wait for a place.</summary>
    public int ArrivedCount => _decode.Arrived.Length;

    /// <summary>Blocks that its sequences are expected to take yet.</summary>
    public long ExpectedBlocks => _prefill.ExpectedBlocks(_decode, _ratio);

    public bool HasWork => _prefill.HasWork || DecodingCount + ArrivedCount > 0;

    /// <summary>The first queued sequence waits for blocks.</summary>
    public bool AwaitsBlocks => _prefill.AwaitsBlocks;

    /// <summary>Its arrival; the greatest number where it does not.</summary>
    public long WaitingArrival => AwaitsBlocks ? _prefill.Queue[0].Arrival : long.MaxValue;

    /// <summary>Sequences that the last <see cref="TrySchedule"/> admitted.</summary>
    public ReadOnlySpan<Sequence> Admitted => _prefill.Admitted;

    /// <summary>How many of them for the first time.</summary>
    public int FirstAdmissionCount => _prefill.FirstAdmissionCount;

    /// <summary>
    /// Sequences that the last <see cref="TrySchedule"/> retracted; the worker queues each, here or
    /// elsewhere, and empties the list.
    /// </summary>
    public List<Sequence> Retracted => _prefill.Retracted;

    public long RetractionCount { get; private set; }

    public long PrefillTokenCount { get; private set; }

    /// <summary>Sequences that went on from another's prompt and computed none.</summary>
    public long ForkCount { get; private set; }

    public void Add(Sequence sequence) => _prefill.Queue.Add(sequence);

    /// <summary>Queues a retracted sequence, ahead of all that never ran.</summary>
    public void AddRetracted(Sequence sequence) => _prefill.Queue.AddRetracted(sequence);

    /// <summary>Takes over a sequence that holds its blocks here already.</summary>
    public void AddArrived(Sequence sequence) => _decode.AddArrived(sequence);

    /// <summary>
    /// Whether the next batch can be chosen before the results of a started one are known: that one is a
    /// decode step, and the next has blocks for all who go on.
    /// </summary>
    public bool TryReserveAhead(ForwardBatch started)
    {
        if (started.HasChunks)
            return false;
        if (ArrivedCount > 0)
            _decode.Promote(_clock.GetTimestamp());
        return _decode.TryReserveAhead(_ratio);
    }

    /// <summary>Fills a batch with the next step's work.</summary>
    /// <remarks>
    /// Decoding sequences get their blocks before anything is admitted, and a step that had to retract admits
    /// nothing. Where decode rows do not mix with prefill the two take turns, so that neither starves.
    /// </remarks>
    /// <param name="batch">Empty.</param>
    /// <param name="isAhead"><see cref="TryReserveAhead"/> was true.</param>
    /// <param name="admitsBefore">
    /// Nothing from after this arrival is admitted: it would take what something older waits for.
    /// </param>
    /// <returns>False when there is no sequence, or none that can go on now.</returns>
    public bool TrySchedule(ForwardBatch batch, bool isAhead, long admitsBefore)
    {
        _prefill.ClearStep();
        if (ArrivedCount > 0)
            _decode.Promote(_clock.GetTimestamp());
        if (ArrivedCount > 0)
            admitsBefore = Math.Min(admitsBefore, _decode.Arrived[0].Arrival);
        bool admits = QueuedCount == 0 || _prefill.Queue[0].Arrival < admitsBefore;
        if (!_options.MixesDecode && _prefill.HasWork && !(_prefillHadTurn && DecodingCount > 0))
        {
            AddChunks(batch, _options.PrefillBudgetTokens, admits);
            _prefillHadTurn = true;
            if (batch.TokenCount > 0)
                return true;
        }
        int retractedCount = DecodingCount > 0 && !isAhead ? _decode.Reserve(_ratio) : 0;
        RetractionCount += retractedCount;
        if (_options.MixesDecode && _prefill.HasWork)
            AddChunks(batch, MixedBudget(), admits && retractedCount == 0);
        if (!_decode.IsStalled)
        {
            foreach (Sequence sequence in _decode.Running)
            {
                if (!isAhead || _decode.GoesOn(sequence))
                    BatchBuilder.Add(batch, sequence, 1, _space.PageSize);
            }
        }
        _prefillHadTurn = false;
        return batch.TokenCount > 0;
    }

    /// <summary>
    /// A sequence's tokens are all computed: its blocks can be found, and it decodes from here on.
    /// </summary>
    public void FinishPrefill(Sequence sequence)
    {
        CompletePrompt(sequence);
        StartDecoding(sequence);
    }

    /// <summary>
    /// A sequence's tokens are all computed and its blocks can be found; it leaves for another worker.
    /// </summary>
    public void BeginHandoff(Sequence sequence)
    {
        CompletePrompt(sequence);
        sequence.MoveTo(SequencePhase.HandingOff);
        sequence.Times.Enter(SequenceStage.TransferQueue, _clock.GetTimestamp());
    }

    /// <summary>A sequence that could not be handed over decodes here.</summary>
    public void StartDecoding(Sequence sequence)
    {
        sequence.MoveTo(SequencePhase.Decoding);
        sequence.Times.Enter(SequenceStage.DecodeForward, _clock.GetTimestamp());
        _decode.Add(sequence);
    }

    /// <summary>Takes a sequence out and its blocks back.</summary>
    /// <param name="sequence">In any phase but the last.</param>
    /// <param name="keeps">What it has computed may be found again.</param>
    public void Remove(Sequence sequence, bool keeps)
    {
        if (sequence.Phase is SequencePhase.Decoding or SequencePhase.HandingOff)
            _decode.Remove(sequence);
        else
            _prefill.Remove(sequence);
        Release(sequence, keeps);
    }

    /// <summary>Takes a sequence's blocks; it goes to <see cref="Retracted"/>.</summary>
    public void Retract(Sequence sequence)
    {
        if (sequence.Phase is SequencePhase.Decoding or SequencePhase.HandingOff)
            _decode.Remove(sequence);
        QueueAgain(sequence);
    }

    /// <summary>The same for a sequence that neither scheduler has.</summary>
    public void QueueAgain(Sequence sequence)
    {
        _prefill.Retract(sequence);
        RetractionCount++;
    }

    /// <summary>Takes the blocks of a sequence that neither scheduler has.</summary>
    public void Release(Sequence sequence, bool keeps)
    {
        Check.That(!sequence.IsStarted);
        if (keeps)
            _space.Keep(sequence.Kv, sequence.Tokens[..sequence.ComputedCount]);
        _space.Release(sequence.Kv);
        sequence.ComputedCount = 0;
    }

    private void AddForks(ForwardBatch batch, Sequence prompt)
    {
        _prefill.TakeForks(prompt, _decode, _ratio, _forks);
        foreach (Sequence fork in _forks)
            BatchBuilder.AddFork(batch, fork);
        ForkCount += _forks.Count;
        _forks.Clear();
    }

    private void CompletePrompt(Sequence sequence)
    {
        _space.Keep(sequence.Kv, sequence.Tokens[..sequence.ComputedCount]);
        _prefill.Remove(sequence);
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
        foreach (PrefillChunk chunk in _prefill.Chunks)
        {
            Sequence prompt = chunk.Sequence;
            BatchBuilder.Add(batch, prompt, chunk.TokenCount, _space.PageSize);
            PrefillTokenCount += chunk.TokenCount;
            if (admits && prompt.ComputedCount + chunk.TokenCount == prompt.TokenCount)
                AddForks(batch, prompt);
        }
    }
}

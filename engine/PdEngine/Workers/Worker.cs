namespace PdEngine;

/// <summary>
/// One engine instance: schedules, computes and applies, a step at a time, and hands sequences over to other
/// workers or takes them from there. <see cref="Submit"/>, <see cref="TryResubmit"/>, <see cref="TryPost"/>,
/// <see cref="ThrowIfNeverFits"/>, <see cref="Snapshot"/>, <see cref="TryAbandon"/> and <see cref="Close"/>
/// may be called by any thread; everything else belongs to the one thread that steps it.
/// </summary>
internal sealed class Worker : IDisposable
{
    /// <summary>
    /// Bytes copied from other domains before a step, about: a few milliseconds of delay for what decodes.
    /// </summary>
    private const long TransferBudgetBytes = 16 << 20;

    private readonly SchedulerOptions _options;
    private readonly IModelRunner _runner;
    private readonly TimeProvider _clock;
    private readonly Rescue? _rescue;
    private readonly Admission _admission;
    private readonly StepScheduler _scheduler;
    private readonly HandoffReceiver _receiver;
    private readonly BlockWrites _writes;
    private readonly WorkerMailbox _mailbox = new();
    private readonly WorkerCounters _counters = new();
    private readonly Dictionary<Sequence, Handoff?> _live = [];
    private readonly List<Sequence> _aborting = [];
    private readonly List<Sequence> _arrived = [];
    private readonly ForwardBatch _batch = new();
    private volatile WorkerException? _failure;
    private int _waitingCount;
    private int _requestCount;
    private long _pendingTokens;
    private long _arrivalCount;
    private long _stepStartTicks;
    private int _running;
    private bool _disposed;

    /// <param name="name">For messages and results.</param>
    /// <param name="options">How it schedules.</param>
    /// <param name="space">Its share of a domain's blocks.</param>
    /// <param name="runner">Computes; not owned.</param>
    /// <param name="clock">Of all times.</param>
    /// <param name="rescue">
    /// Finds another worker for a sequence that lost this one; null where there is no other.
    /// </param>
    public Worker(
        string name, SchedulerOptions options, KvSpace space, IModelRunner runner, TimeProvider clock,
        Rescue? rescue = null)
    {
        Name = name;
        Space = space;
        _options = options;
        _runner = runner;
        _clock = clock;
        _rescue = rescue;
        _admission = new(name, options, space);
        _scheduler = new(options, space, clock);
        _receiver = new(space, clock);
        _writes = new(space.Domain);
        Publish();
    }

    /// <summary>Takes a queued sequence that holds nothing; false ends it with the error.</summary>
    public delegate bool Rescue(Sequence sequence, Worker failed, WorkerException error);

    private enum Running
    {
        No,
        Yes,
        Abandoned,
    }

    public string Name { get; }

    public KvSpace Space { get; }

    /// <summary>It has failed and serves nothing any more.</summary>
    public bool IsDead => _failure is not null;

    public WorkerException? Failure => _failure;

    /// <summary>How long a step may take before this worker counts as hung.</summary>
    public TimeSpan Patience => _options.WatchdogTimeout;

    /// <summary>The last step ran nothing, though there are sequences: they wait for blocks.</summary>
    public bool IsBlocked { get; private set; }

    /// <summary>Sequences that are here or on their way here.</summary>
    public int RequestCount => Volatile.Read(ref _requestCount);

    /// <summary>Prompt tokens of sequences here that are not through their prefill.</summary>
    public long PendingTokens => Interlocked.Read(ref _pendingTokens);

    /// <summary>When the batch that is being computed was started, in clock ticks; 0 is none.</summary>
    public long StepStartTicks => Interlocked.Read(ref _stepStartTicks);

    /// <summary>Counters as of the last step.</summary>
    public WorkerSnapshot Snapshot() => _counters.Read();

    /// <exception cref="CapacityException">The request exceeds the context length or the whole
    /// pool.</exception>
    public void ThrowIfNeverFits(Request request) => _admission.ThrowIfNeverFits(request);

    /// <summary>Queues a sequence.</summary>
    /// <param name="sequence">New.</param>
    /// <param name="handoff">Where it decodes, if not here.</param>
    /// <exception cref="CapacityException">It can never fit, or the queue is full.</exception>
    /// <exception cref="ObjectDisposedException">The worker has been stopped.</exception>
    public void Submit(Sequence sequence, Handoff? handoff = null)
    {
        _admission.ThrowIfNeverFits(sequence.Request);
        int waitingCount = Interlocked.Increment(ref _waitingCount);
        try
        {
            _admission.ThrowIfQueueFull(waitingCount);
            ObjectDisposedException.ThrowIf(!TryEnqueue(sequence, handoff), this);
        }
        catch
        {
            Interlocked.Decrement(ref _waitingCount);
            throw;
        }
    }

    /// <summary>For a hand-off that is about to be opened to this worker.</summary>
    /// <exception cref="CapacityException">More sequences wait for this worker than may.</exception>
    public void ThrowIfDecodeQueueFull() =>
        _admission.ThrowIfQueueFull(RequestCount - Snapshot().DecodingCount);

    /// <summary>
    /// Queues a sequence that was at the door before; false where this worker takes no more.
    /// </summary>
    public bool TryResubmit(Sequence sequence, Handoff? handoff)
    {
        if (!sequence.WasAdmitted)
            Interlocked.Increment(ref _waitingCount);
        return TryEnqueue(sequence, handoff);
    }

    /// <summary>False when the worker takes no more.</summary>
    public bool TryPost(WorkerCommand command)
    {
        Check.That(command is not WorkerCommand.Submit);
        return _mailbox.TryPost(command);
    }

    /// <summary>Counts hand-offs that are on their way here.</summary>
    public void CountExpected(int count) => Interlocked.Add(ref _requestCount, count);

    /// <summary>Runs one batch, if there is anything to run.</summary>
    /// <returns>False when nothing is left to do until a command comes.</returns>
    public bool Step()
    {
        DrainMailbox();
        if (IsDead)
            return false;
        if (_receiver.Count > 0)
            ReceiveBlocks();
        bool hasBatch = _scheduler.TrySchedule(_batch);
        PlaceRetracted();
        if (hasBatch)
        {
            AnnounceAdmitted();
            if (!TryRun())
                return false;
            _batch.Clear();
        }
        IsBlocked = !hasBatch && !_receiver.HasMore;
        // Others must wait neither for what has ended in this step nor for a turn that is not used.
        Space.PublishExpected(_scheduler.ExpectedBlocks);
        if (!_scheduler.AwaitsBlocks && !_receiver.AwaitsBlocks)
            Space.LeaveTurn();
        Publish();
        return _scheduler.HasWork || _receiver.HasMore || _receiver.AwaitsBlocks;
    }

    /// <summary>Waits for the next command, or a little for others to give blocks back.</summary>
    public void Wait()
    {
        if (_scheduler.HasWork || _receiver.AwaitsBlocks)
        {
            _mailbox.Wait(TimeSpan.FromMilliseconds(1));
            return;
        }
        _runner.Rest();
        _mailbox.Wait();
    }

    /// <summary>Takes no more commands and wakes the waiting thread.</summary>
    public void Close() => _mailbox.Close();

    /// <summary>
    /// Ends every sequence with what it has, and takes no more; once nothing steps it any longer.
    /// </summary>
    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        Close();
        DrainMailbox();
        foreach (Sequence sequence in _live.Keys.Reverse().ToArray())
            End(sequence, FinishReason.Abort);
        _receiver.DropAll();
        if (!IsDead)
            Space.Leave();
        Publish();
        _mailbox.Dispose();
    }

    /// <summary>
    /// Takes everything away from a worker whose step does not come back; false where no step is being
    /// computed. What it still writes into stays out of use until it does come back.
    /// </summary>
    public bool TryAbandon(Exception cause)
    {
        if (Interlocked.CompareExchange(ref _running, (int)Running.Abandoned, (int)Running.Yes)
            != (int)Running.Yes)
        {
            return false;
        }
        Fail(cause);
        return true;
    }

    /// <summary>
    /// This worker's own state can no longer be trusted: its sequences give their blocks back and go
    /// elsewhere, or end with this error and what they have.
    /// </summary>
    public void Fail(Exception cause)
    {
        WorkerException error = new(Name, cause);
        _failure = error;
        Close();
        _aborting.Clear();
        _receiver.DropAll();
        foreach ((Sequence sequence, Handoff? handoff) in _live.ToArray())
            Lose(sequence, handoff, error);
        DrainMailbox();
        Space.Leave();
    }

    private bool TryEnqueue(Sequence sequence, Handoff? handoff)
    {
        Interlocked.Increment(ref _requestCount);
        sequence.PendingTokens = sequence.TokenCount;
        Interlocked.Add(ref _pendingTokens, sequence.PendingTokens);
        sequence.Pd.PrefillWorker = Name;
        return _mailbox.TryPost(new WorkerCommand.Submit(sequence, handoff));
    }

    private void DrainMailbox()
    {
        while (_mailbox.TryTake(out WorkerCommand? command))
        {
            switch (command)
            {
                case WorkerCommand.Submit submit:
                    Receive(submit.Sequence, submit.Handoff);
                    break;
                case WorkerCommand.Expect expect when !IsDead:
                    _receiver.Expect(expect.Handoff, expect.Tokens);
                    break;
                case WorkerCommand.Adopt adopt:
                    Adopt(adopt.Handoff);
                    break;
                case WorkerCommand.Cancel cancel:
                    _receiver.TryDrop(cancel.Handoff);
                    break;
                case WorkerCommand.Abort abort when _live.ContainsKey(abort.Sequence):
                    _aborting.Add(abort.Sequence);
                    break;
                case WorkerCommand.FlushCache:
                    Space.Flush();
                    break;
                case WorkerCommand.Die die when !IsDead:
                    Fail(die.Cause);
                    return;
            }
        }
        foreach (Sequence sequence in _aborting)
        {
            if (_live.ContainsKey(sequence))
                End(sequence, FinishReason.Abort);
        }
        _aborting.Clear();
    }

    private void Receive(Sequence sequence, Handoff? handoff)
    {
        sequence.Arrival = _arrivalCount++;
        _live.Add(sequence, handoff);
        if (_failure is { } error)
        {
            Lose(sequence, handoff, error);
            return;
        }
        if (sequence.WasAdmitted)
            _scheduler.AddRetracted(sequence);
        else
            _scheduler.Add(sequence);
        if (sequence.AbortRequested)
            End(sequence, FinishReason.Abort);
    }

    private void Adopt(Handoff handoff)
    {
        Sequence sequence = handoff.Sequence;
        sequence.Arrival = _arrivalCount++;
        _live.Add(sequence, handoff);
        sequence.Pd.DecodeWorker = Name;
        if (_failure is { } error)
        {
            handoff.Source.Space.Release(handoff.SourceHold);
            Lose(sequence, handoff, error);
            return;
        }
        if (handoff.Transfer is not null)
        {
            _receiver.Complete(handoff);
        }
        else
        {
            sequence.Times.Enter(SequenceStage.DecodeAllocWait, _clock.GetTimestamp());
            _scheduler.AddArrived(sequence);
        }
        if (sequence.AbortRequested)
            End(sequence, FinishReason.Abort);
    }

    private void ReceiveBlocks()
    {
        _receiver.Advance(TransferBudgetBytes, _scheduler.ExpectedBlocks, _arrived);
        foreach (Sequence sequence in _arrived)
            _scheduler.AddArrived(sequence);
        _arrived.Clear();
    }

    /// <summary>Retracted sequences are computed anew where they came from, or here.</summary>
    private void PlaceRetracted()
    {
        foreach (Sequence sequence in _scheduler.Retracted)
        {
            Handoff? handoff = _live[sequence];
            if (handoff is not null && handoff.Target == this && !handoff.Source.IsDead)
            {
                Forget(sequence);
                Handoff again = handoff.Again();
                if (handoff.Source.TryResubmit(sequence, again))
                    continue;
                again.Abandon();
                Interlocked.Increment(ref _requestCount);
            }
            else if (handoff is not null && handoff.Source == this)
            {
                _live[sequence] = handoff.Again();
                CancelExpected(handoff);
                _scheduler.AddRetracted(sequence);
                continue;
            }
            _live[sequence] = null;
            _scheduler.AddRetracted(sequence);
        }
        _scheduler.Retracted.Clear();
    }

    private void AnnounceAdmitted()
    {
        Interlocked.Add(ref _waitingCount, -_scheduler.FirstAdmissionCount);
        foreach (Sequence sequence in _scheduler.Admitted)
        {
            if (_live[sequence] is not { Transfer: not null } handoff)
                continue;
            handoff.SourceHold = sequence.Kv;
            Lend(sequence);
            if (handoff.Target.TryPost(new WorkerCommand.Expect(handoff, sequence.Tokens.ToArray())))
                continue;
            Space.EndLoan(sequence.Kv);
            sequence.Pd.Reason = PdReasons.DecodeWorkerFailed;
            _live[sequence] = null;
        }
    }

    /// <returns>False when the worker was abandoned meanwhile: nothing may be touched then.</returns>
    private bool TryRun()
    {
        Exception? fault = null;
        _writes.Begin(_batch.Attention);
        Interlocked.Exchange(ref _stepStartTicks, _clock.GetTimestamp());
        Interlocked.Exchange(ref _running, (int)Running.Yes);
        try
        {
            _runner.Start(_batch);
            _runner.Finish(_batch);
        }
        catch (Exception cause)
        {
            fault = cause;
        }
        bool isMine = Interlocked.CompareExchange(ref _running, (int)Running.No, (int)Running.Yes)
            == (int)Running.Yes;
        Interlocked.Exchange(ref _stepStartTicks, 0);
        _writes.End();
        if (!isMine)
            return false;
        if (fault is null)
        {
            _counters.CountStep();
            Apply();
            return true;
        }
        WorkerException error = new(Name, fault);
        foreach (Sequence sequence in _batch.Sequences)
        {
            _scheduler.Remove(sequence, keeps: false);
            Lose(sequence, _live[sequence], error);
        }
        _counters.CountFailure();
        return true;
    }

    private void Apply()
    {
        for (int i = 0; i < _batch.Sequences.Length; i++)
        {
            Sequence sequence = _batch.Sequences[i];
            SliceRows rows = _batch.SliceRows[i];
            sequence.ComputedCount += _batch.Attention.Slices[i].QueryCount;
            LogProbs.StoreInput(sequence, _batch.Samples, rows);
            if (sequence.Phase == SequencePhase.Prefilling)
                ApplyChunk(sequence, rows);
            if (sequence.ComputedCount < sequence.TokenCount)
                continue;
            if (rows.DrawCount > 0)
                Append(sequence, rows.FirstRow + rows.ScoreCount);
            else
                End(sequence, FinishReason.Length);
            if (sequence.Phase == SequencePhase.HandingOff)
                HandOver(sequence, _live[sequence]!);
        }
    }

    private void ApplyChunk(Sequence sequence, SliceRows rows)
    {
        Handoff? handoff = _live[sequence];
        if (sequence.ComputedCount == sequence.TokenCount)
        {
            Interlocked.Add(ref _pendingTokens, -sequence.PendingTokens);
            sequence.PendingTokens = 0;
            if (handoff is null || rows.DrawCount == 0)
            {
                sequence.Pd.DecodeWorker = Name;
                _scheduler.FinishPrefill(sequence);
                return;
            }
            _scheduler.BeginHandoff(sequence);
        }
        if (handoff?.Transfer is null)
            return;
        Lend(sequence);
        handoff.Target.TryPost(WorkerCommand.Wake.Instance);
    }

    /// <summary>Lends what is computed and will not be written again.</summary>
    private void Lend(Sequence sequence)
    {
        int blockCount = sequence.Phase == SequencePhase.HandingOff
            ? sequence.Blocks.Count
            : sequence.ComputedCount / Space.PageSize;
        Space.Lend(sequence.Kv, blockCount);
    }

    private void HandOver(Sequence sequence, Handoff handoff)
    {
        KvHold hold = sequence.Kv;
        sequence.Pd.Path = handoff.Transfer is null ? PdPath.Handoff : PdPath.Copy;
        sequence.Pd.HandoffBlocks += hold.Blocks.Count;
        if (handoff.Transfer is not null)
            sequence.Kv = new();
        if (handoff.Target.TryPost(new WorkerCommand.Adopt(handoff)))
        {
            // From here on the sequence is the target's.
            Forget(sequence);
            return;
        }
        Space.EndLoan(hold);
        sequence.Kv = hold;
        sequence.Pd.Path = PdPath.Local;
        sequence.Pd.Reason = PdReasons.DecodeWorkerFailed;
        sequence.Pd.DecodeWorker = Name;
        _live[sequence] = null;
        _scheduler.StartDecoding(sequence);
    }

    private void Append(Sequence sequence, int row)
    {
        sequence.Append(_batch.Samples.Results[row].Token);
        LogProbs.StoreOutput(sequence, _batch.Samples, row);
        _counters.CountGenerated(1);
        if (sequence.OutputCount == 1)
            sequence.Times.FirstTokenTicks = _clock.GetTimestamp();
        string? stopText = sequence.Observer.OnToken(sequence);
        if (StopRule.Apply(sequence, stopText, _options.ContextTokens) is { } reason)
            End(sequence, reason);
    }

    private void End(Sequence sequence, FinishReason reason)
    {
        Handoff? handoff = _live[sequence];
        bool isLeaving = sequence.Phase == SequencePhase.HandingOff && handoff!.Source == this;
        if (isLeaving)
            _scheduler.Release(sequence, keeps: true);
        else if (handoff is not null && _receiver.TryDrop(handoff))
            sequence.ComputedCount = 0;
        else
            _scheduler.Remove(sequence, keeps: true);
        if (handoff is not null && handoff.Source == this)
            CancelExpected(handoff);
        Finish(sequence, reason, error: null);
    }

    /// <summary>
    /// Takes a sequence out of a worker or batch that failed under it: another worker computes it anew, or
    /// it ends with the error. Neither scheduler may be asked.
    /// </summary>
    private void Lose(Sequence sequence, Handoff? handoff, WorkerException error)
    {
        ReleaseAnyhow(sequence);
        if (handoff is not null && handoff.Source == this)
            CancelExpected(handoff);
        if (sequence.AbortRequested)
        {
            Finish(sequence, FinishReason.Abort, error: null);
            return;
        }
        sequence.FailureCount++;
        Forget(sequence);
        if (sequence.Phase != SequencePhase.Queued)
            sequence.MoveTo(SequencePhase.Queued);
        sequence.Times.Enter(SequenceStage.PrefillQueue, _clock.GetTimestamp());
        if (_rescue is null || !_rescue(sequence, this, error))
            Complete(sequence, FinishReason.Error, error);
    }

    /// <summary>Where the counts are wrong already, its blocks are lost, but not the sequence.</summary>
    private void ReleaseAnyhow(Sequence sequence)
    {
        try
        {
            Space.Release(sequence.Kv);
        }
        catch (InvariantException)
        {
            sequence.Kv = new();
        }
        sequence.ComputedCount = 0;
    }

    /// <summary>A sequence that leaves before its hand-off: its target must not wait for it.</summary>
    private static void CancelExpected(Handoff handoff)
    {
        handoff.Abandon();
        if (handoff.Transfer is not null)
            handoff.Target.TryPost(new WorkerCommand.Cancel(handoff));
    }

    private void Finish(Sequence sequence, FinishReason reason, WorkerException? error)
    {
        Forget(sequence);
        Complete(sequence, reason, error);
    }

    private void Complete(Sequence sequence, FinishReason reason, WorkerException? error)
    {
        if (sequence.WasAdmitted)
            _counters.CountCached(sequence.CachedCount);
        else
            Interlocked.Decrement(ref _waitingCount);
        sequence.Times.Finish(_clock.GetTimestamp());
        sequence.Finish(reason, reason == FinishReason.Abort ? sequence.AbortCause : error);
        _counters.CountFinished();
        sequence.Observer.OnFinished(sequence);
    }

    private void Forget(Sequence sequence)
    {
        _live.Remove(sequence);
        Interlocked.Decrement(ref _requestCount);
        Interlocked.Add(ref _pendingTokens, -sequence.PendingTokens);
        sequence.PendingTokens = 0;
    }

    private void Publish() => _counters.Publish(_scheduler, Space.Domain);
}

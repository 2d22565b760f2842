namespace PdEngine;

/// <summary>
/// One engine instance: schedules, computes and applies, a step at a time. <see cref="Submit"/>,
/// <see cref="Post"/>, <see cref="ThrowIfNeverFits"/>, <see cref="Snapshot"/> and <see cref="Close"/> may be
/// called by any thread; everything else belongs to the one thread that steps it.
/// </summary>
internal sealed class Worker : IDisposable
{
    private readonly SchedulerOptions _options;
    private readonly KvBlockPool _pool;
    private readonly RadixCache _cache;
    private readonly IModelRunner _runner;
    private readonly TimeProvider _clock;
    private readonly Admission _admission;
    private readonly StepScheduler _scheduler;
    private readonly WorkerMailbox _mailbox = new();
    private readonly WorkerCounters _counters = new();
    private readonly HashSet<Sequence> _live = [];
    private readonly List<Sequence> _aborting = [];
    private readonly ForwardBatch _batch = new();
    private WorkerException? _failure;
    private int _waitingCount;
    private long _arrivalCount;
    private bool _disposed;

    public Worker(
        string name, SchedulerOptions options, KvBlockPool pool, RadixCache cache, IModelRunner runner,
        TimeProvider clock)
    {
        Name = name;
        _options = options;
        _pool = pool;
        _cache = cache;
        _runner = runner;
        _clock = clock;
        _admission = new(name, options, pool);
        _scheduler = new(options, new KvSpace(pool, cache, options.UsesPrefixCache), clock);
        _counters.Publish(_scheduler, _pool, _cache);
    }

    public string Name { get; }

    /// <summary>Counters as of the last step.</summary>
    public WorkerSnapshot Snapshot() => _counters.Read();

    /// <exception cref="CapacityException">The request exceeds the context length or the whole
    /// pool.</exception>
    public void ThrowIfNeverFits(Request request) => _admission.ThrowIfNeverFits(request);

    /// <summary>Queues a sequence.</summary>
    /// <exception cref="CapacityException">It can never fit, or the queue is full.</exception>
    /// <exception cref="ObjectDisposedException">The worker has been stopped.</exception>
    public void Submit(Sequence sequence)
    {
        _admission.ThrowIfNeverFits(sequence.Request);
        int waitingCount = Interlocked.Increment(ref _waitingCount);
        try
        {
            _admission.ThrowIfQueueFull(waitingCount);
            _mailbox.Post(new WorkerCommand.Submit(sequence));
        }
        catch
        {
            Interlocked.Decrement(ref _waitingCount);
            throw;
        }
    }

    /// <exception cref="ObjectDisposedException">The worker has been stopped.</exception>
    public void Post(WorkerCommand command)
    {
        Check.That(command is not WorkerCommand.Submit);
        _mailbox.Post(command);
    }

    /// <summary>Runs one batch, if there is anything to run.</summary>
    /// <returns>False when no sequence is left.</returns>
    public bool Step()
    {
        DrainMailbox();
        if (_failure is not null)
            return false;
        if (_scheduler.TrySchedule(_batch))
        {
            Interlocked.Add(ref _waitingCount, -_scheduler.FirstAdmissionCount);
            if (TryRun())
                Apply();
            _batch.Clear();
        }
        // A leak shows when nothing runs: only the cache may hold blocks then, and nothing may lock them.
        if (!_scheduler.HasWork)
            Check.That(_pool.UsedCount == _cache.BlockCount && _cache.LockedBlockCount == 0);
        _counters.Publish(_scheduler, _pool, _cache);
        return _scheduler.HasWork;
    }

    /// <summary>Waits for the next command; for a thread that has nothing to step.</summary>
    public void WaitForCommand() => _mailbox.Wait();

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
        EndAll();
        _counters.Publish(_scheduler, _pool, _cache);
        _mailbox.Dispose();
    }

    /// <summary>
    /// This worker's own state can no longer be trusted: each of its sequences, and each one submitted from
    /// now on, ends with this error and what it has. Blocks are left as they are.
    /// </summary>
    public void Fail(Exception cause)
    {
        _failure = new(Name, cause);
        foreach (Sequence sequence in _live.ToArray())
        {
            sequence.Blocks.Clear();
            Finish(sequence, FinishReason.Error, _failure);
        }
        _batch.Clear();
    }

    private void DrainMailbox()
    {
        while (_mailbox.TryTake(out WorkerCommand? command))
        {
            switch (command)
            {
                case WorkerCommand.Submit submit:
                    Receive(submit.Sequence);
                    break;
                case WorkerCommand.Abort abort:
                    MarkAborted(abort.Sequence);
                    break;
                case WorkerCommand.AbortAll:
                    EndAll();
                    break;
                case WorkerCommand.FlushCache when _failure is null:
                    _cache.Flush();
                    break;
            }
        }
        foreach (Sequence sequence in _aborting)
            End(sequence, FinishReason.Abort);
        _aborting.Clear();
    }

    private void Receive(Sequence sequence)
    {
        sequence.Arrival = _arrivalCount++;
        _live.Add(sequence);
        if (_failure is not null)
            Finish(sequence, FinishReason.Error, _failure);
        else if (sequence.AbortRequested)
            Finish(sequence, FinishReason.Abort, error: null);
        else
            _scheduler.Add(sequence);
    }

    private void MarkAborted(Sequence sequence)
    {
        if (!sequence.AbortRequested && _live.Contains(sequence))
            _aborting.Add(sequence);
        sequence.AbortRequested = true;
    }

    private bool TryRun()
    {
        try
        {
            _runner.Start(_batch);
            _runner.Finish(_batch);
            _counters.CountStep();
            return true;
        }
        catch (Exception cause)
        {
            WorkerException error = new(Name, cause);
            foreach (Sequence sequence in _batch.Sequences)
                End(sequence, FinishReason.Error, error);
            _counters.CountFailure();
            return false;
        }
    }

    private void Apply()
    {
        for (int i = 0; i < _batch.Sequences.Length; i++)
        {
            Sequence sequence = _batch.Sequences[i];
            SliceRows rows = _batch.SliceRows[i];
            sequence.ComputedCount += _batch.Attention.Slices[i].QueryCount;
            LogProbs.StoreInput(sequence, _batch.Samples, rows);
            if (sequence.ComputedCount < sequence.TokenCount)
                continue;
            if (sequence.Phase == SequencePhase.Prefilling)
                _scheduler.FinishPrefill(sequence);
            if (rows.DrawCount > 0)
                Append(sequence, rows.FirstRow + rows.ScoreCount);
            else
                End(sequence, FinishReason.Length);
        }
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

    private void EndAll()
    {
        _aborting.Clear();
        while (_live.Count > 0 && _scheduler.Last() is { } sequence)
            End(sequence, FinishReason.Abort);
    }

    private void End(Sequence sequence, FinishReason reason, WorkerException? error = null)
    {
        _scheduler.Remove(sequence, keeps: reason != FinishReason.Error);
        Finish(sequence, reason, error);
    }

    private void Finish(Sequence sequence, FinishReason reason, WorkerException? error)
    {
        if (sequence.WasAdmitted)
            _counters.CountCached(sequence.CachedCount);
        else
            Interlocked.Decrement(ref _waitingCount);
        sequence.Times.FinishedTicks = _clock.GetTimestamp();
        sequence.Finish(reason, error);
        _live.Remove(sequence);
        _counters.CountFinished();
        sequence.Observer.OnFinished(sequence);
    }
}

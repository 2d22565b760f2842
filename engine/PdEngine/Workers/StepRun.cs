namespace PdEngine;

/// <summary>
/// Starts batches and waits for their results, oldest first: one batch at a time, or two where the second is
/// started before the results of the first are asked for. Another thread can take the worker away meanwhile:
/// one word decides whether results count. What a batch writes into stays out of use until it has ended,
/// however long that takes.
/// </summary>
internal sealed class StepRun(IModelRunner runner, KvDomain domain, TimeProvider clock)
{
    private const int Idle = 0;
    private const int Computing = 1;
    private const int Abandoned = 2;

    private readonly StartedBatch[] _batches = [new(domain), new(domain)];
    private int _oldest;
    private long _startTicks;
    private long _busySinceTicks;
    private int _state;

    /// <summary>How a call ended.</summary>
    public enum Outcome
    {
        Done,
        Failed,

        /// <summary>Its worker was taken away: nothing of it may be touched any more.</summary>
        Abandoned,
    }

    /// <summary>
    /// Batches were taken away: the worker's own thread may touch nothing of them, even if it is not marked
    /// dead yet.
    /// </summary>
    public bool IsAbandoned => Volatile.Read(ref _state) == Abandoned;

    /// <summary>Since when the runner has been starting a batch or awaiting one, in clock ticks; 0 is not
    /// now.</summary>
    public long StartTicks => Interlocked.Read(ref _startTicks);

    /// <summary>When the last batch ended, in clock ticks; for the worker's own thread.</summary>
    public long EndTicks { get; private set; }

    /// <summary>Since when there has been a batch to compute that is not yet counted in <see
    /// cref="LastTicks"/>, in clock ticks; 0 is none.</summary>
    public long BusySinceTicks => Interlocked.Read(ref _busySinceTicks);

    /// <summary>What the last batch took, less what it shared with the one before it; for the worker's own
    /// thread.</summary>
    public long LastTicks { get; private set; }

    /// <summary>Batches that are started and not finished: at most two.</summary>
    public int StartedCount { get; private set; }

    /// <summary>The one that is started next; empty until it is filled.</summary>
    public ForwardBatch Next => _batches[(_oldest + StartedCount) & 1].Batch;

    /// <summary>The one that was started last.</summary>
    public ForwardBatch Latest => _batches[(_oldest + StartedCount - 1) & 1].Batch;

    /// <summary>The one that is finished next.</summary>
    public ForwardBatch Oldest => _batches[_oldest].Batch;

    /// <summary>Starts the next batch. It counts as started even where that fails: drop all then.</summary>
    public Outcome Start(out Exception? fault)
    {
        Check.That(StartedCount < 2);
        StartedBatch started = _batches[(_oldest + StartedCount) & 1];
        if (StartedCount > 0)
            Oldest.Unmark();
        // Without running ahead nobody meets a started batch.
        if (runner.RunsAhead)
            started.Batch.Mark();
        started.Writes.Begin(started.Batch.Attention);
        StartedCount++;
        Enter();
        if (StartedCount == 1)
            Interlocked.Exchange(ref _busySinceTicks, _startTicks);
        started.IsRunning = TryRun(starts: true, started.Batch, out fault);
        return Leave(fault);
    }

    /// <summary>Waits for the results of the oldest batch, which is the caller's to clear.</summary>
    public Outcome Finish(out ForwardBatch batch, out Exception? fault)
    {
        batch = Oldest;
        Enter();
        TryRun(starts: false, batch, out fault);
        EndTicks = clock.GetTimestamp();
        LastTicks = EndTicks - _busySinceTicks;
        EndOldest();
        Interlocked.Exchange(ref _busySinceTicks, StartedCount == 0 ? 0 : EndTicks);
        Outcome outcome = Leave(fault);
        if (outcome != Outcome.Abandoned && StartedCount == 0 && runner.RunsAhead)
            batch.Unmark();
        return outcome;
    }

    /// <summary>
    /// Waits for everything that is started; nothing of it counts. False where the worker is taken away.
    /// </summary>
    public bool TryDrop()
    {
        if (IsAbandoned)
            return false;
        Enter();
        try
        {
            EndAll();
        }
        catch (InvariantException)
        {
            // Counts are wrong already: some blocks are lost.
        }
        if (Leave(fault: null) == Outcome.Abandoned)
            return false;
        foreach (StartedBatch dropped in _batches)
            dropped.Batch.Unmark();
        return true;
    }

    /// <summary>Batches that failed, or were dropped, and are not cleared.</summary>
    public IEnumerable<ForwardBatch> Dropped() =>
        _batches.Select(dropped => dropped.Batch).Where(batch => batch.TokenCount > 0);

    /// <summary>
    /// Takes what is started away from the thread that starts or awaits it; false where none does. Any
    /// thread.
    /// </summary>
    public bool TryAbandon() =>
        Interlocked.CompareExchange(ref _state, Abandoned, Computing) == Computing;

    private void Enter()
    {
        Interlocked.Exchange(ref _startTicks, clock.GetTimestamp());
        Interlocked.Exchange(ref _state, Computing);
    }

    /// <summary>What was abandoned meanwhile has to come to its end before its blocks can be used.</summary>
    private Outcome Leave(Exception? fault)
    {
        bool counts = Interlocked.CompareExchange(ref _state, Idle, Computing) == Computing;
        Interlocked.Exchange(ref _startTicks, 0);
        if (counts)
            return fault is null ? Outcome.Done : Outcome.Failed;
        EndAll();
        return Outcome.Abandoned;
    }

    private bool TryRun(bool starts, ForwardBatch batch, out Exception? fault)
    {
        fault = null;
        try
        {
            if (starts)
                runner.Start(batch);
            else
                runner.Finish(batch);
            return true;
        }
        catch (Exception cause)
        {
            fault = cause;
            return false;
        }
    }

    private void EndAll()
    {
        Interlocked.Exchange(ref _busySinceTicks, 0);
        while (StartedCount > 0)
        {
            if (_batches[_oldest].IsRunning)
                TryRun(starts: false, Oldest, out _);
            EndOldest();
        }
    }

    private void EndOldest()
    {
        StartedBatch ended = _batches[_oldest];
        _oldest ^= 1;
        StartedCount--;
        ended.IsRunning = false;
        ended.Writes.End();
    }

    private sealed class StartedBatch(KvDomain domain)
    {
        public ForwardBatch Batch { get; } = new();

        public BlockWrites Writes { get; } = new(domain);

        /// <summary>The runner has it.</summary>
        public bool IsRunning { get; set; }
    }
}

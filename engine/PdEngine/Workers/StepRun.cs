namespace PdEngine;

/// <summary>
/// Computes one batch at a time in such a way that another thread can take the worker away meanwhile: one
/// word decides whether the results count. What the batch writes into stays out of use until it has ended,
/// however long that takes.
/// </summary>
internal sealed class StepRun(IModelRunner runner, KvDomain domain, TimeProvider clock)
{
    private const int Idle = 0;
    private const int Computing = 1;
    private const int Abandoned = 2;

    private readonly BlockWrites _writes = new(domain);
    private long _startTicks;
    private int _state;

    /// <summary>How a batch ended.</summary>
    public enum Outcome
    {
        Done,
        Failed,

        /// <summary>Its worker was taken away: nothing of it may be touched any more.</summary>
        Abandoned,
    }

    /// <summary>
    /// A batch was taken away: the worker's own thread may touch nothing of it, even if it is not marked
    /// dead yet.
    /// </summary>
    public bool IsAbandoned => Volatile.Read(ref _state) == Abandoned;

    /// <summary>When the batch that is being computed was started, in clock ticks; 0 is none.</summary>
    public long StartTicks => Interlocked.Read(ref _startTicks);

    /// <summary>When the last batch ended, in clock ticks; for the worker's own thread.</summary>
    public long EndTicks { get; private set; }

    /// <summary>How long the last batch took; for the worker's own thread.</summary>
    public long LastTicks { get; private set; }

    public Outcome Run(ForwardBatch batch, out Exception? fault)
    {
        fault = null;
        _writes.Begin(batch.Attention);
        long startTicks = clock.GetTimestamp();
        Interlocked.Exchange(ref _startTicks, startTicks);
        Interlocked.Exchange(ref _state, Computing);
        try
        {
            runner.Start(batch);
            runner.Finish(batch);
        }
        catch (Exception cause)
        {
            fault = cause;
        }
        bool counts = Interlocked.CompareExchange(ref _state, Idle, Computing) == Computing;
        Interlocked.Exchange(ref _startTicks, 0);
        EndTicks = clock.GetTimestamp();
        LastTicks = EndTicks - startTicks;
        _writes.End();
        if (!counts)
            return Outcome.Abandoned;
        return fault is null ? Outcome.Done : Outcome.Failed;
    }

    /// <summary>
    /// Takes a batch away from the thread that computes it; false where none is being computed. Any thread.
    /// </summary>
    public bool TryAbandon() =>
        Interlocked.CompareExchange(ref _state, Abandoned, Computing) == Computing;
}

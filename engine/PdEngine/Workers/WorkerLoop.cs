namespace PdEngine;

/// <summary>
/// The thread that steps a worker while it has sequences and waits for commands while it has none.
/// </summary>
internal sealed class WorkerLoop
{
    /// <summary>How long the end of a step that was taken away is awaited.</summary>
    private static readonly TimeSpan HungPatience = TimeSpan.FromSeconds(1);

    /// <summary>
    /// The same of a worker that failed by itself: its thread has no step left, only sequences to place
    /// elsewhere, which takes long on a busy machine alone.
    /// </summary>
    private static readonly TimeSpan FailedPatience = TimeSpan.FromSeconds(30);

    private readonly Worker _worker;
    private readonly Thread _thread;
    private volatile bool _stopping;

    public WorkerLoop(Worker worker)
    {
        _worker = worker;
        _thread = new(Run) { Name = $"worker {worker.Name}", IsBackground = true };
        _thread.Start();
    }

    /// <summary>
    /// Lets the step in progress finish and ends the thread; false where a failed worker's step does not
    /// come back.
    /// </summary>
    public bool TryEnd()
    {
        _stopping = true;
        _worker.Close();
        if (_worker.IsDead)
            return _thread.Join(_worker.IsAbandoned ? HungPatience : FailedPatience);
        _thread.Join();
        return true;
    }

    private void Run()
    {
        while (!_stopping && !_worker.IsDead && !_worker.IsAbandoned)
        {
            if ((!StepOrFail() || _worker.IsBlocked) && !_worker.IsAbandoned)
                _worker.Wait();
        }
    }

    /// <summary>
    /// A bug of the engine takes this worker's sequences away from it; it must not end the process.
    /// </summary>
    private bool StepOrFail()
    {
        try
        {
            return _worker.Step();
        }
        catch (Exception cause)
        {
            _worker.Fail(cause);
            return true;
        }
    }
}

namespace PdEngine;

/// <summary>
/// The thread that steps a worker while it has sequences and waits for commands while it has none.
/// </summary>
internal sealed class WorkerLoop
{
    /// <summary>How long the end of a failed worker's last step is awaited.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

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
            return _thread.Join(Patience);
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

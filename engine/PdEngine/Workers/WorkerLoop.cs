namespace PdEngine;

/// <summary>
/// The thread that steps a worker while it has sequences and waits for commands while it has none.
/// </summary>
internal sealed class WorkerLoop : IDisposable
{
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
    /// Lets the step in progress finish, ends every sequence with what it has, and disposes of the worker.
    /// </summary>
    public void Dispose()
    {
        if (_stopping)
            return;
        _stopping = true;
        _worker.Close();
        _thread.Join();
        _worker.Dispose();
    }

    private void Run()
    {
        while (!_stopping)
        {
            if (!StepOrFail())
                _worker.WaitForCommand();
        }
    }

    /// <summary>
    /// A bug of the engine ends this worker's sequences with the reason; it must not end the process.
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

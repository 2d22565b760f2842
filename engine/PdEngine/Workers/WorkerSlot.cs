namespace PdEngine;

/// <summary>
/// A worker's place in a service: it outlives the worker, which can fail and be started anew.
/// </summary>
internal sealed class WorkerSlot : IDisposable
{
    private readonly Func<WorkerSlot, (Worker Worker, IDisposable Owned)> _make;
    private readonly bool _hasThread;
    private readonly Lock _ending = new();
    private volatile Worker _worker;
    private IDisposable _owned;
    private WorkerLoop? _loop;

    /// <param name="number">Stable number among the service's workers.</param>
    /// <param name="name">Its name.</param>
    /// <param name="role">What it does.</param>
    /// <param name="make">Makes the worker, and what has to be disposed of with it.</param>
    /// <param name="hasThread">A thread steps it; else the owner does.</param>
    public WorkerSlot(
        int number, string name, WorkerType role,
        Func<WorkerSlot, (Worker Worker, IDisposable Owned)> make, bool hasThread)
    {
        Number = number;
        Name = name;
        Role = role;
        _make = make;
        _hasThread = hasThread;
        (_worker, _owned) = make(this);
    }

    public int Number { get; }

    public string Name { get; }

    public WorkerType Role { get; }

    /// <summary>The worker of now.</summary>
    public Worker Worker => _worker;

    /// <summary>
    /// A step of it has never come back: what it computes with may not be given back before the process
    /// ends.
    /// </summary>
    public bool HasLostThread { get; private set; }

    /// <summary>Starts stepping it.</summary>
    public void Start()
    {
        if (_hasThread)
            _loop = new(_worker);
    }

    /// <summary>Puts a new worker in the place of one that has failed.</summary>
    /// <param name="routing">
    /// Held for the change alone: the failed worker's thread may need it to place its sequences before it
    /// ends.
    /// </param>
    /// <param name="swapping">Held while the new one is made.</param>
    /// <exception cref="InvalidOperationException">It has not failed.</exception>
    public void Restart(Lock routing, Lock swapping)
    {
        lock (_ending)
        {
            if (!_worker.IsDead)
            {
                throw new InvalidOperationException(
                    $"worker '{Name}' is alive; only a failed one is restarted");
            }
            Stop();
            lock (swapping)
            {
                (Worker worker, IDisposable owned) = _make(this);
                lock (routing)
                    (_worker, _owned) = (worker, owned);
            }
            Start();
        }
    }

    public void Dispose()
    {
        lock (_ending)
            Stop();
    }

    private void Stop()
    {
        // A thread that hangs in a step still uses what the worker owns: both are left to it.
        bool ended = _loop?.TryEnd() ?? true;
        if (!ended)
        {
            HasLostThread = true;
            return;
        }
        _worker.Dispose();
        _owned.Dispose();
    }
}

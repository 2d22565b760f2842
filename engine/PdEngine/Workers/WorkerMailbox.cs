using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;

namespace PdEngine;

/// <summary>Commands on their way to a worker: any thread posts, the worker's thread takes.</summary>
internal sealed class WorkerMailbox : IDisposable
{
    private readonly ConcurrentQueue<WorkerCommand> _commands = new();
    private readonly AutoResetEvent _arrived = new(initialState: false);
    private readonly Lock _gate = new();
    private bool _closed;

    /// <exception cref="ObjectDisposedException">The worker has been stopped.</exception>
    public void Post(WorkerCommand command)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_closed, this);
            _commands.Enqueue(command);
            _arrived.Set();
        }
    }

    public bool TryTake([MaybeNullWhen(false)] out WorkerCommand command) =>
        _commands.TryDequeue(out command);

    /// <summary>Waits until something is posted or the mailbox is closed.</summary>
    public void Wait() => _arrived.WaitOne();

    /// <summary>Takes no more commands; those already posted can still be taken.</summary>
    public void Close()
    {
        lock (_gate)
        {
            _closed = true;
            _arrived.Set();
        }
    }

    public void Dispose() => _arrived.Dispose();
}

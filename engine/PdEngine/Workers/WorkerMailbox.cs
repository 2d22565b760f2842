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

    /// <summary>False when the worker takes no more.</summary>
    public bool TryPost(WorkerCommand command)
    {
        lock (_gate)
        {
            if (_closed)
                return false;
            _commands.Enqueue(command);
            _arrived.Set();
            return true;
        }
    }

    /// <summary>The next command, which stays; for the worker's thread.</summary>
    public bool TryPeek([MaybeNullWhen(false)] out WorkerCommand command) =>
        _commands.TryPeek(out command);

    /// <summary>Takes the command that <see cref="TryPeek"/> showed.</summary>
    public void Take() => Check.That(_commands.TryDequeue(out _));

    /// <summary>Waits until something is posted or the mailbox is closed.</summary>
    public void Wait() => _arrived.WaitOne();

    /// <summary>The same, but for so long at most.</summary>
    public void Wait(TimeSpan timeout) => _arrived.WaitOne(timeout);

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

using System.Threading.Tasks.Sources;

namespace PdEngine.Host;

/// <summary>A stream's place in the pace; nothing holds its last event up.</summary>
internal sealed class PaceTurn : IValueTaskSource, IDisposable
{
    private readonly EventPace _pace;
    private readonly Task _end;
    private ManualResetValueTaskSourceCore<bool> _core;
    private int _isWaiting;

    /// <param name="pace">Whose.</param>
    /// <param name="end">Of the stream.</param>
    public PaceTurn(EventPace pace, Task end)
    {
        (_pace, _end) = (pace, end);
        end.ConfigureAwait(false).GetAwaiter().UnsafeOnCompleted(GoOn);
    }

    /// <summary>Ends when the stream may send its next event; one at a time.</summary>
    public ValueTask NextAsync()
    {
        TimeSpan wait = _pace.Wait;
        if (wait == TimeSpan.Zero || _end.IsCompleted)
            return ValueTask.CompletedTask;
        _core.Reset();
        ValueTask next = new(this, _core.Version);
        Volatile.Write(ref _isWaiting, 1);
        _pace.Add(this, wait);
        // The end may have looked before there was anybody who waits.
        if (_end.IsCompleted)
            GoOn();
        return next;
    }

    /// <summary>What waits runs on, on this thread; nothing happens where nobody does.</summary>
    public void GoOn()
    {
        if (Interlocked.Exchange(ref _isWaiting, 0) == 1)
            _core.SetResult(true);
    }

    public void Dispose() => _pace.Leave();

    void IValueTaskSource.GetResult(short token) => _core.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _core.GetStatus(token);

    void IValueTaskSource.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);
}

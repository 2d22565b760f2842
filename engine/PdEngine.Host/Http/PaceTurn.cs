using System.Threading.Tasks.Sources;

namespace PdEngine.Host;

/// <summary>A stream's place in the pace.</summary>
/// <param name="pace">Whose.</param>
internal sealed class PaceTurn(EventPace pace) : IValueTaskSource, IDisposable
{
    private ManualResetValueTaskSourceCore<bool> _core;

    /// <summary>Ends when the stream may send its next event; one at a time.</summary>
    public ValueTask NextAsync()
    {
        TimeSpan wait = pace.Wait;
        if (wait == TimeSpan.Zero)
            return ValueTask.CompletedTask;
        _core.Reset();
        ValueTask next = new(this, _core.Version);
        pace.Add(this, wait);
        return next;
    }

    /// <summary>What waits runs on, on this thread.</summary>
    public void GoOn() => _core.SetResult(true);

    public void Dispose() => pace.Leave();

    void IValueTaskSource.GetResult(short token) => _core.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _core.GetStatus(token);

    void IValueTaskSource.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);
}

namespace PdEngine.Host;

/// <summary>
/// How a service has fared, a sample a second, taken when somebody looks and not otherwise.
/// </summary>
internal sealed class LoadHistory(Func<LoadSample> take, TimeProvider clock)
{
    public const int Capacity = 300;

    /// <summary>Between samples that belong together.</summary>
    public const long GapMs = 4000;

    private const long PeriodMs = 900;
    private readonly Lock _gate = new();
    private readonly Queue<LoadSample> _samples = new(Capacity);
    private LoadSample? _last;

    /// <summary>Takes one where the last is old enough; many that look cost no more than one.</summary>
    public void Look()
    {
        lock (_gate)
        {
            long nowMs = clock.GetUtcNow().ToUnixTimeMilliseconds();
            // A clock that was set back must not stop it.
            if (_last is { } last && Math.Abs(nowMs - last.TimeMs) < PeriodMs)
                return;
            if (_samples.Count == Capacity)
                _samples.Dequeue();
            _samples.Enqueue(_last = take());
        }
    }

    /// <summary>All that are kept, in order.</summary>
    public LoadSample[] ToArray()
    {
        lock (_gate)
            return [.. _samples];
    }
}

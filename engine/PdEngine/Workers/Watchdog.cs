namespace PdEngine;

/// <summary>
/// Looks for workers whose step does not come back, and takes their sequences away from them: those are
/// computed anew elsewhere.
/// </summary>
internal sealed class Watchdog : IDisposable
{
    private readonly IReadOnlyList<WorkerSlot> _slots;
    private readonly TimeProvider _clock;
    private ITimer? _timer;

    public Watchdog(IReadOnlyList<WorkerSlot> slots, TimeProvider clock)
    {
        _slots = slots;
        _clock = clock;
    }

    /// <summary>Looks from now on, several times within the shortest patience of a worker.</summary>
    public void Start()
    {
        TimeSpan period = _slots.Min(slot => slot.Worker.Patience) / 4;
        _timer = _clock.CreateTimer(_ => Look(), null, period, period);
    }

    /// <summary>Looks once.</summary>
    public void Look()
    {
        foreach (WorkerSlot slot in _slots)
        {
            Worker worker = slot.Worker;
            long start = worker.StepStartTicks;
            if (worker.IsDead || start == 0)
                continue;
            TimeSpan elapsed = _clock.GetElapsedTime(start, _clock.GetTimestamp());
            if (elapsed > worker.Patience)
            {
                worker.TryAbandon(new TimeoutException(
                    $"its step has run for {elapsed.TotalSeconds:F1} s, over the "
                    + $"{worker.Patience.TotalSeconds} s of watchdog_timeout; {StateDump.Of(_slots)}"));
            }
        }
    }

    public void Dispose() => _timer?.Dispose();
}

namespace PdEngine;

/// <summary>
/// A number that threads wait for a change of: they watch it for about 50 us, longer than ranks in step are
/// apart, then sleep. Nothing is allocated.
/// </summary>
internal sealed class WaitWord
{
    private const int Looks = 100;
    private const int PausesPerLook = 15;

    private readonly object _sleep = new();
    private int _value;
    private int _sleepers;

    public int Value => Volatile.Read(ref _value);

    /// <summary>Changes the number and wakes whoever waits.</summary>
    public void Advance()
    {
        Interlocked.Increment(ref _value);
        if (Volatile.Read(ref _sleepers) == 0)
            return;
        lock (_sleep)
            Monitor.PulseAll(_sleep);
    }

    /// <summary>Returns once the number is another than <paramref name="seen"/>.</summary>
    public void WaitWhile(int seen)
    {
        for (int look = 0; look < Looks; look++)
        {
            if (Value != seen)
                return;
            Thread.SpinWait(PausesPerLook);
        }
        lock (_sleep)
        {
            // Counted before the last look: whoever changes the number after it finds a sleeper.
            Interlocked.Increment(ref _sleepers);
            while (Value == seen)
                Monitor.Wait(_sleep);
            Interlocked.Decrement(ref _sleepers);
        }
    }
}

namespace PdEngine.Tests;

/// <summary>
/// Makes whoever asks for the time wait, a worker twice at every step: while it is slow, a long request does
/// not end before a test has done what it does beside one.
/// </summary>
internal sealed class SlowClock : TimeProvider
{
    private static readonly TimeSpan Wait = TimeSpan.FromMilliseconds(10);

    private volatile bool _isSlow = true;

    /// <summary>From here on it is a clock like any other.</summary>
    public void Release() => _isSlow = false;

    /// <summary>It is slow again.</summary>
    public void Slow() => _isSlow = true;

    public override long GetTimestamp()
    {
        if (_isSlow)
            Thread.Sleep(Wait);
        return base.GetTimestamp();
    }
}

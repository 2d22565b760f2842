namespace PdEngine.Bench;

/// <summary>Opens when every stream has made so many tokens.</summary>
internal sealed class TokenGate(int streams, int tokens)
{
    // The opener's thread is a stream's reader: what waits at the gate must not hold it up.
    private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly int[] _counts = new int[streams];
    private int _short = streams;

    public Task Reached => _reached.Task;

    /// <summary>Counts tokens of a stream; each stream has one caller at a time.</summary>
    public void Add(int stream, int count)
    {
        int before = _counts[stream];
        _counts[stream] += count;
        if (before < tokens && before + count >= tokens && Interlocked.Decrement(ref _short) == 0)
            _reached.SetResult();
    }
}

namespace PdEngine;

/// <summary>Counts the workers that have acted on a command, or never will, and says when all have.</summary>
internal sealed class Rendezvous(int count, Action onAll)
{
    private int _left = count;

    /// <summary>One more has; any thread. The last one tells, on its own thread.</summary>
    public void Arrive()
    {
        int left = Interlocked.Decrement(ref _left);
        Check.That(left >= 0);
        if (left == 0)
            onAll();
    }
}

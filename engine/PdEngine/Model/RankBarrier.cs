namespace PdEngine;

/// <summary>
/// Where the ranks of a step meet: what each wrote before is seen by all after. A rank that fails breaks it,
/// and nobody waits for that rank.
/// </summary>
/// <param name="rankCount">How many meet.</param>
internal sealed class RankBarrier(int rankCount)
{
    private readonly WaitWord _turn = new();
    private volatile bool _isBroken;
    private int _arrived;

    /// <summary>A rank has failed, and not all have left.</summary>
    public bool IsBroken => _isBroken;

    /// <summary>Waits for all ranks.</summary>
    /// <exception cref="BackendException">One of them has failed.</exception>
    public void Meet()
    {
        // The turn is read before the break is looked for: a break in between changes it.
        int turn = _turn.Value;
        ThrowIfBroken();
        if (Interlocked.Increment(ref _arrived) == rankCount)
        {
            _arrived = 0;
            _turn.Advance();
            return;
        }
        _turn.WaitWhile(turn);
        ThrowIfBroken();
    }

    /// <summary>Sends all who wait, or come to wait, away with an exception.</summary>
    public void Break()
    {
        _isBroken = true;
        _turn.Advance();
    }

    /// <summary>Makes it whole again, once no rank is at it.</summary>
    public void Mend()
    {
        _arrived = 0;
        _isBroken = false;
    }

    private void ThrowIfBroken()
    {
        if (_isBroken)
            throw new BackendException("Another rank of this step has failed.");
    }
}

namespace PdEngine;

/// <summary>What one sequence holds of a pool: its blocks, its locked prefix, and whom they are charged
/// to.</summary>
internal sealed class KvHold
{
    /// <summary>KV blocks in order of position.</summary>
    public BlockTable Blocks { get; } = new();

    /// <summary>Keeps the part of <see cref="Blocks"/> that the prefix cache holds from eviction.</summary>
    public PrefixLock Prefix { get; set; }

    /// <summary>Blocks of it that another domain copies; null where none does.</summary>
    public KvLoan? Loan { get; set; }

    /// <summary>
    /// Number of the weights with which its K and V were begun. Where those of now are others, what is
    /// computed on becomes a mixture, which nobody else may be given.
    /// </summary>
    public int Epoch { get; set; }

    /// <summary>What its blocks are charged to: at first the quota of the worker that took them.</summary>
    public KvQuota? Quota { get; private set; }

    /// <summary>Blocks that are charged.</summary>
    public int ChargedCount { get; private set; }

    /// <summary>Charges further blocks.</summary>
    public void Charge(KvQuota quota, int blockCount)
    {
        Check.That(Quota is null || Quota == quota);
        Quota = quota;
        ChargedCount += blockCount;
        quota.ChargedBlocks += blockCount;
    }

    /// <summary>Moves the whole charge to another quota, or away.</summary>
    public void ChargeTo(KvQuota? quota)
    {
        if (Quota is not null)
            Quota.ChargedBlocks -= ChargedCount;
        Quota = quota;
        if (quota is not null)
            quota.ChargedBlocks += ChargedCount;
        else
            ChargedCount = 0;
    }
}

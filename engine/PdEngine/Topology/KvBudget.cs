namespace PdEngine;

/// <summary>
/// How many blocks a service's KV pools get, one pool a memory domain. A device's memory is an even part of
/// what the host has free.
/// </summary>
/// <remarks>
/// A worker may take its quota (max_total_tokens); without one its mem_fraction_static of its devices'
/// memory; without either a quarter of what its devices have free, which is touched only as it fills. A
/// pool is the sum over its workers, and never more than their mem_fraction_static leaves beside the
/// weights.
/// </remarks>
internal sealed record KvBudget
{
    /// <summary>Share of free memory that a pool takes where nobody said how much.</summary>
    private const double DefaultPoolShare = 0.25;

    /// <summary>Bytes that all devices share: what was free before any weights were loaded.</summary>
    public required long MemoryBytes { get; init; }

    /// <summary>Devices of the whole plan, other services' and reserved ones included.</summary>
    public required int DeviceCount { get; init; }

    /// <summary>Bytes of the service's weights.</summary>
    public required long WeightBytes { get; init; }

    /// <summary>Bytes of a block over all layers and heads.</summary>
    public required long BlockBytes { get; init; }

    /// <summary>Positions per block.</summary>
    public required int PageSize { get; init; }

    /// <summary>mem_fraction_static of workers that have none of their own.</summary>
    public required double MemFractionStatic { get; init; }

    private double DeviceBytes => (double)MemoryBytes / DeviceCount;

    /// <summary>Blocks of the one pool that all these workers share.</summary>
    /// <exception cref="BackendException">It does not fit, with the numbers.</exception>
    public int Blocks(IReadOnlyList<KvShare> workers) =>
        Blocks((IReadOnlyList<IReadOnlyList<KvShare>>)[workers])[0];

    /// <summary>Blocks of each pool; the weights are charged to the pools by their devices.</summary>
    /// <param name="pools">The workers of each pool, one worker at least.</param>
    /// <exception cref="BackendException">One does not fit, with the numbers.</exception>
    public int[] Blocks(IReadOnlyList<IReadOnlyList<KvShare>> pools)
    {
        Check.That(DeviceCount > 0 && BlockBytes > 0 && PageSize > 0 && pools.All(pool => pool.Count > 0));
        double devices = pools.Sum(pool => pool.Sum(worker => worker.DeviceCount));
        return [.. pools.Select(pool => PoolBlocks(
            pool, WeightBytes * pool.Sum(worker => worker.DeviceCount) / devices))];
    }

    private int PoolBlocks(IReadOnlyList<KvShare> workers, double weightBytes)
    {
        double staticBytes = workers.Sum(StaticBytes);
        double allowed = staticBytes - weightBytes;
        double quotas = workers.Sum(QuotaBytes);
        double rest = workers.Where(worker => worker.MaxTotalTokens is null).Sum(DefaultBytes);
        double wanted = quotas + Math.Min(rest, Math.Max(0, allowed - quotas));
        if (wanted > allowed || wanted < BlockBytes)
        {
            throw new BackendException($"The KV cache needs {Shown.Bytes(Math.Max(wanted, BlockBytes))}; "
                + $"{Shown.Bytes(Math.Max(0, allowed))} may be taken beside {Shown.Bytes(weightBytes)} of "
                + $"weights, since mem_fraction_static allows {Shown.Bytes(staticBytes)} on "
                + $"{workers.Sum(worker => worker.DeviceCount)} of {DeviceCount} devices, which share "
                + $"{Shown.Bytes(MemoryBytes)}. Lower max_total_tokens or raise mem_fraction_static.");
        }
        return (int)Math.Min(int.MaxValue / PageSize, Math.Floor(wanted / BlockBytes));
    }

    private double StaticBytes(KvShare worker) =>
        (worker.MemFractionStatic ?? MemFractionStatic) * worker.DeviceCount * DeviceBytes;

    private double QuotaBytes(KvShare worker) => worker.MaxTotalTokens is { } tokens
        ? (double)(((long)tokens + PageSize - 1) / PageSize) * BlockBytes : 0;

    private double DefaultBytes(KvShare worker) => worker.MemFractionStatic is not null
        ? StaticBytes(worker)
        : Math.Min(StaticBytes(worker), DefaultPoolShare * Math.Max(0, MemoryBytes - WeightBytes)
            * worker.DeviceCount / DeviceCount);
}

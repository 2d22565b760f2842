namespace PdEngine;

/// <summary>The devices of an engine, all of one kind. Each is driven by its own thread.</summary>
/// <param name="devices">Owned, but where they have an owner.</param>
/// <param name="notice">What whoever asked for them should know; null is nothing.</param>
/// <param name="owner">Disposes of them, and of what they share.</param>
/// <param name="more">What there is to know besides.</param>
internal sealed class DeviceSet(
    IReadOnlyList<IBackend> devices, string? notice, IDisposable? owner = null,
    IReadOnlyList<string>? more = null) : IDisposable
{
    public IReadOnlyList<IBackend> Devices { get; } = devices;

    /// <summary>What whoever asked for these devices should know; null is nothing.</summary>
    public string? Notice { get; } = notice;

    /// <summary>The same and what there is to know besides, a line each.</summary>
    public IReadOnlyList<string> Notices => Notice is null ? More : [Notice, .. More];

    private IReadOnlyList<string> More { get; } = more ?? [];

    /// <summary>
    /// Tiles that cores of one device have computed of another's ops so far; any thread may ask.
    /// </summary>
    public long LentTiles
    {
        get
        {
            long tiles = 0;
            foreach (IBackend device in Devices)
                tiles += (device as CpuBackend)?.LentTiles ?? 0;
            return tiles;
        }
    }

    /// <summary>The same devices with something more to know.</summary>
    public DeviceSet With(string first) =>
        new(Devices, Notice is null ? first : $"{first}; {Notice}", owner, More);

    /// <summary>The same devices with one more line to know.</summary>
    public DeviceSet Noting(string line) => new(Devices, Notice, owner, [.. More, line]);

    /// <summary>
    /// Bytes free in all memories together, so counted that an even part for each device is there for it.
    /// </summary>
    public long FreeBytes()
    {
        double least = double.PositiveInfinity;
        foreach (IGrouping<MemoryDomain, IBackend> memory in Devices.GroupBy(device => device.Memory))
            least = Math.Min(least, (double)memory.First().FreeBytes / memory.Count());
        return (long)(least * Devices.Count);
    }

    public void Dispose()
    {
        if (owner is not null)
        {
            owner.Dispose();
            return;
        }
        foreach (IBackend device in Devices)
            device.Dispose();
    }
}

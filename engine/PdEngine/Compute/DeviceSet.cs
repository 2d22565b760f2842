namespace PdEngine;

/// <summary>The devices of an engine, all of one kind. Each is driven by its own thread.</summary>
internal sealed class DeviceSet(IReadOnlyList<IBackend> devices, string? notice) : IDisposable
{
    public IReadOnlyList<IBackend> Devices { get; } = devices;

    /// <summary>What whoever asked for these devices should know; null is nothing.</summary>
    public string? Notice { get; } = notice;

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

    public void Dispose()
    {
        foreach (IBackend device in Devices)
            device.Dispose();
    }
}

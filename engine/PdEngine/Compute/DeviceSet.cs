namespace PdEngine;
internal sealed class DeviceSet : IDisposable
{
    public required IReadOnlyList<IBackend> Devices { get; init; }
    public string? Notice { get; init; }
    public void Dispose() { foreach (IBackend b in Devices) b.Dispose(); }
}

using System.Runtime.InteropServices;

namespace PdEngine.Bench;

/// <summary>
/// Clocks, heat and what holds the clocks back, from NVIDIA's management library where it is. It only reads.
/// </summary>
internal sealed unsafe class ClockReading : IDisposable
{
    private const uint Multiprocessors = 1, Memory = 2;

    private readonly nint _library;
    private readonly nint _device;

    /// <param name="ordinal">Of the GPU.</param>
    /// <param name="isReal">Whether there is a GPU at all.</param>
    public ClockReading(int ordinal, bool isReal)
    {
        if (!isReal || !NativeLibrary.TryLoad("libnvidia-ml.so.1", out _library))
            return;
        var start = (delegate* unmanaged<int>)Find("nvmlInit_v2");
        var open = (delegate* unmanaged<uint, nint*, int>)Find("nvmlDeviceGetHandleByIndex_v2");
        nint device = 0;
        if (start != null && open != null && start() == 0 && open((uint)ordinal, &device) == 0)
            _device = device;
    }

    /// <summary>Adds what can be read to a row.</summary>
    public CheckRow AddTo(CheckRow row)
    {
        if (_device == 0)
            return row;
        var clock = (delegate* unmanaged<nint, uint, uint*, int>)Find("nvmlDeviceGetClockInfo");
        var reasons = (delegate* unmanaged<nint, ulong*, int>)Find(
            "nvmlDeviceGetCurrentClocksThrottleReasons");
        var power = (delegate* unmanaged<nint, uint*, int>)Find("nvmlDeviceGetPowerUsage");
        uint value = 0;
        ulong held = 0;
        if (clock != null && clock(_device, Multiprocessors, &value) == 0)
            row.With("sm_mhz", value);
        if (clock != null && clock(_device, Memory, &value) == 0)
            row.With("memory_mhz", value);
        if (power != null && power(_device, &value) == 0)
            row.With("watts", value / 1e3);
        if (reasons != null && reasons(_device, &held) == 0)
            row.With("throttle_bits", held);
        return row;
    }

    public void Dispose()
    {
        if (_device != 0 && Find("nvmlShutdown") is var end && end != null)
            ((delegate* unmanaged<int>)end)();
    }

    private void* Find(string name) =>
        NativeLibrary.TryGetExport(_library, name, out nint address) ? (void*)address : null;
}

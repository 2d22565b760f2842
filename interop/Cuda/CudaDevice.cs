using System.Text;

namespace PdEngine.Interop;

/// <summary>What a GPU is.</summary>
/// <param name="Ordinal">As the driver counts.</param>
/// <param name="Handle">As the driver's calls take it.</param>
/// <param name="Name">As its maker calls it.</param>
/// <param name="Capability">Compute capability, for example 90 for 9.0.</param>
/// <param name="ProcessorCount">Streaming multiprocessors.</param>
/// <param name="SharedBytesPerBlock">Most shared memory of a thread block.</param>
/// <param name="TotalBytes">All of its memory.</param>
internal sealed record CudaDevice(
    int Ordinal, int Handle, string Name, int Capability, int ProcessorCount, int SharedBytesPerBlock,
    long TotalBytes)
{
    private const int MultiprocessorCount = 16;
    private const int CapabilityMajor = 75;
    private const int CapabilityMinor = 76;
    private const int SharedBytesOptIn = 97;
    private const int VirtualMemory = 102;

    /// <exception cref="CudaException">
    /// There is no such GPU, or it cannot map memory into a range of addresses.
    /// </exception>
    public static unsafe CudaDevice Open(CudaDriver driver, int ordinal)
    {
        if (ordinal < 0 || ordinal >= driver.DeviceCount)
        {
            throw new CudaException(
                CudaResult.InvalidDevice,
                $"There is no GPU {ordinal}: {driver.Path} has {driver.DeviceCount}, counted from 0.");
        }
        CudaApi api = driver.Api;
        int handle = 0;
        driver.ThrowIfFailed(api.cuDeviceGet(&handle, ordinal));
        const int capacity = 128;
        byte* name = stackalloc byte[capacity];
        driver.ThrowIfFailed(api.cuDeviceGetName(name, capacity, handle));
        ReadOnlySpan<byte> text = new(name, capacity);
        int length = text.IndexOf((byte)0);
        nuint bytes = 0;
        driver.ThrowIfFailed(api.cuDeviceTotalMem(&bytes, handle));
        if (Attribute(driver, handle, VirtualMemory) == 0)
        {
            throw new CudaException(
                CudaResult.NotSupported, $"GPU {ordinal} cannot manage virtual memory, which the KV cache "
                + "needs; a GPU of compute capability 8.0 or more can.");
        }
        return new(
            ordinal, handle, Encoding.UTF8.GetString(text[..Math.Max(0, length)]),
            (Attribute(driver, handle, CapabilityMajor) * 10) + Attribute(driver, handle, CapabilityMinor),
            Attribute(driver, handle, MultiprocessorCount), Attribute(driver, handle, SharedBytesOptIn),
            (long)bytes);
    }

    /// <summary>Whether its kernels can reach memory of another GPU, where it is given access.</summary>
    public unsafe bool CanReach(CudaDriver driver, CudaDevice peer)
    {
        if (peer.Handle == Handle)
            return true;
        int can = 0;
        driver.ThrowIfFailed(driver.Api.cuDeviceCanAccessPeer(&can, Handle, peer.Handle));
        return can != 0;
    }

    private static unsafe int Attribute(CudaDriver driver, int handle, int attribute)
    {
        int value = 0;
        driver.ThrowIfFailed(driver.Api.cuDeviceGetAttribute(&value, attribute, handle));
        return value;
    }
}

namespace PdEngine;

/// <summary>Working memory of a backend's ops; it grows by doubling and never shrinks.</summary>
internal sealed unsafe class CpuScratch : IDisposable
{
    private HostBuffer _buffer = HostBuffer.Allocate(1 << 16);

    /// <summary>At least this many bytes, 64-byte aligned; what they held before is lost.</summary>
    public void* Require(long bytes)
    {
        if (bytes > _buffer.Bytes)
        {
            long grown = Math.Max(bytes, _buffer.Bytes * 2);
            _buffer.Dispose();
            _buffer = HostBuffer.Allocate(grown);
        }
        return (void*)_buffer.Address;
    }

    public void Dispose() => _buffer.Dispose();
}

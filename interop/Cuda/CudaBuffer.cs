namespace PdEngine.Interop;

/// <summary>
/// Memory of one GPU that only it reaches. Giving it back waits for the GPU to have nothing left to do.
/// </summary>
internal sealed unsafe class CudaBuffer : CudaHandle
{
    /// <exception cref="CudaException">There is not so much left.</exception>
    public CudaBuffer(CudaContext context, long bytes)
        : base(context)
    {
        Bytes = bytes;
        context.MakeCurrent();
        ulong made = 0;
        Own(Api.cuMemAlloc(&made, (nuint)bytes), (nint)made, $"cuMemAlloc of {bytes} bytes");
    }

    public long Bytes { get; }

    /// <summary>On the device.</summary>
    public ulong First => (ulong)handle;

    private protected override CudaResult Free(nint owned) => Api.cuMemFree((ulong)owned);
}

namespace PdEngine.Interop;

/// <summary>Host memory that a GPU copies from and to while the host does other things.</summary>
internal sealed unsafe class PinnedBuffer : CudaHandle
{
    private const uint Portable = 1;

    /// <exception cref="CudaException">The host has not so much left.</exception>
    public PinnedBuffer(CudaContext context, long bytes)
        : base(context)
    {
        Bytes = bytes;
        context.MakeCurrent();
        void* made = null;
        Own(Api.cuMemHostAlloc(&made, (nuint)bytes, Portable), (nint)made,
            $"cuMemHostAlloc of {bytes} bytes");
    }

    public long Bytes { get; }

    public byte* First => (byte*)handle;

    private protected override CudaResult Free(nint owned) => Api.cuMemFreeHost((void*)owned);
}

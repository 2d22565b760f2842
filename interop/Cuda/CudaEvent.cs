namespace PdEngine.Interop;

/// <summary>A point in a stream of its own context that others can wait for.</summary>
internal sealed unsafe class CudaEvent : CudaHandle
{
    private const uint NoTiming = 2;

    /// <param name="context">Of the streams that record it.</param>
    /// <param name="isTimed">Whether <see cref="MillisecondsSince"/> may be asked.</param>
    public CudaEvent(CudaContext context, bool isTimed = false)
        : base(context)
    {
        context.MakeCurrent();
        nint made = 0;
        Own(Api.cuEventCreate(&made, isTimed ? 0 : NoTiming), made, "cuEventCreate");
    }

    /// <summary>Whether what it recorded last has run.</summary>
    public bool IsDone
    {
        get
        {
            CudaResult result = Api.cuEventQuery(handle);
            if (result != CudaResult.NotReady)
                Context.Driver.ThrowIfFailed(result, "cuEventQuery");
            return result == CudaResult.Success;
        }
    }

    /// <summary>From now on it stands for the end of what is on the stream now.</summary>
    public void Record(CudaStream stream) =>
        Context.Driver.ThrowIfFailed(Api.cuEventRecord(handle, stream.Address));

    /// <summary>Blocks the thread until what it recorded last has run.</summary>
    public void Synchronize() => Context.Driver.ThrowIfFailed(Api.cuEventSynchronize(handle));

    public float MillisecondsSince(CudaEvent start)
    {
        float milliseconds = 0;
        Context.Driver.ThrowIfFailed(Api.cuEventElapsedTime(&milliseconds, start.Address, handle));
        return milliseconds;
    }

    private protected override CudaResult Free(nint owned) => Api.cuEventDestroy(owned);
}

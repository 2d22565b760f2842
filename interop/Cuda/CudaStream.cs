namespace PdEngine.Interop;

/// <summary>A queue of work of one GPU; what is put on it runs in order, and later than the call.</summary>
internal sealed unsafe class CudaStream : CudaHandle
{
    private const uint NonBlocking = 1;
    private const int ThreadLocal = 1;

    public CudaStream(CudaContext context)
        : base(context)
    {
        context.MakeCurrent();
        nint made = 0;
        Own(Api.cuStreamCreate(&made, NonBlocking), made, "cuStreamCreate");
    }

    /// <summary>A stream that runs on a part of the GPU's multiprocessors.</summary>
    public CudaStream(CudaPartition partition)
        : base(partition.Context)
    {
        Context.MakeCurrent();
        nint made = 0;
        Own(
            Api.cuGreenCtxStreamCreate(&made, partition.Address, NonBlocking, 0), made,
            "cuGreenCtxStreamCreate");
    }

    /// <summary>Waits until all that was put on it has run.</summary>
    public void Synchronize() => Check(Api.cuStreamSynchronize(handle));

    /// <summary>What comes after runs after what the event has recorded.</summary>
    public void WaitFor(CudaEvent recorded) => Check(Api.cuStreamWaitEvent(handle, recorded.Address, 0));

    /// <summary>The target has the source's bytes once this has run.</summary>
    /// <param name="target">Device memory.</param>
    /// <param name="source">Host memory: pinned, and not written to before the copy has run.</param>
    /// <param name="bytes">How many.</param>
    public void CopyToDevice(ulong target, void* source, long bytes) =>
        Check(Api.cuMemcpyHtoDAsync(target, source, (nuint)bytes, handle));

    /// <summary>The same out of the device.</summary>
    public void CopyToHost(void* target, ulong source, long bytes) =>
        Check(Api.cuMemcpyDtoHAsync(target, source, (nuint)bytes, handle));

    /// <summary>A copy between two places that the stream's GPU can reach.</summary>
    public void Copy(ulong target, ulong source, long bytes) =>
        Check(Api.cuMemcpyDtoDAsync(target, source, (nuint)bytes, handle));

    /// <summary>A copy between the memories of two GPUs, which need not reach each other's.</summary>
    public void CopyPeer(
        CudaContext targetContext, ulong target, CudaContext sourceContext, ulong source, long bytes) =>
        Check(Api.cuMemcpyPeerAsync(
            target, targetContext.Address, source, sourceContext.Address, (nuint)bytes, handle));

    /// <summary>
    /// Many copies between places that the stream's GPU can reach, in no order among themselves: as one call
    /// where the driver has it.
    /// </summary>
    public void CopyBatch(ReadOnlySpan<ulong> targets, ReadOnlySpan<ulong> sources, ReadOnlySpan<nuint> bytes)
    {
        if (Api.cuMemcpyBatchAsync == null && Api.cuMemcpyBatchAsync12 == null)
        {
            for (int i = 0; i < targets.Length; i++)
                Copy(targets[i], sources[i], (long)bytes[i]);
            return;
        }
        CudaCopyAttributes attributes = new();
        nuint start = 0, failed = 0, count = (nuint)targets.Length;
        fixed (ulong* to = targets, from = sources)
        fixed (nuint* sizes = bytes)
        {
            if (Api.cuMemcpyBatchAsync != null)
                Check(Api.cuMemcpyBatchAsync(to, from, sizes, count, &attributes, &start, 1, handle));
            else
                Check(Api.cuMemcpyBatchAsync12(
                    to, from, sizes, count, &attributes, &start, 1, &failed, handle));
        }
    }

    /// <summary>Sets every byte.</summary>
    public void Fill(ulong target, byte value, long bytes) =>
        Check(Api.cuMemsetD8Async(target, value, (nuint)bytes, handle));

    /// <summary>Runs a kernel whose one parameter is a struct, taken as it is at the call.</summary>
    public void Launch<T>(
        CudaFunction function, CudaExtent grid, CudaExtent block, int sharedBytes, in T arguments)
        where T : unmanaged
    {
        fixed (T* first = &arguments)
            Launch(function, grid, block, sharedBytes, first);
    }

    /// <inheritdoc cref="Launch{T}"/>
    public void Launch(
        CudaFunction function, CudaExtent grid, CudaExtent block, int sharedBytes, void* arguments) =>
        Check(Api.cuLaunchKernel(
            function.Address, (uint)grid.X, (uint)grid.Y, (uint)grid.Z, (uint)block.X, (uint)block.Y,
            (uint)block.Z, (uint)sharedBytes, handle, &arguments, null));

    /// <summary>
    /// The same, but its blocks may start while the kernel before it on this stream still runs: a kernel that
    /// waits by itself for that one to end.
    /// </summary>
    public void LaunchEarly(
        CudaFunction function, CudaExtent grid, CudaExtent block, int sharedBytes, void* arguments)
    {
        CudaEarlyStart attribute = new();
        CudaLaunch launch = new()
        {
            GridX = (uint)grid.X, GridY = (uint)grid.Y, GridZ = (uint)grid.Z, BlockX = (uint)block.X,
            BlockY = (uint)block.Y, BlockZ = (uint)block.Z, SharedBytes = (uint)sharedBytes,
            Stream = handle, Attributes = &attribute, AttributeCount = 1,
        };
        Check(Api.cuLaunchKernelEx(&launch, function.Address, &arguments, null));
    }

    /// <summary>What is put on it from now to <see cref="EndCapture"/> goes into a graph instead.</summary>
    public void BeginCapture() => Check(Api.cuStreamBeginCapture(handle, ThreadLocal));

    /// <summary>The graph of what was put on it.</summary>
    /// <exception cref="CudaException">Something was called that a graph cannot hold.</exception>
    public CudaGraph EndCapture()
    {
        nint graph = 0;
        Check(Api.cuStreamEndCapture(handle, &graph));
        return new CudaGraph(Context, graph);
    }

    public void Launch(CudaGraph graph) => Check(Api.cuGraphLaunch(graph.Address, handle));

    private protected override CudaResult Free(nint owned) => Api.cuStreamDestroy(owned);

    private void Check(
        CudaResult result,
        [System.Runtime.CompilerServices.CallerArgumentExpression(nameof(result))] string operation = "") =>
        Context.Driver.ThrowIfFailed(result, operation);
}

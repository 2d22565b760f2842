using PdEngine.Interop;

namespace PdEngine.Bench;

/// <summary>
/// What this very card does at most, against which all else is held: a copy inside its memory, counting bytes
/// read and written, and a large product, by the best of whatever is here.
/// </summary>
internal sealed class CeilingRows(CheckRig rig, CheckJournal journal, Lazy<CublasPeer> cublas)
{
    public const string CopyRow = "ceiling/copy", ProductRow = "ceiling/matmul";

    private CheckScale Scale => rig.Settings.Scale;

    public double BytesPerSecond => journal.Figure(CopyRow, "bytes_per_second") ?? double.NaN;

    public double FlopsPerSecond => journal.Figure(ProductRow, "flops_per_second") ?? double.NaN;

    public IEnumerable<CheckCase> Cases()
    {
        yield return new(CopyRow, Copy);
        yield return new(ProductRow, Product);
        yield return new("ceiling/host", Host);
    }

    private CheckRow Copy()
    {
        using CheckMemory memory = new(rig);
        long bytes = Scale.CopyBytes;
        ulong source = memory.Halves(bytes / 2), target = memory.Take(bytes);
        double seconds = rig.Seconds(_ => rig.Stream.Copy(target, source, bytes), isCaptured: false);
        CudaCopyBlocksArgs args = Blocks(source, target, bytes);
        double own = rig.Seconds(_ => rig.Stream.Launch(
            rig.Gpu.Kernels.CopyBlocks, new(1, (int)(bytes / args.HeadBytes)),
            new(CudaKernels.CopyThreads), 0, args));
        double fill = rig.Seconds(_ => rig.Stream.Fill(target, 1, bytes), isCaptured: false);
        double best = 2.0 * bytes / Math.Min(seconds, own);
        return rig.Clocks.AddTo(new CheckRow(CopyRow).With("bytes_per_second", best)
            .With("driver_bytes_per_second", 2.0 * bytes / seconds)
            .With("pd_copy_blocks_bytes_per_second", 2.0 * bytes / own)
            .With("write_bytes_per_second", bytes / fill));
    }

    /// <summary>A dense buffer as blocks of one head.</summary>
    private static CudaCopyBlocksArgs Blocks(ulong source, ulong target, long bytes)
    {
        // A grid has at most 65535 blocks in its second direction.
        long block = Math.Min(bytes, 1 << 18);
        return new()
        {
            Source = source, Target = target, SourceBlockBytes = block, SourceLayerBytes = block,
            SourcePlaneBytes = block, TargetBlockBytes = block, TargetLayerBytes = block,
            TargetPlaneBytes = block, HeadBytes = block, Heads = 1, Planes = 1,
        };
    }

    private CheckRow Product()
    {
        int size = Scale.CeilingProduct;
        using CheckMemory memory = new(rig);
        long count = (long)size * size;
        CheckProduct product = new(rig, 1)
        {
            Input = memory.Halves(count), Weight = memory.Halves(count), Output = memory.Take(count * 4),
            Columns = size, Outputs = size,
        };
        double flops = 2.0 * size * size * size, best = 0;
        CheckRow row = new(ProductRow);
        for (int tile = 1; tile < CudaGemmTile.All.Count; tile++)
        {
            int own = tile;
            if (!product.Fits(tile, size))
                continue;
            double rate = flops / rig.Seconds(_ => product.Launch(own, 0, size, CudaGemmEpilogue.Store));
            row.With($"{CudaGemmTile.All[tile].Name}_flops_per_second", rate);
            best = Math.Max(best, rate);
        }
        string of = "our own kernels";
        if (cublas.Value.WhyNone is null)
        {
            double rate = flops / rig.Seconds(_ => cublas.Value.Multiply(
                size, size, size, product.Input, product.Weight, product.Output));
            row.With("cublaslt_flops_per_second", rate);
            if (rate > best)
                (best, of) = (rate, "cuBLASLt");
        }
        if (journal.Figure("peer/torch", $"{TorchPeer.NameOf(size, size, size)} us") is { } us)
        {
            row.With("torch_flops_per_second", flops / (us * 1e-6));
            if (flops / (us * 1e-6) > best)
                (best, of) = (flops / (us * 1e-6), "PyTorch");
        }
        return rig.Clocks.AddTo(row.With("flops_per_second", best).Noted($"by {of}"));
    }

    /// <summary>Pinned host memory both ways, and what a launch takes.</summary>
    private unsafe CheckRow Host()
    {
        using CheckMemory memory = new(rig);
        long bytes = Math.Min(Scale.CopyBytes, 1L << 29);
        using PinnedBuffer pinned = rig.Gpu.Make(() => new PinnedBuffer(rig.Gpu.Context, bytes));
        nint host = (nint)pinned.First;
        ulong device = memory.Take(bytes);
        double up = rig.Seconds(_ => rig.Stream.CopyToDevice(device, (void*)host, bytes), isCaptured: false);
        double down = rig.Seconds(_ => rig.Stream.CopyToHost((void*)host, device, bytes), isCaptured: false);
        CudaCopyBlocksArgs args = Blocks(device, device + (ulong)(bytes / 2), 4096);
        void Launch(int call) => rig.Stream.Launch(
            rig.Gpu.Kernels.CopyBlocks, new(1, 1), new(CudaKernels.CopyThreads), 0, args);
        return new CheckRow("ceiling/host").With("to_device_bytes_per_second", bytes / up)
            .With("to_host_bytes_per_second", bytes / down)
            .With("launch_us", rig.Seconds(Launch, isCaptured: false) * 1e6)
            .With("graph_node_us", rig.Seconds(Launch) * 1e6);
    }
}

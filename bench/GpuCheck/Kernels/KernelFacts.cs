using System.Runtime.InteropServices;
using PdEngine.Interop;

namespace PdEngine.Bench;

/// <summary>
/// What the driver made of each kernel: registers, local memory (spills, stack), and how many blocks of it a
/// processor holds at once. Asked of the driver itself; a stand-in does not know.
/// </summary>
internal sealed unsafe class KernelFacts(CheckRig rig)
{
    private const int SharedBytes = 1, LocalBytes = 3, Registers = 4;

    public IEnumerable<CheckCase> Cases()
    {
        foreach ((string name, CudaFunction function, int threads, int shared) in Kernels())
            yield return new($"facts/{name}", () => Row($"facts/{name}", function, threads, shared));
    }

    private IEnumerable<(string Name, CudaFunction Function, int Threads, int Shared)> Kernels()
    {
        CudaKernels kernels = rig.Gpu.Kernels;
        for (int i = 0; i < CudaGemmTile.All.Count; i++)
        {
            CudaGemmTile tile = CudaGemmTile.All[i];
            foreach (int segments in (int[])[1, 4])
            {
                if (segments > 1 && !tile.HasSegments)
                    continue;
                yield return (
                    $"{tile.Name}/{segments}", kernels.Gemms[i], tile.Threads, tile.SharedBytes(segments));
            }
        }
        foreach (int headDim in (int[])[64, 128])
        {
            foreach (int rows in CudaAttentionPlan.TileHeights)
            {
                yield return (
                    $"pd_attention_d{headDim}_m{rows}", kernels.Attention(headDim, rows),
                    CudaKernels.AttentionThreads(rows), CudaKernels.AttentionSharedBytes(rows, headDim));
            }
        }
        const int row = CudaKernels.RowThreads;
        yield return ("pd_attention_merge", kernels.Merge, row, 0);
        yield return ("pd_rms_norm", kernels.RmsNorm, row, CudaKernels.RmsNormSharedBytes);
        yield return ("pd_rotate_append", kernels.RotateAppend, row, 0);
        yield return ("pd_sample", kernels.Sample, CudaKernels.SampleThreads, CudaKernels.SampleSharedBytes);
        yield return ("pd_copy_blocks", kernels.CopyBlocks, CudaKernels.CopyThreads, 0);
    }

    private CheckRow Row(string name, CudaFunction function, int threads, int shared)
    {
        CheckRow row = new(name);
        nint driver = NativeLibrary.Load(rig.Gpu.Context.Driver.Path);
        if (!NativeLibrary.TryGetExport(driver, "cuFuncGetAttribute", out nint attribute))
            return row.Missing("this driver does not say");
        NativeLibrary.TryGetExport(
            driver, "cuOccupancyMaxActiveBlocksPerMultiprocessor", out nint occupancy);
        var ask = (delegate* unmanaged<int*, int, nint, int>)attribute;
        var count = (delegate* unmanaged<int*, nint, int, nuint, int>)occupancy;
        rig.Gpu.Context.MakeCurrent();
        int value = 0;
        foreach ((string figure, int which) in ((string, int)[])
            [("registers", Registers), ("local_bytes", LocalBytes), ("static_shared_bytes", SharedBytes)])
        {
            if (ask(&value, which, function.Address) == 0)
                row.With(figure, value);
        }
        row.With("threads", threads).With("shared_bytes", shared);
        if (occupancy != 0 && count(&value, function.Address, threads, (nuint)shared) == 0)
            row.With("blocks_per_processor", value).With("warps_per_processor", value * threads / 32.0);
        return row;
    }
}

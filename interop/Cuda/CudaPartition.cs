using System.Runtime.InteropServices;

namespace PdEngine.Interop;

/// <summary>
/// Some of a GPU's multiprocessors: streams that are made of it run on these alone, and belong to the GPU's
/// context otherwise.
/// </summary>
internal sealed unsafe class CudaPartition : CudaHandle
{
    private const int Multiprocessors = 1;
    private const uint HasDefaultStream = 1;

    private CudaPartition(CudaContext context, CudaResource resource)
        : base(context)
    {
        ProcessorCount = resource.ProcessorCount;
        context.MakeCurrent();
        nint list = 0, made = 0;
        CudaResult result = Api.cuDevResourceGenerateDesc(&list, &resource, 1);
        if (result == CudaResult.Success)
            result = Api.cuGreenCtxCreate(&made, list, context.Device.Handle, HasDefaultStream);
        Own(result, made, $"cuGreenCtxCreate of {ProcessorCount} multiprocessors");
    }

    /// <summary>How many it has.</summary>
    public int ProcessorCount { get; }

    /// <summary>Splits a GPU's multiprocessors in two: the first part, and what is left.</summary>
    /// <param name="context">Of the GPU.</param>
    /// <param name="fraction">Of the first part, about: a GPU is cut in units of its own.</param>
    /// <returns>Null where the driver, which has this from CUDA 12.5 on, or the GPU cannot.</returns>
    public static (CudaPartition First, CudaPartition Second)? TrySplit(CudaContext context, double fraction)
    {
        CudaApi api = context.Api;
        if (api.cuDeviceGetDevResource == null || api.cuDevSmResourceSplitByCount == null
            || api.cuDevResourceGenerateDesc == null || api.cuGreenCtxCreate == null
            || api.cuGreenCtxDestroy == null || api.cuGreenCtxStreamCreate == null)
        {
            return null;
        }
        context.MakeCurrent();
        CudaResource whole = default, first = default, second = default;
        if (api.cuDeviceGetDevResource(context.Device.Handle, &whole, Multiprocessors) != CudaResult.Success)
            return null;
        uint least = (uint)Math.Max(1, Math.Round(whole.ProcessorCount * fraction)), groups = 1;
        CudaResult split = api.cuDevSmResourceSplitByCount(&first, &groups, &whole, &second, 0, least);
        if (split != CudaResult.Success || groups != 1 || second.ProcessorCount == 0)
            return null;
        CudaPartition? made = null;
        try
        {
            made = new(context, first);
            return (made, new(context, second));
        }
        catch (CudaException)
        {
            made?.Dispose();
            return null;
        }
    }

    private protected override CudaResult Free(nint owned) => Api.cuGreenCtxDestroy(owned);
}

/// <summary><c>CUdevResource</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct CudaResource
{
    public int Kind;
    private fixed byte _internal[92];
    public int ProcessorCount;
    private fixed byte _more[44];
}

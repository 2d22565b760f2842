namespace PdEngine.Interop;

/// <summary>Captured work, ready to be launched any number of times on streams of its context.</summary>
internal sealed unsafe class CudaGraph : CudaHandle
{
    /// <param name="context">It was captured there.</param>
    /// <param name="captured">Taken over, whether or not this succeeds.</param>
    internal CudaGraph(CudaContext context, nint captured)
        : base(context)
    {
        nint made = 0;
        CudaResult result = Api.cuGraphInstantiateWithFlags(&made, captured, 0);
        Api.cuGraphDestroy(captured);
        Own(result, made, "cuGraphInstantiateWithFlags");
    }

    private protected override CudaResult Free(nint owned) => Api.cuGraphExecDestroy(owned);
}

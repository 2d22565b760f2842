using System.Runtime.InteropServices;

namespace PdEngine.Interop;

/// <summary>Owns something of a context, which it keeps alive.</summary>
internal abstract unsafe class CudaHandle : SafeHandle
{
    private protected CudaHandle(CudaContext context)
        : base(0, ownsHandle: true)
    {
        bool held = false;
        context.DangerousAddRef(ref held);
        Context = context;
    }

    public override bool IsInvalid => handle == 0;

    public CudaContext Context { get; }

    /// <summary>As the driver's calls take it.</summary>
    public nint Address => handle;

    private protected CudaApi Api => Context.Api;

    /// <summary>Gives it back; its context is current.</summary>
    private protected abstract CudaResult Free(nint owned);

    /// <summary>
    /// Nothing is thrown: after a fault on the device every call fails, and the context's end gives all back.
    /// </summary>
    protected sealed override bool ReleaseHandle()
    {
        CudaResult current = Api.cuCtxSetCurrent(Context.Address);
        bool freed = current == CudaResult.Success && Free(handle) == CudaResult.Success;
        Context.DangerousRelease();
        return freed;
    }

    // A handle that was never set is never released, and would hold its context for ever.
    private protected void Own(CudaResult made, nint owned, string call)
    {
        if (made == CudaResult.Success)
        {
            SetHandle(owned);
            return;
        }
        Forget();
        throw Context.Driver.Failure(made, call);
    }

    /// <summary>There is nothing to own.</summary>
    private protected void Forget()
    {
        Context.DangerousRelease();
        SetHandleAsInvalid();
    }
}

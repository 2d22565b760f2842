using System.Runtime.InteropServices;

namespace PdEngine.Interop;

/// <summary>
/// A GPU's primary context: what is made in it keeps it alive. A thread makes it current before it calls
/// anything of it.
/// </summary>
internal sealed unsafe class CudaContext : SafeHandle
{
    private CudaContext(CudaDriver driver, CudaDevice device)
        : base(0, ownsHandle: true)
    {
        Driver = driver;
        Device = device;
    }

    public override bool IsInvalid => handle == 0;

    public CudaDriver Driver { get; }

    public CudaDevice Device { get; }

    internal CudaApi Api => Driver.Api;

    internal nint Address => handle;

    /// <summary>Memory that is left now.</summary>
    public long FreeBytes
    {
        get
        {
            MakeCurrent();
            nuint free = 0, total = 0;
            Driver.ThrowIfFailed(Api.cuMemGetInfo(&free, &total));
            return (long)free;
        }
    }

    /// <exception cref="CudaException">The GPU cannot be used.</exception>
    public static CudaContext Open(CudaDriver driver, CudaDevice device)
    {
        nint made = 0;
        driver.ThrowIfFailed(driver.Api.cuDevicePrimaryCtxRetain(&made, device.Handle));
        CudaContext context = new(driver, device);
        context.SetHandle(made);
        return context;
    }

    /// <summary>What the calling thread's next calls are about.</summary>
    public void MakeCurrent() => Driver.ThrowIfFailed(Api.cuCtxSetCurrent(handle));

    /// <summary>Waits for all of its streams.</summary>
    public void Synchronize()
    {
        MakeCurrent();
        Driver.ThrowIfFailed(Api.cuCtxSynchronize());
    }

    protected override bool ReleaseHandle() =>
        Api.cuDevicePrimaryCtxRelease(Device.Handle) == CudaResult.Success;
}

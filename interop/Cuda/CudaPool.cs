namespace PdEngine.Interop;

/// <summary>
/// A range of addresses that shows memory of one GPU to exactly the GPUs it is granted to. The memory can be
/// given back and taken anew; the addresses stay. Not thread-safe.
/// </summary>
internal sealed unsafe class CudaPool : CudaHandle
{
    private readonly List<CudaDevice> _granted;
    private readonly long _mappedBytes;
    private ulong _memory;
    private bool _isMapped;

    /// <param name="context">Of the GPU whose memory it is.</param>
    /// <param name="bytes">How much; it is rounded up.</param>
    /// <param name="granted">Which GPUs may read and write it, its own included.</param>
    /// <exception cref="CudaException">There is not so much left.</exception>
    public CudaPool(CudaContext context, long bytes, IEnumerable<CudaDevice> granted)
        : base(context)
    {
        _granted = [.. granted];
        Bytes = bytes;
        context.MakeCurrent();
        CudaAllocation kind = new(context.Device.Handle);
        nuint unit = 0;
        ulong made = 0;
        CudaResult result = Api.cuMemGetAllocationGranularity(&unit, &kind, 0);
        if (result == CudaResult.Success)
        {
            _mappedBytes = (bytes + (long)unit - 1) / (long)unit * (long)unit;
            result = Api.cuMemAddressReserve(&made, (nuint)_mappedBytes, 0, 0, 0);
        }
        Own(result, (nint)made, $"cuMemAddressReserve of {bytes} bytes");
        try
        {
            Commit();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public long Bytes { get; }

    /// <summary>On the device; good also while there is no memory behind it.</summary>
    public ulong First => (ulong)handle;

    /// <summary>There is memory behind it.</summary>
    public bool IsCommitted => _isMapped;

    /// <summary>Takes memory, of which nothing is known, and grants access to it.</summary>
    /// <exception cref="CudaException">There is not so much left.</exception>
    public void Commit()
    {
        if (_isMapped)
            return;
        Context.MakeCurrent();
        CudaDriver driver = Context.Driver;
        CudaAllocation kind = new(Context.Device.Handle);
        ulong memory = 0;
        CudaResult created = Api.cuMemCreate(&memory, (nuint)_mappedBytes, &kind, 0);
        if (created != CudaResult.Success)
            throw driver.Failure(created, $"cuMemCreate of {_mappedBytes} bytes");
        _memory = memory;
        try
        {
            driver.ThrowIfFailed(Api.cuMemMap(First, (nuint)_mappedBytes, 0, _memory, 0));
            _isMapped = true;
            Grant();
        }
        catch
        {
            Release();
            throw;
        }
    }

    /// <summary>Lets another GPU read and write it too, now and whenever it is committed again.</summary>
    public void GrantTo(CudaDevice device)
    {
        if (_granted.Contains(device))
            return;
        _granted.Add(device);
        Context.MakeCurrent();
        if (_isMapped)
            Grant();
    }

    /// <summary>Gives the memory back; nothing may use it any more, nor be about to.</summary>
    public void Release()
    {
        Context.MakeCurrent();
        if (_isMapped)
            Api.cuMemUnmap(First, (nuint)_mappedBytes);
        _isMapped = false;
        if (_memory != 0)
            Api.cuMemRelease(_memory);
        _memory = 0;
    }

    private protected override CudaResult Free(nint owned)
    {
        if (_isMapped)
            Api.cuMemUnmap((ulong)owned, (nuint)_mappedBytes);
        if (_memory != 0)
            Api.cuMemRelease(_memory);
        return Api.cuMemAddressFree((ulong)owned, (nuint)_mappedBytes);
    }

    private void Grant()
    {
        CudaAccess* access = stackalloc CudaAccess[_granted.Count];
        for (int i = 0; i < _granted.Count; i++)
            access[i] = new(_granted[i].Handle);
        Context.Driver.ThrowIfFailed(
            Api.cuMemSetAccess(First, (nuint)_mappedBytes, access, (nuint)_granted.Count));
    }
}

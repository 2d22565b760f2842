using System.Runtime.InteropServices;
using PdEngine.Interop;

namespace PdEngine;

/// <summary>
/// Device memory of a tensor. What only a product reads lies there as bf16, each row in the first half of its
/// place.
/// </summary>
internal sealed class CudaTensorMemory : TensorMemory
{
    private readonly CudaGpu _gpu;
    private readonly CudaHandle _buffer;
    private readonly ulong _first;

    /// <summary>Memory of one GPU that it alone reaches.</summary>
    public CudaTensorMemory(CudaGpu gpu, long elementCount)
        : this(gpu, elementCount, [gpu])
    {
    }

    /// <param name="gpu">Whose memory it is.</param>
    /// <param name="elementCount">Elements of float32.</param>
    /// <param name="users">The GPUs that reach it.</param>
    /// <exception cref="BackendException">One of them cannot reach it, or there is too little.</exception>
    public CudaTensorMemory(CudaGpu gpu, long elementCount, IReadOnlyList<CudaGpu> users)
    {
        _gpu = gpu;
        long bytes = Math.Max(64, elementCount) * sizeof(float);
        if (users.Count == 1)
        {
            CudaBuffer buffer = gpu.Make(() => new CudaBuffer(gpu.Context, bytes));
            (_buffer, _first) = (buffer, buffer.First);
            return;
        }
        foreach (CudaGpu user in users)
        {
            if (user != gpu && !user.CanReach(gpu))
            {
                throw new BackendException(
                    $"GPU {user.Device.Ordinal} cannot reach the memory of GPU {gpu.Device.Ordinal}, as the "
                    + "ranks of one worker must. Set tp_size to 1, or place them on GPUs that can.");
            }
        }
        CudaPool pool = gpu.Make(
            () => new CudaPool(gpu.Context, bytes, users.Select(user => user.Device)));
        (_buffer, _first) = (pool, pool.First);
    }

    public override nint Address => (nint)_first;

    public override bool IsHost => false;

    public CudaGpu Gpu => _gpu;

    /// <summary>Its elements are bf16: as the last op that wrote it left them.</summary>
    public bool IsHalf { get; set; }

    public override void Write(long firstElement, ReadOnlySpan<float> values)
    {
        IsHalf = false;
        _gpu.Upload(_first + ((ulong)firstElement * sizeof(float)), MemoryMarshal.AsBytes(values));
    }

    /// <summary>Takes elements of a row in, rounded to bf16.</summary>
    public void WriteHalf(long rowElement, ReadOnlySpan<float> values)
    {
        IsHalf = true;
        byte[] rounded = new byte[values.Length * 2];
        FloatNarrowing.ToBFloat16(values, rounded);
        _gpu.Upload(_first + ((ulong)rowElement * sizeof(float)), rounded);
    }

    /// <summary>
    /// Address of a tensor that an op takes as bf16 or float32: as it is, or as the op leaves it.
    /// </summary>
    public static ulong AddressOf(Tensor tensor, bool isHalf, bool writes)
    {
        CudaTensorMemory memory = (CudaTensorMemory)tensor.Memory;
        if (writes)
            memory.IsHalf = isHalf;
        Check.That(memory.IsHalf == isHalf);
        return (ulong)tensor.Address;
    }

    /// <summary>Elements as float32, of whichever kind; of bf16 from the first of a row on.</summary>
    public override void Read(long firstElement, Span<float> values)
    {
        ulong first = _first + ((ulong)firstElement * sizeof(float));
        if (!IsHalf)
        {
            _gpu.Download(first, MemoryMarshal.AsBytes(values));
            return;
        }
        ushort[] halves = new ushort[values.Length];
        _gpu.Download(first, MemoryMarshal.AsBytes(halves.AsSpan()));
        for (int i = 0; i < halves.Length; i++)
            values[i] = BitConverter.UInt32BitsToSingle((uint)halves[i] << 16);
    }

    public override void Dispose() => _buffer.Dispose();
}

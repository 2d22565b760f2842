using System.Runtime.InteropServices;
using PdEngine.Interop;

namespace PdEngine;

/// <summary>
/// Device memory of a tensor. What only a product reads lies there as bf16, each row in the first half of its
/// place.
/// </summary>
internal sealed class CudaTensorMemory(CudaGpu gpu, long elementCount) : TensorMemory
{
    private readonly CudaBuffer _buffer =
        gpu.Make(() => new CudaBuffer(gpu.Context, Math.Max(64, elementCount) * sizeof(float)));

    public override nint Address => (nint)_buffer.First;

    public override bool IsHost => false;

    public CudaGpu Gpu => gpu;

    /// <summary>Its elements are bf16: as the last op that wrote it left them.</summary>
    public bool IsHalf { get; set; }

    public override void Write(long firstElement, ReadOnlySpan<float> values)
    {
        IsHalf = false;
        gpu.Upload(_buffer.First + ((ulong)firstElement * sizeof(float)), MemoryMarshal.AsBytes(values));
    }

    /// <summary>Takes elements of a row in, rounded to bf16.</summary>
    public void WriteHalf(long rowElement, ReadOnlySpan<float> values)
    {
        IsHalf = true;
        byte[] rounded = new byte[values.Length * 2];
        FloatNarrowing.ToBFloat16(values, rounded);
        gpu.Upload(_buffer.First + ((ulong)rowElement * sizeof(float)), rounded);
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
        ulong first = _buffer.First + ((ulong)firstElement * sizeof(float));
        if (!IsHalf)
        {
            gpu.Download(first, MemoryMarshal.AsBytes(values));
            return;
        }
        ushort[] halves = new ushort[values.Length];
        gpu.Download(first, MemoryMarshal.AsBytes(halves.AsSpan()));
        for (int i = 0; i < halves.Length; i++)
            values[i] = BitConverter.UInt32BitsToSingle((uint)halves[i] << 16);
    }

    public override void Dispose() => _buffer.Dispose();
}

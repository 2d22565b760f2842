using System.Runtime.InteropServices;

namespace PdEngine.Interop;

/// <summary>How chunks of 16 bytes change places in shared memory (<c>CUtensorMapSwizzle</c>).</summary>
internal enum CudaTensorSwizzle
{
    None = 0,
    Within32Bytes = 1,
    Within64Bytes = 2,
    Within128Bytes = 3,
}

/// <summary>
/// <c>CUtensorMap</c>: how the copy engine of a GPU (compute capability 9.0 and later) cuts boxes out of a
/// tensor. A kernel takes it in its arguments, at a multiple of 64 bytes. Elements outside come as zeros.
/// </summary>
[StructLayout(LayoutKind.Sequential, Size = SizeBytes)]
internal unsafe struct CudaTensorMap
{
    /// <summary>Of a map.</summary>
    public const int SizeBytes = 128;

    /// <summary>Most dimensions of a tensor.</summary>
    public const int MaxRank = 5;

    private const int AlignmentBytes = 64;
    private const int BFloat16 = 9;
    private const int PromotedTo128Bytes = 2;

    private fixed ulong _encoded[SizeBytes / sizeof(ulong)];

    /// <summary>A map of bf16 elements in device memory.</summary>
    /// <param name="driver">Encodes it.</param>
    /// <param name="first">Address of the first element, a multiple of 16.</param>
    /// <param name="extents">Elements of each dimension, the innermost first.</param>
    /// <param name="byteStrides">From dimension 1 on, multiples of 16.</param>
    /// <param name="box">What one copy takes of each dimension, 256 at most.</param>
    /// <param name="swizzle">Of the box in shared memory, which its innermost dimension must fit.</param>
    /// <exception cref="CudaException">
    /// The driver has no tensor maps, or refuses this one; the message has its shape.
    /// </exception>
    public static CudaTensorMap OfHalves(
        CudaDriver driver, ulong first, ReadOnlySpan<ulong> extents, ReadOnlySpan<ulong> byteStrides,
        ReadOnlySpan<uint> box, CudaTensorSwizzle swizzle)
    {
        if (driver.Api.cuTensorMapEncodeTiled == null)
        {
            throw new CudaException(
                CudaResult.NotFound, $"{driver.Path} has no cuTensorMapEncodeTiled, which kernels for "
                + "compute capability 9.0 take tensors by. Update the driver (on Linux, 550 or newer).");
        }
        int rank = extents.Length;
        ArgumentOutOfRangeException.ThrowIfGreaterThan(rank, MaxRank);
        ArgumentOutOfRangeException.ThrowIfNotEqual(box.Length, rank);
        ArgumentOutOfRangeException.ThrowIfNotEqual(byteStrides.Length, Math.Max(0, rank - 1));
        byte* room = stackalloc byte[SizeBytes + AlignmentBytes];
        byte* aligned = room + (AlignmentBytes - ((nuint)room % AlignmentBytes));
        uint* every = stackalloc uint[MaxRank] { 1, 1, 1, 1, 1 };
        fixed (ulong* sizes = extents, strides = byteStrides)
        fixed (uint* taken = box)
        {
            CudaResult result = driver.Api.cuTensorMapEncodeTiled(
                aligned, BFloat16, (uint)rank, first, sizes, strides, taken, every, 0, (int)swizzle,
                PromotedTo128Bytes, 0);
            if (result != CudaResult.Success)
            {
                throw driver.Failure(
                    result, $"cuTensorMapEncodeTiled of [{string.Join(", ", extents.ToArray())}] in boxes of "
                    + $"[{string.Join(", ", box.ToArray())}], {swizzle}, at 0x{first:x}");
            }
        }
        return *(CudaTensorMap*)aligned;
    }
}

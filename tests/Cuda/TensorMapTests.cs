using System.Runtime.CompilerServices;
using System.Text;
using PdEngine.Bench;
using PdEngine.Interop;

namespace PdEngine.Tests;

/// <summary>Tensor maps are refused for what the driver's documentation refuses, with their shape.</summary>
[Category("Cuda")]
public sealed class TensorMapTests
{
    private const ulong First = 0x7000_0000;

    [Test]
    public void A_map_has_the_drivers_size()
    {
        using CudaRig rig = new();
        Assert.That(Unsafe.SizeOf<CudaTensorMap>(), Is.EqualTo(128));
        Assert.DoesNotThrow(() => Encode(rig.Driver));
        Assert.DoesNotThrow(() => Encode(rig.Driver, outer: 1, box: 256));
    }

    [Test]
    public void Other_tensors_have_other_maps()
    {
        using CudaRig rig = new();
        byte[] one = Bytes(Encode(rig.Driver)), same = Bytes(Encode(rig.Driver));
        Assert.That(same, Is.EqualTo(one));
        Assert.That(Bytes(Encode(rig.Driver, first: First + 16)), Is.Not.EqualTo(one));
        Assert.That(Bytes(Encode(rig.Driver, box: 9)), Is.Not.EqualTo(one));
    }

    [TestCase(First + 8, 96UL, 7UL, 192UL, 8U, 64U)]
    [TestCase(First, 0UL, 7UL, 192UL, 8U, 64U)]
    [TestCase(First, 96UL, (1UL << 32) + 1, 192UL, 8U, 64U)]
    [TestCase(First, 96UL, 7UL, 200UL, 8U, 64U)]
    [TestCase(First, 96UL, 7UL, 176UL, 8U, 64U)]
    [TestCase(First, 96UL, 7UL, 1UL << 40, 8U, 64U)]
    [TestCase(First, 96UL, 7UL, 192UL, 257U, 64U)]
    [TestCase(First, 96UL, 7UL, 192UL, 0U, 64U)]
    [TestCase(First, 96UL, 7UL, 192UL, 8U, 72U)]
    [TestCase(First, 96UL, 7UL, 192UL, 8U, 60U)]
    public void A_tensor_that_no_copy_engine_takes_is_refused(
        ulong first, ulong inner, ulong outer, ulong stride, uint box, uint innerBox)
    {
        using CudaRig rig = new();
        CudaException refused = Assert.Throws<CudaException>(
            () => Encode(rig.Driver, first, inner, outer, stride, box, innerBox))!;
        Assert.That(refused.Result, Is.EqualTo(CudaResult.InvalidValue));
        Assert.That(refused.Message, Does.Contain("cuTensorMapEncodeTiled")
            .And.Contain($"[{inner}, {outer}]").And.Contain($"[{innerBox}, {box}]"));
    }

    [TestCase(176UL, 1344UL)]
    [TestCase(192UL, 1352UL)]
    [TestCase(192UL, 1360UL)]
    [TestCase(192UL, 1152UL)]
    [TestCase(208UL, 1344UL)]
    [TestCase(192UL, 0UL)]
    public void Strides_that_do_not_hold_all_of_the_dimension_within_are_refused(ulong stride, ulong next)
    {
        using CudaRig rig = new();
        Assert.DoesNotThrow(() => Encode(192, 7 * 192));
        Assert.DoesNotThrow(() => Encode(208, 8 * 208));
        CudaException refused = Assert.Throws<CudaException>(() => Encode(stride, next))!;
        Assert.That(refused.Result, Is.EqualTo(CudaResult.InvalidValue));

        void Encode(ulong one, ulong two) => CudaTensorMap.OfHalves(
            rig.Driver, First, [96, 7, 5], [one, two], [64, 1, 5], CudaTensorSwizzle.Within128Bytes);
    }

    // Products that gpu-check and the tests of kernels have, and rows with something behind them.
    [TestCase(4096, 1, 4096)]
    [TestCase(14_336, 4, 14_336)]
    [TestCase(2064, 2, 2064)]
    [TestCase(4120, 1, 4160)]
    [TestCase(96, 4, 120)]
    public void The_candidates_maps_are_taken(int columns, int segments, int stride)
    {
        using CudaRig rig = new();
        CudaGemmArgs gemm = new()
        {
            Input = First, Weight = First, InputStride = stride, WeightStride = stride, Rows = 300,
            Outputs = 1000, Columns = columns, Segments = segments,
        };
        foreach (WgmmaTile tile in WgmmaTile.All)
            Assert.DoesNotThrow(() => tile.Args(rig.Driver, gemm));
    }

    [TestCase((int)CudaTensorSwizzle.Within32Bytes, 16U, 17U)]
    [TestCase((int)CudaTensorSwizzle.Within64Bytes, 32U, 40U)]
    [TestCase((int)CudaTensorSwizzle.Within128Bytes, 64U, 72U)]
    [TestCase((int)CudaTensorSwizzle.None, 256U, 264U)]
    public void A_box_is_as_wide_as_its_swizzle_at_most(int swizzleOf, uint most, uint over)
    {
        using CudaRig rig = new();
        CudaTensorSwizzle swizzle = (CudaTensorSwizzle)swizzleOf;
        Assert.DoesNotThrow(() => Encode(rig.Driver, innerBox: most, swizzle: swizzle));
        Assert.Throws<CudaException>(() => Encode(rig.Driver, innerBox: over, swizzle: swizzle));
    }

    [Test]
    public void Gpus_before_9_0_have_none()
    {
        using CudaRig rig = new();
        StandIn.SetCapability(89);
        CudaException refused = Assert.Throws<CudaException>(() => Encode(rig.Driver))!;
        Assert.That(refused.Result, Is.EqualTo(CudaResult.NotSupported));
    }

    // A driver with all but this one entry point: the stand-in with one of its names changed.
    [Test]
    public void A_driver_without_them_is_usable_and_says_what_it_lacks()
    {
        byte[] bytes = File.ReadAllBytes(StandIn.Path);
        byte[] name = Encoding.ASCII.GetBytes("cuTensorMapEncodeTiled\0");
        int at = bytes.AsSpan().IndexOf(name);
        Assert.That(at, Is.Positive);
        for (; at >= 0; at = bytes.AsSpan().IndexOf(name))
            bytes[at] = (byte)'x';
        string path = Path.Combine(Directory.CreateTempSubdirectory("no-maps").FullName, "libcuda.so.1");
        File.WriteAllBytes(path, bytes);
        CudaException missing = Assert.Throws<CudaException>(() => Encode(CudaDriver.Open(path)))!;
        Directory.Delete(Path.GetDirectoryName(path)!, recursive: true);
        Assert.That(missing.Message, Does.Contain($"{path} has no cuTensorMapEncodeTiled").And
            .Contain("Update the driver"));
    }

    private static CudaTensorMap Encode(
        CudaDriver driver, ulong first = First, ulong inner = 96, ulong outer = 7, ulong stride = 192,
        uint box = 8, uint innerBox = 64, CudaTensorSwizzle swizzle = CudaTensorSwizzle.Within128Bytes) =>
        CudaTensorMap.OfHalves(driver, first, [inner, outer], [stride], [innerBox, box], swizzle);

    private static byte[] Bytes(CudaTensorMap map) =>
        System.Runtime.InteropServices.MemoryMarshal.AsBytes(
            new ReadOnlySpan<CudaTensorMap>(in map)).ToArray();
}

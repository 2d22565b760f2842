using PdEngine.Interop;

namespace PdEngine.Tests;

/// <summary>What a kernel must not do is said by name, and the process lives.</summary>
[Category("Cuda")]
public sealed class EmulatorTests
{
    [TestCase(0, "have left|leaves while others wait")]
    [TestCase(1, "have diverged")]
    [TestCase(2, "at a barrier")]
    [TestCase(3, "asynchronous copies never waited for")]
    [TestCase(4, "wrote past its 256 bytes of shared memory")]
    [TestCase(5, "reaches past the block's 256 bytes of shared memory")]
    public void A_fault_is_reported(int kind, string expected)
    {
        foreach (ulong seed in (ulong[])[0, 2, 4])
        {
            using KernelRig rig = new(seed);
            KernelRig.PlantedFault args = new() { Kind = kind, Memory = rig.Upload<float>(new float[4]) };
            CudaException fault = Assert.Throws<CudaException>(
                () => rig.Launch("pd_planted_fault", new(1), 64, 256, args), $"seed {seed}")!;
            Assert.That(
                fault.Message,
                Does.Contain("pd_planted_fault: block (0, 0, 0)").And.Match(expected), $"seed {seed}");
        }
    }

    [TestCase(0, "mbarrier that is not fenced")]
    [TestCase(1, "no tensor map")]
    [TestCase(2, "not aligned to 128")]
    [TestCase(3, "into the same shared memory")]
    [TestCase(4, "more than the mbarrier takes")]
    [TestCase(5, "was written over")]
    [TestCase(6, "copy is left that nobody waited for")]
    [TestCase(7, "nobody made ready")]
    [TestCase(8, "other descriptors")]
    [TestCase(9, "wgmma reaches past")]
    [TestCase(10, "same products")]
    [TestCase(11, "product is left that nobody waited for")]
    [TestCase(-1, "")]
    public void A_fault_of_copies_and_products_is_reported(int kind, string expected)
    {
        foreach (ulong seed in (ulong[])[0, 2, 4])
        {
            using KernelRig rig = new(seed);
            ulong rows = rig.Upload<ushort>(new ushort[128 * 64]);
            KernelRig.PlantedAsyncFault args = new()
            {
                Map = CudaTensorMap.OfHalves(
                    rig.Driver, rows, [64, 1, 128], [128, 128], [64, 1, 128],
                    CudaTensorSwizzle.Within128Bytes),
                Kind = kind,
            };
            string found = "";
            try
            {
                rig.Launch("pd_planted_async_fault", new(1), 128, 1024 + (128 * 128), args);
            }
            catch (CudaException fault)
            {
                found = fault.Message;
            }
            Assert.That(
                found, expected.Length == 0 ? Is.Empty : Does.Contain(expected), $"seed {seed}");
        }
    }

    [Test]
    public void A_kernel_without_fault_passes()
    {
        using KernelRig rig = new();
        KernelRig.PlantedFault args = new() { Kind = -1 };
        Assert.DoesNotThrow(() => rig.Launch("pd_planted_fault", new(70), 64, 256, args));
    }

    // The lowest faulty block speaks, however many threads share the blocks.
    [Test]
    public void Of_several_faults_the_first_blocks_is_reported()
    {
        using KernelRig rig = new();
        KernelRig.PlantedFault args = new() { Kind = 4 };
        CudaException fault =
            Assert.Throws<CudaException>(() => rig.Launch("pd_planted_fault", new(300), 64, 256, args))!;
        Assert.That(fault.Message, Does.Contain("block (0, 0, 0)"));
    }
}

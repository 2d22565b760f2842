using PdEngine.Bench;

namespace PdEngine.Tests;

/// <summary>Probes of the machine leave it most of its memory.</summary>
public sealed class ProbeMemoryTests
{
    private const long Mebibyte = 1 << 20;

    [TestCase(2, 65536, 512)]
    [TestCase(99, 16384, 41)]
    [TestCase(1024, 65536, 16)]
    [TestCase(4, 8, 1)]
    public void Probes_take_a_quarter_of_what_is_free_at_most(int threads, long free, long each)
    {
        long bytes = ProbeMemory.BytesPerThread(threads, 512 * Mebibyte, free * Mebibyte);
        Assert.That(bytes, Is.EqualTo(each * Mebibyte));
    }
}

namespace PdEngine.Tests;

/// <summary>Decode steps on a virtual GPU: what they allocate, and what their padding touches.</summary>
[Category("Cuda")]
public sealed class CudaStepTests
{
    [Test]
    public void A_decode_step_allocates_nothing([Values] bool usesGraphs)
    {
        using CudaStepRig rig = new(usesGraphs);
        rig.Prefill(3, tokens: 20);
        long least = long.MaxValue;
        for (int step = 0; step < 8; step++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            rig.Start();
            rig.Finish();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }
        Assert.That(least, Is.Zero);
    }

    [Test]
    public void Padded_rows_touch_no_block_of_anyone([Values(1, 3, 5)] int sequences)
    {
        using CudaStepRig rig = new(usesGraphs: true);
        rig.Prefill(sequences, tokens: 20);
        byte[] before = rig.Blocks();
        for (int step = 0; step < 4; step++)
        {
            rig.Start();
            rig.Finish();
        }
        byte[] after = rig.Blocks();
        Assert.That(StandIn.GraphLaunchCount(), Is.GreaterThan(0));
        for (int block = 0; block < CudaStepRig.BlockCount; block++)
        {
            int bytes = before.Length / CudaStepRig.BlockCount;
            bool isSame = before.AsSpan(block * bytes, bytes)
                .SequenceEqual(after.AsSpan(block * bytes, bytes));
            Assert.That(isSame, Is.EqualTo(!rig.IsWritten(block)), $"block {block}");
        }
    }
}

using PdEngine.Interop;

namespace PdEngine.Tests;

/// <summary>Streams on a part of a GPU's multiprocessors.</summary>
[Category("Cuda")]
public sealed unsafe class CudaPartitionTests
{
    [Test]
    public void Streams_of_both_parts_run_and_are_given_back()
    {
        using (CudaRig rig = new())
        {
            (CudaPartition First, CudaPartition Second)? parts = CudaPartition.TrySplit(rig.Context, 0.5);
            Assert.That(parts, Is.Not.Null);
            using CudaPartition first = parts!.Value.First, second = parts.Value.Second;
            Assert.That((first.ProcessorCount, second.ProcessorCount), Is.EqualTo((2, 2)));
            CudaBuffer buffer = rig.Device(4);
            using CudaStream one = new(first), other = new(second);
            using CudaEvent done = rig.NewEvent();
            one.CopyToDevice(buffer.First, rig.Pinned(1, 2, 3, 4).First, 16);
            done.Record(one);
            other.WaitFor(done);
            rig.Add(other, buffer.First, buffer.First, 4, 10);
            Assert.That(rig.Read(other, buffer.First, 4), Is.EqualTo(new float[] { 11, 12, 13, 14 }));
            Assert.That(StandIn.StreamsOf(2), Is.EqualTo(2));
        }
        Assert.That(StandIn.LiveObjects(), Is.Zero);
    }

    [Test]
    public void A_part_of_all_or_a_driver_without_parts_is_none()
    {
        using CudaRig rig = new();
        Assert.That(CudaPartition.TrySplit(rig.Context, 1), Is.Null);
        StandIn.SetPartitions(false);
        Assert.That(CudaPartition.TrySplit(rig.Context, 0.5), Is.Null);
    }

    [Test]
    public void Structs_have_the_drivers_sizes() => Assert.That(sizeof(CudaResource), Is.EqualTo(144));
}

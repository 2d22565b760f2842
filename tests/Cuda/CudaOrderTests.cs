namespace PdEngine.Tests;

/// <summary>
/// Two lanes of one GPU on the same blocks: what is needed is waited for on the GPU, and a wait that is left
/// out shows.
/// </summary>
[Category("Cuda")]
public sealed class CudaOrderTests
{
    private const int Page = 16;
    private const int HeadDim = 16;
    private static readonly AttentionShape Shape = new(1, 1, HeadDim);

    [Test]
    public void A_lane_reads_a_block_after_another_has_written_it([Values] bool waits)
    {
        using Rig rig = new();
        rig.Write(0, block: 0, value: 3);
        StandIn.DropWaits(ofStreams: !waits);
        rig.Copy(1, source: 0, target: 1);
        rig.Devices.Backends[1].Lane().Stream.Synchronize();
        Assert.That(rig.Read(1).All(value => value == 3), Is.EqualTo(waits));
    }

    [Test]
    public void A_block_that_is_used_again_is_written_after_it_was_read([Values] bool waits)
    {
        using Rig rig = new();
        rig.Write(0, block: 0, value: 3);
        rig.Copy(1, source: 0, target: 1);
        StandIn.DropWaits(ofStreams: !waits);
        rig.Write(0, block: 0, value: 5);
        rig.Devices.Backends[0].Lane().Stream.Synchronize();
        StandIn.DropWaits();
        Assert.That(rig.Read(1).All(value => value == 3), Is.EqualTo(waits));
        Assert.That(rig.Read(0), Is.All.EqualTo(5));
    }

    [Test]
    public void A_batch_is_prepared_where_no_other_is_still_read([Values] bool waits)
    {
        using Rig rig = new();
        StandIn.DropWaits(ofThreads: !waits);
        for (int block = 0; block < 5; block++)
            rig.Write(0, block, value: block);
        StandIn.DropWaits();
        bool areRight = true;
        for (int block = 0; block < 5; block++)
            areRight &= rig.Read(block).All(value => value == block);
        Assert.That(areRight, Is.EqualTo(waits));
    }

    [Test]
    public void What_failed_is_waited_for_too()
    {
        using Rig rig = new();
        // A batch without an end leaves its ticket open.
        rig.Write(0, block: 0, value: 3, ends: false);
        rig.Copy(1, source: 0, target: 1);
        rig.Devices.Backends[1].Lane().Stream.Synchronize();
        Assert.That(rig.Read(1), Is.All.EqualTo(3));
    }

    [Test]
    public void Many_batches_go_by_without_a_word_from_the_host()
    {
        using Rig rig = new();
        rig.Write(0, block: 0, value: 1);
        for (int i = 0; i < 100; i++)
            rig.Write(0, block: 2, value: i % 8);
        rig.Copy(1, source: 0, target: 1);
        rig.Devices.Backends[1].Lane().Stream.Synchronize();
        Assert.That(rig.Read(1), Is.All.EqualTo(1));
    }

    private sealed class Rig : IDisposable
    {
        private readonly KvStore[] _stores = new KvStore[2];
        private readonly Tensor _rope;
        private readonly List<Tensor> _made = [];
        private readonly Dictionary<float, Tensor> _valued = [];

        public Rig()
        {
            Devices = CudaTestDevice.Open(deviceCount: 2, gpuCount: 1);
            KvLayout layout = KvLayout.GroupedQuery(1, Page, 1, HeadDim, KvElement.BFloat16);
            _stores[0] = Devices.Backends[0].CreateKvStore(layout, 8);
            _stores[1] = _stores[0].For(Devices.Backends[1]);
            _rope = Make(Page, HeadDim, column => column < HeadDim / 2 ? 1 : 0);
            // Made before anything is put on a lane: a tensor that is written waits for the lanes.
            for (int value = 0; value < 8; value++)
                _valued.Add(value, Make(Page, Shape.QkvColumns, _ => value));
        }

        public CudaDevices Devices { get; }

        /// <summary>Puts the keys and values of a whole block on a lane.</summary>
        public void Write(int lane, int block, float value, bool ends = true)
        {
            IBackend backend = Devices.Backends[lane];
            Tensor qkv = _valued[value];
            AttentionBatch batch = new();
            batch.Add(0, 0, Page, [block]);
            backend.Begin(batch, _stores[lane], Page);
            backend.RotateAndAppend(qkv, Shape, _rope, null, null, 0, _stores[lane], 0, batch);
            if (ends)
                backend.End();
        }

        public void Copy(int lane, int source, int target) =>
            _stores[lane].CopyBlock(_stores[lane], source, target, new(0, 0, 1), 0, 1);

        /// <summary>K and V of a block, once everything has run.</summary>
        public float[] Read(int block)
        {
            CudaKvPool pool = ((CudaKvStore)_stores[0]).Pool;
            long bytes = _stores[0].Layout.BlockBytes;
            byte[] stored = new byte[bytes];
            pool.Gpu.Download(pool.First + (ulong)(block * bytes), stored);
            float[] values = new float[bytes / 2];
            for (int i = 0; i < values.Length; i++)
                values[i] = BitConverter.UInt32BitsToSingle((uint)BitConverter.ToUInt16(stored, i * 2) << 16);
            return values;
        }

        public void Dispose()
        {
            _made.ForEach(tensor => tensor.Dispose());
            _stores[0].Dispose();
            Devices.Dispose();
        }

        private Tensor Make(int rows, int columns, Func<int, float> valueOf)
        {
            Tensor tensor = Devices.Backends[0].CreateTensor(rows, columns);
            float[] row = [.. Enumerable.Range(0, columns).Select(valueOf)];
            for (int i = 0; i < rows; i++)
                tensor.WriteRow(i, row);
            _made.Add(tensor);
            return tensor;
        }
    }
}

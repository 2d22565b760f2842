namespace PdEngine.Tests;

/// <summary>
/// A prompt's blocks go to another virtual GPU by groups of layers while the later ones are still computed.
/// </summary>
[Category("Cuda")]
[CancelAfter(60_000)]
public sealed class CudaOverlapTests
{
    [Test]
    public void Early_layers_are_there_before_later_ones_are_computed()
    {
        using Rig rig = new();
        ulong before = StandIn.LaunchCount();
        rig.Prefill();
        Assert.That(StandIn.LaunchCount(), Is.EqualTo(before), "nothing has run yet");
        rig.Pull(0, 1);
        rig.AwaitPulls();
        ulong first = StandIn.LaunchCount() - before;
        rig.Pull(1, rig.Layers - 1);
        rig.AwaitPulls();
        ulong last = StandIn.LaunchCount() - before;
        rig.Finish();
        ulong all = StandIn.LaunchCount() - before;
        Assert.That(first, Is.GreaterThan(0).And.LessThan(last));
        Assert.That(last, Is.LessThan(all), "the last layer's K and V do not wait for the logits");
        Assert.That(rig.Target(), Is.EqualTo(rig.Source()));
        Assert.That(rig.Source().Any(value => value is not (0 or 0xff)), "it holds something");
    }

    [TestCase(0ul)]
    [TestCase(3ul)]
    [TestCase(9ul)]
    public void Whatever_runs_first_the_bytes_are_those_of_the_source(ulong seed)
    {
        using Rig rig = new(seed);
        for (int turn = 0; turn < 3; turn++)
        {
            rig.Prefill();
            for (int layer = 0; layer < rig.Layers; layer++)
                rig.Pull(layer, 1);
            rig.Finish();
            rig.AwaitPulls();
            Assert.That(rig.Target(), Is.EqualTo(rig.Source()), $"turn {turn}, seed {seed}");
        }
    }

    [Test]
    public void A_wait_for_a_group_that_is_left_out_shows()
    {
        using Rig rig = new();
        rig.Prefill();
        StandIn.DropWaits(ofStreams: true);
        for (int layer = 0; layer < rig.Layers; layer++)
            rig.Pull(layer, 1);
        rig.AwaitPulls();
        StandIn.DropWaits();
        rig.Finish();
        Assert.That(rig.Target(), Is.Not.EqualTo(rig.Source()));
    }

    [Test]
    public void A_wait_for_the_group_before_shows()
    {
        using Rig rig = new();
        rig.Prefill();
        rig.Pull(0, 1);
        rig.AwaitPulls();
        StandIn.DropWaits(ofStreams: true);
        rig.Pull(rig.Layers - 1, 1);
        rig.AwaitPulls();
        StandIn.DropWaits();
        rig.Finish();
        Assert.That(rig.Target(), Is.Not.EqualTo(rig.Source()));
    }

    [Test]
    public void Batches_do_not_wait_for_what_comes_for_others()
    {
        using Rig rig = new();
        rig.Prefill();
        rig.Pull(0, rig.Layers);
        ulong before = StandIn.LaunchCount();
        rig.Devices.Backends[1].Lane().Stream.Synchronize();
        Assert.That(StandIn.LaunchCount(), Is.EqualTo(before), "the prompt is still to be computed");
        rig.Finish();
        rig.AwaitPulls();
    }

    [Test]
    public void Many_copies_may_wait_without_the_host()
    {
        using Rig rig = new();
        rig.Prefill();
        for (int i = 0; i < 30; i++)
            rig.PullHeads();
        Assert.That(StandIn.LaunchCount(), Is.EqualTo(rig.LaunchesBefore), "the host has waited for nothing");
        rig.Finish();
        rig.AwaitPulls();
    }

    [Test]
    public void A_prompt_that_failed_half_way_is_waited_for_no_longer()
    {
        using Rig rig = new();
        rig.BeginOnly();
        rig.Pull(0, rig.Layers);
        rig.AwaitPulls();
        rig.Prefill();
        rig.Pull(0, rig.Layers);
        rig.Finish();
        rig.AwaitPulls();
        Assert.That(rig.Target(), Is.EqualTo(rig.Source()));
    }

    /// <summary>A prompt of two blocks on GPU 0, and the same room on GPU 1.</summary>
    private sealed class Rig : IDisposable
    {
        private const int Page = 16;
        private const int BlockCount = 4;
        private static readonly int[] Blocks = [1, 2];

        private readonly ModelWeights _weights;
        private readonly KvStore _source;
        private readonly KvStore _target;
        private readonly KvStore _heads;
        private readonly TensorParallelRunner _runner;
        private readonly ForwardBatch _batch = new();

        public Rig(ulong seed = 0)
        {
            StandIn.Reset(deviceCount: 2, seed, megabytes: 256);
            Devices = CudaDevices.Open(new CudaOptions { DriverPath = StandIn.Path }, 2);
            using ICheckpoint checkpoint = Checkpoint.Open(EngineRig.Folder());
            _weights = ModelWeights.Load(checkpoint, Devices.Backends[0]);
            ModelConfig config = _weights.Config;
            KvLayout layout = KvLayout.GroupedQuery(
                config.LayerCount, Page, config.KvHeadCount, config.HeadDim, KvElement.BFloat16);
            _source = Devices.Backends[0].CreateKvStore(layout, BlockCount);
            _target = Devices.Backends[1].CreateKvStore(layout, BlockCount);
            _heads = Devices.Backends[1].CreateKvStore(layout.WithHeads(1), BlockCount);
            _target.Connect(_source);
            _heads.Connect(_source);
            _runner = new([Devices.Backends[0]], [_weights], KvMemory.InHost(_source, 1), 256);
            Assert.That(layout.GroupCount, Is.GreaterThan(1), "the model has layers to overlap");
            LaunchesBefore = StandIn.LaunchCount();
        }

        public CudaDevices Devices { get; }

        public ulong LaunchesBefore { get; }

        public int Layers => _source.Layout.LayerCount;

        /// <summary>Puts a prompt on GPU 0.</summary>
        public void Prefill()
        {
            Fill();
            _runner.Start(_batch);
        }

        /// <summary>A batch that fails before its first layer.</summary>
        public void BeginOnly()
        {
            Fill();
            Devices.Backends[0].Begin(_batch.Attention, _source, _batch.TokenCount);
        }

        public void Finish()
        {
            _runner.Finish(_batch);
            Devices.Backends[0].Lane().Stream.Synchronize();
        }

        public void Pull(int firstLayer, int layerCount) => _target.CopyBlocks(
            _source, Blocks, Blocks, new(0, 0, _source.Layout.HeadCount), firstLayer, layerCount);

        public void PullHeads() => _heads.CopyBlocks(_source, Blocks, Blocks, new(0, 0, 1), 0, Layers);

        public void AwaitPulls()
        {
            Devices.Backends[1].Lane().Gpu.Context.MakeCurrent();
            ((CudaBackend)Devices.Backends[1]).PullLane.Stream.Synchronize();
        }

        public byte[] Source() => Read(_source);

        public byte[] Target() => Read(_target);

        public void Dispose()
        {
            _runner.Dispose();
            _heads.Dispose();
            _target.Dispose();
            _source.Dispose();
            _weights.Dispose();
            Devices.Dispose();
        }

        private void Fill()
        {
            _batch.Clear();
            Sequence sequence = GoldenHarness.NewSequence(
                [.. Enumerable.Range(0, Page * Blocks.Length).Select(token => token * 5)]);
            foreach (int block in Blocks)
                sequence.Blocks.Add(block);
            _batch.AddSlice(sequence, 0, Page * Blocks.Length, Page);
        }

        private static byte[] Read(KvStore store)
        {
            CudaKvPool pool = ((CudaKvStore)store).Pool;
            int block = (int)store.Layout.BlockBytes;
            byte[] bytes = new byte[block * Blocks.Length];
            pool.Gpu.Download(pool.First + (ulong)(Blocks[0] * block), bytes);
            return bytes;
        }
    }
}

namespace PdEngine.Tests;

/// <summary>Decode steps on a virtual GPU: what they allocate, and what their padding touches.</summary>
[Category("Cuda")]
public sealed class CudaStepTests
{
    private const int Page = 16;
    private const int BlockCount = 16;

    [Test]
    public void A_decode_step_allocates_nothing([Values] bool usesGraphs)
    {
        using Rig rig = new(usesGraphs);
        rig.Prefill(3, tokens: 20);
        long least = long.MaxValue;
        for (int step = 0; step < 8; step++)
        {
            rig.Prepare();
            long before = GC.GetAllocatedBytesForCurrentThread();
            rig.Run();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }
        Assert.That(least, Is.Zero);
    }

    [Test]
    public void Padded_rows_touch_no_block_of_anyone([Values(1, 3, 5)] int sequences)
    {
        using Rig rig = new(usesGraphs: true);
        rig.Prefill(sequences, tokens: 20);
        byte[] before = rig.Blocks();
        for (int step = 0; step < 4; step++)
        {
            rig.Prepare();
            rig.Run();
        }
        byte[] after = rig.Blocks();
        Assert.That(StandIn.GraphLaunchCount(), Is.GreaterThan(0));
        for (int block = 0; block < BlockCount; block++)
        {
            int bytes = before.Length / BlockCount;
            bool isSame = before.AsSpan(block * bytes, bytes)
                .SequenceEqual(after.AsSpan(block * bytes, bytes));
            Assert.That(isSame, Is.EqualTo(!rig.IsWritten(block)), $"block {block}");
        }
    }

    private sealed class Rig : IDisposable
    {
        private readonly CudaDevices _devices;
        private readonly ModelWeights _weights;
        private readonly KvStore _store;
        private readonly TensorParallelRunner _runner;
        private readonly ForwardBatch _batch = new();
        private readonly List<Sequence> _sequences = [];

        public Rig(bool usesGraphs)
        {
            StandIn.Reset(deviceCount: 1, megabytes: 256);
            _devices = CudaDevices.Open(
                new CudaOptions { DriverPath = StandIn.Path, UsesGraphs = usesGraphs }, 1);
            IBackend backend = _devices.Backends[0];
            using ICheckpoint checkpoint = Checkpoint.Open(EngineRig.Folder());
            _weights = ModelWeights.Load(checkpoint, backend);
            ModelConfig config = _weights.Config;
            _store = backend.CreateKvStore(
                KvLayout.GroupedQuery(
                    config.LayerCount, Page, config.KvHeadCount, config.HeadDim, backend.KvElement),
                BlockCount);
            _runner = new([backend], [_weights], KvMemory.InHost(_store, 1), 256);
        }

        /// <summary>Computes prompts; block 0 is nobody's.</summary>
        public void Prefill(int count, int tokens)
        {
            _batch.Clear();
            for (int i = 0; i < count; i++)
            {
                Sequence sequence = GoldenHarness.NewSequence(
                    [.. Enumerable.Range(0, tokens).Select(token => (token * 7) + i)]);
                sequence.Blocks.Add((2 * i) + 1);
                sequence.Blocks.Add((2 * i) + 2);
                _sequences.Add(sequence);
                _batch.AddSlice(sequence, 0, tokens, Page);
            }
            Run();
            _devices.Backends[0].Lane().Stream.Synchronize();
        }

        /// <summary>A decode step of all sequences.</summary>
        public void Prepare()
        {
            _batch.Clear();
            foreach (Sequence sequence in _sequences)
            {
                sequence.Append(sequence.TokenCount % 50);
                int token = _batch.AddSlice(sequence, sequence.TokenCount - 1, 1, Page);
                SampleRow row = new()
                {
                    LogitsRow = _batch.WantLogits(token), Position = sequence.TokenCount, Target = -1,
                    TopP = 1, TopK = -1, RepetitionPenalty = 1,
                };
                _batch.Samples.Add(row, [], [], [], []);
            }
        }

        public void Run()
        {
            _runner.Start(_batch);
            _runner.Finish(_batch);
        }

        /// <summary>The decoded positions of a sequence lie in its second block.</summary>
        public bool IsWritten(int block) => block > 0 && block % 2 == 0 && block <= 2 * _sequences.Count;

        public byte[] Blocks()
        {
            CudaKvPool pool = ((CudaKvStore)_store).Pool;
            byte[] bytes = new byte[_store.Layout.BlockBytes * BlockCount];
            pool.Gpu.Download(pool.First, bytes);
            return bytes;
        }

        public void Dispose()
        {
            _runner.Dispose();
            _weights.Dispose();
            _store.Dispose();
            _devices.Dispose();
        }
    }
}

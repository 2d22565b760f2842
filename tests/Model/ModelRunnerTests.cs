namespace PdEngine.Tests;

public sealed class ModelRunnerTests
{
    private const int PageSize = 8;

    [Test]
    public void Logits_are_made_and_sampled_64_rows_at_a_time()
    {
        using CountingBackend backend = new();
        using Setting setting = new(backend, TestConfigs.Everything, 300);
        ForwardBatch batch = Setting.Batch(sequences: 1, start: 0, count: 300);
        for (int token = 0; token < 150; token++)
            WantScores(batch, token, samples: token % 3);
        setting.Runner.Start(batch);
        setting.Runner.Finish(batch);
        Assert.That(backend.MostLogitsRows, Is.EqualTo(64));
        (int, int, int, int)[] expected = [(0, 64, 0, 63), (64, 64, 63, 64), (128, 22, 127, 23)];
        Assert.That(backend.Sampled, Is.EqualTo(expected));
    }

    [Test]
    public void A_chunk_of_a_prompt_that_wants_no_logits_makes_none()
    {
        using CountingBackend backend = new();
        using Setting setting = new(backend, TestConfigs.Everything, 64);
        setting.Runner.Start(Setting.Batch(sequences: 1, start: 0, count: 64));
        Assert.That(backend.Sampled, Is.Empty);
        Assert.That(backend.MostLogitsRows, Is.Zero);
    }

    [Test]
    public void A_batch_over_the_capacity_is_refused()
    {
        using CountingBackend backend = new();
        using Setting setting = new(backend, TestConfigs.Everything, 63);
        Assert.Throws<InvariantException>(
            () => setting.Runner.Start(Setting.Batch(sequences: 1, start: 0, count: 64)));
    }

    [Test]
    public void A_step_of_the_runner_itself_allocates_nothing([Values(1, 100)] int sequences)
    {
        using CountingBackend backend = new();
        using Setting setting = new(backend, TestConfigs.Everything, 256);
        ForwardBatch batch = Setting.Batch(sequences, start: 9, count: 1);
        for (int token = 0; token < sequences; token++)
            WantScores(batch, token, samples: 1);
        Assert.That(AllocatedBytes(() => setting.Runner.Start(batch)), Is.Zero);
        Assert.That(backend.OpCount, Is.GreaterThan(0));
    }

    [Test]
    public void A_small_step_of_the_reference_backend_allocates_nothing()
    {
        using ReferenceBackend backend = new(4);
        using Setting setting = new(backend, TestConfigs.Everything, 64);
        setting.Runner.Start(Setting.Batch(sequences: 4, start: 0, count: 9));
        ForwardBatch batch = Setting.Batch(sequences: 4, start: 9, count: 1);
        Assert.That(AllocatedBytes(() => setting.Runner.Start(batch)), Is.Zero);
    }

    private static long AllocatedBytes(Action step)
    {
        // The runtime itself may allocate once on this thread; a step that allocates does so every time.
        long least = long.MaxValue;
        for (int round = 0; round < 6; round++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            step();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }
        return least;
    }

    private static void WantScores(ForwardBatch batch, int token, int samples)
    {
        int row = batch.WantLogits(token);
        for (int sample = 0; sample < samples; sample++)
            batch.Samples.Add(new SampleRow { LogitsRow = row, Target = -1 }, [], [], [], []);
    }

    private sealed class Setting : IDisposable
    {
        private readonly ModelWeights _weights;
        private readonly KvStore _store;

        public Setting(IBackend backend, ModelConfig config, int tokenCapacity)
        {
            _weights = ModelWeights.Load(new SyntheticCheckpoint(config, 1), backend);
            _store = backend.CreateKvStore(
                KvLayout.GroupedQuery(
                    config.LayerCount, PageSize, config.KvHeadCount, config.HeadDim, backend.KvElement),
                blockCount: 256);
            Runner = new([backend], [_weights], KvMemory.InHost(_store, rankCount: 1), tokenCapacity);
        }

        public TensorParallelRunner Runner { get; }

        /// <summary>Sequences side by side, each at the same positions, on blocks of its own.</summary>
        public static ForwardBatch Batch(int sequences, int start, int count)
        {
            ForwardBatch batch = new();
            int blocks = (start + count + PageSize - 1) / PageSize;
            for (int index = 0; index < sequences; index++)
            {
                int[] prompt = [.. Enumerable.Range(0, start + count).Select(id => id % 77)];
                Sequence sequence = GoldenHarness.NewSequence(prompt);
                for (int block = 0; block < blocks; block++)
                    sequence.Blocks.Add((index * blocks) + block);
                batch.AddSlice(sequence, start, count, PageSize);
            }
            return batch;
        }

        public void Dispose()
        {
            Runner.Dispose();
            _store.Dispose();
            _weights.Dispose();
        }
    }
}

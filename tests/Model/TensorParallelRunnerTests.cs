namespace PdEngine.Tests;

/// <summary>Ranks of a step run, fail, rest and end together.</summary>
public sealed class TensorParallelRunnerTests
{
    private const int PageSize = 8;

    [Test]
    [CancelAfter(600_000)]
    public void A_rank_that_throws_fails_the_step_and_leaves_the_others_fit_for_the_next(
        [Values(2, 4)] int size, CancellationToken cancellation)
    {
        using ShardedModel model = Load("reference", size);
        using KvMemory memory = model.NewMemory(KvDomainKind.Device, PageSize, out _);
        using ShardedWorker worker = new(model, memory);
        float[][] expected = worker.Step((Prompt(70), 70));
        foreach (ProbedBackend backend in model.Backends)
            backend.OpCount = 0;
        foreach (ProbedBackend backend in model.Backends)
            backend.BeforeOp = _ => { };
        worker.Step((Prompt(70), 70));
        int[] ops = [.. model.Backends.Select(backend => backend.OpCount)];
        for (int rank = 0; rank < size; rank++)
        {
            for (int op = 0; op < ops[rank]; op += 3)
            {
                cancellation.ThrowIfCancellationRequested();
                Break(model, rank, op);
                TornException thrown = Assert.Throws<TornException>(
                    () => worker.Step((Prompt(70), 70)), $"rank {rank}, op {op}")!;
                Assert.That(thrown.Rank, Is.EqualTo(rank));
                Break(model, rank, -1);
            }
        }
        float[][] after = worker.Step((Prompt(70), 70));
        for (int row = 0; row < expected.Length; row++)
            TestTensors.AssertSameBits(after[row], expected[row], $"after the failures, row {row}");
    }

    [Test]
    public void When_all_ranks_throw_one_failure_comes_out([Values(2, 4)] int size)
    {
        using ShardedModel model = Load("reference", size);
        using KvMemory memory = model.NewMemory(KvDomainKind.Device, PageSize, out _);
        using ShardedWorker worker = new(model, memory);
        for (int rank = 0; rank < size; rank++)
            Break(model, rank, 5);
        for (int round = 0; round < 20; round++)
        {
            for (int rank = 0; rank < size; rank++)
                model.Backends[rank].OpCount = 0;
            Assert.Throws<TornException>(() => worker.Step((Prompt(7), 7)));
        }
    }

    [Test]
    public void Every_rank_rests_on_the_thread_that_it_computes_on([Values(1, 2, 4)] int size)
    {
        using ShardedModel model = Load("reference", size);
        using KvMemory memory = model.NewMemory(KvDomainKind.Device, PageSize, out _);
        using ShardedWorker worker = new(model, memory);
        worker.Step((Prompt(3), 3));
        int[] threads = [.. model.Backends.Select(backend => backend.ThreadId)];
        worker.Runner.Rest();
        Assert.That(model.Backends.Select(backend => backend.RestCount), Is.All.EqualTo(1));
        Assert.That(model.Backends.Select(backend => backend.ThreadId), Is.EqualTo(threads));
        Assert.That(threads.Distinct().Count(), Is.EqualTo(size));
        Assert.That(threads[0], Is.EqualTo(Environment.CurrentManagedThreadId));
    }

    [Test]
    public void A_decode_step_allocates_nothing_on_any_rank(
        [EachIsa] CpuIsa isa, [Values(1, 2, 4)] int size)
    {
        using ShardedModel model = Load(CpuIsaSupport.NameOf(isa), size);
        model.Backends[0].KeepsLogits = false;
        using KvMemory memory = model.NewMemory(KvDomainKind.Device, PageSize, out _);
        using ShardedWorker worker = new(model, memory);
        Sequence sequence = Prompt(20);
        worker.Step((sequence, 19));
        worker.Fill((sequence, 1));
        long least = long.MaxValue;
        for (int round = 0; round < 30; round++)
        {
            long before = GC.GetTotalAllocatedBytes(precise: true);
            worker.Runner.Start(worker.Batch);
            long after = GC.GetTotalAllocatedBytes(precise: true);
            least = Math.Min(least, after - before);
        }
        Assert.That(least, Is.Zero);
    }

    [Test]
    public void A_runner_that_never_ran_ends_its_threads([Values(1, 4)] int size)
    {
        using ShardedModel model = Load("reference", size);
        using KvMemory memory = model.NewMemory(KvDomainKind.Device, PageSize, out _);
        new ShardedWorker(model, memory).Dispose();
        Assert.That(model.Backends.Select(backend => backend.OpCount), Is.All.Zero);
    }

    private static void Break(ShardedModel model, int rank, int atOp)
    {
        model.Backends[rank].OpCount = 0;
        model.Backends[rank].BeforeOp = op =>
        {
            if (op == atOp)
                throw new TornException(rank);
        };
    }

    private static ShardedModel Load(string backend, int size) => ShardedModel.Load(
        backend, new SyntheticCheckpoint(TensorParallelTests.Shapes["two KV heads"], 31), size);

    private static Sequence Prompt(int count) =>
        ShardedWorker.NewSequence(TestPrompts.Random(new Random(32), count, 300), Enumerable.Range(0, 10));

    private sealed class TornException(int rank) : Exception("torn")
    {
        public int Rank { get; } = rank;
    }
}

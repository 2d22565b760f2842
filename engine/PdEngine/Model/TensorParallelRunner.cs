using System.Runtime.ExceptionServices;

namespace PdEngine;

/// <summary>
/// Runs batches on one rank or several, where they are called: all that the host has to do is done in
/// <see cref="Start"/>. Rank 0 is the caller's thread, every other rank a thread of its own; they leave a
/// step together.
/// </summary>
internal sealed class TensorParallelRunner : IModelRunner
{
    private readonly ModelRank[] _ranks;
    private readonly IReadOnlyList<IBackend> _backends;
    private readonly KvTransfer _copy;
    private readonly RankGroup? _group;
    private readonly Thread[] _threads;
    private readonly WaitWord _started = new();
    private readonly WaitWord _ended = new();
    private ForwardBatch? _batch;
    private WeightSet? _weights;
    private Exception? _failure;
    private int _working;
    private bool _isStopping;

    /// <param name="ranks">What each rank computes on; not owned.</param>
    /// <param name="shards">Weights of each rank, loaded by its backend; not owned.</param>
    /// <param name="memory">K and V of the worker's sequences, cut for as many ranks; not owned.</param>
    /// <param name="tokenCapacity">Most tokens of a batch: the scheduler's budget.</param>
    public TensorParallelRunner(
        IReadOnlyList<IBackend> ranks, IReadOnlyList<ModelWeights> shards, KvMemory memory, int tokenCapacity)
    {
        Check.That(ranks.Count > 0 && shards.Count == ranks.Count && memory.RankCount == ranks.Count);
        _copy = new(memory, memory);
        _backends = ranks;
        _ranks = new ModelRank[ranks.Count];
        _threads = new Thread[ranks.Count - 1];
        if (ranks.Count > 1)
            _group = new(ranks, shards[0].Config, tokenCapacity);
        for (int rank = 0; rank < _ranks.Length; rank++)
        {
            Check.That(shards[rank].Shard == new WeightShard(rank, ranks.Count));
            _ranks[rank] = new(ranks[rank], shards[rank], memory.Rank(rank), tokenCapacity, _group);
        }
        for (int rank = 1; rank < _ranks.Length; rank++)
        {
            ModelRank own = _ranks[rank];
            _threads[rank - 1] = new(() => Serve(own)) { IsBackground = true, Name = $"pd-rank-{rank}" };
            _threads[rank - 1].Start();
        }
    }

    public bool OrdersCopies => _backends[0].Memory != MemoryDomain.Host;

    public bool RunsAhead => _backends[0].RunsAhead && (_group is null || _group.DrawsAreShared);

    /// <exception cref="Exception">
    /// What the first rank to fail threw; every rank has left the step, and another may be started.
    /// </exception>
    public void Start(ForwardBatch batch) => RunAll(batch);

    public void Finish(ForwardBatch batch) => _backends[0].Await(batch.Samples);

    public void CopyBlock(int source, int target) =>
        _copy.Copy([source], [target], 0, _copy.LayerCount);

    public void Use(WeightEpoch epoch)
    {
        WeightSet weights = epoch.Weights!;
        weights.AddUser();
        IReadOnlyList<ModelWeights> shards = weights.Shards(_backends);
        for (int rank = 0; rank < _ranks.Length; rank++)
            _ranks[rank].Use(shards[rank]);
        _weights?.RemoveUser();
        _weights = weights;
    }

    public void Rest() => RunAll(null);

    public void Dispose()
    {
        _isStopping = true;
        _started.Advance();
        foreach (Thread thread in _threads)
            thread.Join();
        foreach (ModelRank rank in _ranks)
            rank.Dispose();
        _group?.Dispose();
        _weights?.RemoveUser();
    }

    /// <summary>Every rank computes a batch, or rests where there is none.</summary>
    private void RunAll(ForwardBatch? batch)
    {
        if (_group is null)
        {
            Run(_ranks[0], batch);
            return;
        }
        int ended = _ended.Value;
        _batch = batch;
        _working = _threads.Length;
        _started.Advance();
        RunGuarded(_ranks[0], batch);
        _ended.WaitWhile(ended);
        _batch = null;
        if (_failure is not { } failure)
            return;
        _failure = null;
        _group.Mend();
        ExceptionDispatchInfo.Throw(failure);
    }

    private void Serve(ModelRank rank)
    {
        for (int seen = 0; ; seen++)
        {
            _started.WaitWhile(seen);
            if (_isStopping)
                return;
            RunGuarded(rank, _batch);
            if (Interlocked.Decrement(ref _working) == 0)
                _ended.Advance();
        }
    }

    /// <summary>Keeps the first failure of the step and sends the other ranks home.</summary>
    private void RunGuarded(ModelRank rank, ForwardBatch? batch)
    {
        try
        {
            Run(rank, batch);
        }
        catch (Exception failure)
        {
            Interlocked.CompareExchange(ref _failure, failure, null);
            _group!.Break();
        }
    }

    private static void Run(ModelRank rank, ForwardBatch? batch)
    {
        if (batch is null)
            rank.Rest();
        else
            rank.Run(batch);
    }
}

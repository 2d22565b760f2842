namespace PdEngine;

/// <summary>
/// What the ranks of one worker share in a step: the residual, partial products, logits, and a place to meet.
/// </summary>
internal sealed class RankGroup : IDisposable
{
    /// <summary>Columns that a rank's share of a sum is a multiple of: one line of the cache.</summary>
    private const int SumUnitColumns = 16;

    private readonly IReadOnlyList<IBackend> _backends;
    private readonly RankBarrier _barrier;
    private readonly Tensor[] _partials;
    private readonly Tensor[] _residuals;
    private readonly Tensor _logits;
    private readonly Tensor[] _logitParts;
    private readonly (int First, int Count)[] _headParts;
    private readonly CudaRankGather? _gather;
    private readonly Func<bool> _isBroken;

    /// <param name="backends">One per rank; not owned.</param>
    /// <param name="config">Of the whole model.</param>
    /// <param name="tokenCapacity">Most tokens of a batch.</param>
    public RankGroup(IReadOnlyList<IBackend> backends, ModelConfig config, int tokenCapacity)
    {
        _backends = backends;
        _barrier = new(backends.Count);
        _isBroken = () => _barrier.IsBroken;
        int count = backends.Count, capacity = Transformer.LogitsRowCapacity;
        _headParts = [.. backends.Select(
            (_, rank) => new WeightShard(rank, count).PartOf(config.HeadRows, Matrix.UnitRows))];
        int mostPart = _headParts.Max(part => part.Count);
        _gather = backends[0].CreateGather(
            backends, Math.Max((long)tokenCapacity * Padded(config.HiddenSize), capacity * Padded(mostPart)));
        _partials = [.. backends.Select(backend => _gather is null
            ? backend.CreateShared(tokenCapacity, config.HiddenSize, backends)
            : backend.CreateTensor(tokenCapacity, config.HiddenSize))];
        // In the host's memory all ranks have one residual, and each adds up a part; on devices each has its
        // own, and adds up all of it.
        _residuals = new Tensor[backends[0].Memory == MemoryDomain.Host ? 1 : count];
        for (int rank = 0; rank < _residuals.Length; rank++)
            _residuals[rank] = backends[rank].CreateTensor(tokenCapacity, config.HiddenSize);
        _logits = _gather is null
            ? backends[0].CreateShared(capacity, config.HeadRows, backends)
            : backends[0].CreateTensor(capacity, config.HeadRows);
        _logitParts = _gather is null
            ? [] : [.. backends.Select(backend => backend.CreateTensor(capacity, mostPart))];
        if (!DrawsAreShared)
            return;
        foreach (IBackend backend in backends)
            backend.ShareDraws(backends);
    }

    /// <summary>Every rank can read what rank 0 drew without the host.</summary>
    public bool DrawsAreShared => _gather is null;

    /// <summary>Where a rank puts its part of a product [tokens, hidden].</summary>
    public Tensor Partial(int rank) => _partials[rank];

    /// <summary>The residual as one rank sees it [tokens, hidden].</summary>
    public Tensor ViewResidual(int rank)
    {
        Tensor residual = _residuals[_residuals.Length == 1 ? 0 : rank];
        return residual.View(0, residual.Columns);
    }

    /// <summary>Logits as one rank sees them [rows, head rows].</summary>
    public Tensor ViewLogits() => _logits.View(0, _logits.Columns);

    /// <summary>Where a rank puts its logits [rows, its head rows].</summary>
    public Tensor ViewLogits(int rank)
    {
        (int first, int count) = _headParts[rank];
        return _gather is null ? _logits.View(first, count) : _logitParts[rank].View(0, count);
    }

    /// <summary>All ranks have called for their logits; rank 0 has all of them on return.</summary>
    /// <param name="rank">The caller's.</param>
    /// <param name="rows">How many rows.</param>
    public void JoinLogits(int rank, int rows)
    {
        if (_gather is null)
        {
            Meet(rank);
            return;
        }
        _barrier.Meet();
        _logitParts[rank].SetRows(rows);
        _gather.Join(rank, _logitParts[rank], _logits, _headParts, _isBroken);
    }

    /// <summary>A rank begins a step: it may read what rank 0 drew in the last one.</summary>
    public void Begin(int rank)
    {
        if (rank > 0)
            _backends[rank].Follow(_backends[0]);
    }

    /// <summary>A rank has called all ops of a step.</summary>
    public void End(int rank)
    {
        if (rank == 0)
            _backends[rank].Publish();
    }

    /// <summary>
    /// Waits for all ranks; what they called before comes before what the caller calls next.
    /// </summary>
    /// <param name="rank">The caller's.</param>
    /// <exception cref="BackendException">One of them has failed.</exception>
    public void Meet(int rank)
    {
        _backends[rank].Publish();
        _barrier.Meet();
        Follow(rank);
    }

    /// <summary>
    /// Adds the partial products of all ranks, and a bias, to the residual; each rank some of the columns.
    /// </summary>
    /// <param name="rank">The caller's.</param>
    /// <param name="bias">[1, hidden], or null.</param>
    /// <param name="residual">The caller's view; whole on return.</param>
    public void Add(int rank, Tensor? bias, Tensor residual)
    {
        if (_gather is not null)
        {
            _barrier.Meet();
            _gather.Add(rank, _partials[rank], bias, residual, _isBroken);
            return;
        }
        WeightShard shard = _residuals.Length == 1 ? new(rank, _partials.Length) : WeightShard.Whole;
        (int first, int count) = shard.PartOf(residual.Columns, SumUnitColumns);
        Meet(rank);
        _backends[rank].AddPartials(_partials, bias, residual, first, count);
        Meet(rank);
    }

    /// <summary>A rank has failed: the others leave the step where they next meet.</summary>
    public void Break() => _barrier.Break();

    /// <summary>Every rank has left the failed step.</summary>
    public void Mend()
    {
        _barrier.Mend();
        _gather?.Mend();
        foreach (IBackend backend in _backends)
            backend.Publish();
        for (int rank = 0; rank < _backends.Count; rank++)
            Follow(rank);
    }

    public void Dispose()
    {
        foreach (Tensor partial in _partials)
            partial.Dispose();
        foreach (Tensor residual in _residuals)
            residual.Dispose();
        _logits.Dispose();
        foreach (Tensor part in _logitParts)
            part.Dispose();
        _gather?.Dispose();
    }

    // Elements of a tensor's row, the gap to the next one included.
    private static long Padded(int columns) => (columns + 15) / 16 * 16;

    private void Follow(int rank)
    {
        for (int other = 0; other < _backends.Count; other++)
        {
            if (other != rank)
                _backends[rank].Follow(_backends[other]);
        }
    }
}

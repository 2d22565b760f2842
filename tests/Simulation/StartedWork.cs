namespace PdEngine.Tests;

/// <summary>
/// A batch that a runner has started and not finished, as it was then: until its end nobody may change what
/// it reads, or give away what it reads or writes.
/// </summary>
internal sealed class StartedWork
{
    private readonly FakeKvMemory _memory;
    private readonly int[] _generations;
    private readonly ulong _inputs;
    private readonly ulong _kv;

    public StartedWork(ForwardBatch batch, FakeKvMemory memory, int epoch)
    {
        Batch = batch;
        Epoch = epoch;
        _memory = memory;
        _generations = new int[batch.Attention.BlockCount];
        for (int i = 0; i < _generations.Length; i++)
            _generations[i] = memory.Pool.Generation(batch.Attention.Blocks[i]);
        _inputs = HashInputs();
        _kv = HashKv();
    }

    public ForwardBatch Batch { get; }

    /// <summary>Number of the weights that it is computed with.</summary>
    public int Epoch { get; }

    /// <summary>Fails where something that it needs is not as it was.</summary>
    /// <param name="epoch">Number of the weights of now.</param>
    public void CheckUntouched(int epoch)
    {
        Check.That(epoch == Epoch);
        Check.That(HashInputs() == _inputs);
        for (int i = 0; i < _generations.Length; i++)
        {
            int block = Batch.Attention.Blocks[i];
            Check.That(_memory.Pool.Generation(block) == _generations[i]);
            Check.That(_memory.Pool.ReferenceCount(block) > 0);
        }
        Check.That(HashKv() == _kv);
    }

    private ulong HashInputs()
    {
        ulong hash = FakeModel.Fold(FakeModel.Start, Batch.TokenIds);
        hash = FakeModel.Fold(FakeModel.Fold(hash, Batch.Attention.Blocks), Batch.WantedTokens);
        foreach (AttentionSlice slice in Batch.Attention.Slices)
            hash = FakeModel.Fold(FakeModel.Fold(hash, slice.Start), slice.QueryCount);
        SampleBatch samples = Batch.Samples;
        foreach (ref readonly SampleRow row in samples.Rows)
            hash = FakeModel.Fold(FakeModel.Fold(hash, row.Position), row.LogitsRow);
        return FakeModel.Fold(FakeModel.Fold(hash, samples.History), samples.Suppressed);
    }

    /// <summary>Of the positions that are computed, also by the batch before.</summary>
    private ulong HashKv()
    {
        ulong hash = FakeModel.Start;
        int pageSize = _memory.Pool.PageSize;
        foreach (AttentionSlice slice in Batch.Attention.Slices)
        {
            int computed = slice.Start - (Batch.TokenIds[slice.FirstToken] < 0 ? 1 : 0);
            for (int position = 0; position < computed; position++)
            {
                int block = Batch.Attention.Blocks[slice.FirstBlock + (position / pageSize)];
                hash = FakeModel.Fold(hash, _memory.Read(block, position % pageSize));
            }
        }
        return hash;
    }
}

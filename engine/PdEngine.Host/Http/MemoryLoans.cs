namespace PdEngine.Host;

/// <summary>
/// Which memory each service has on loan. Callers take it back part by part; a service goes on once all of
/// it is back.
/// </summary>
internal sealed class MemoryLoans(IEnumerable<EngineModel> models, WeightBuckets buckets)
{
    private readonly Dictionary<EngineModel, Loan> _loans =
        models.ToDictionary(model => model, _ => new Loan());

    public async Task ReleaseAsync(EngineModel model, IReadOnlySet<string> tags)
    {
        Loan loan = _loans[model];
        await loan.Turn.WaitAsync().ConfigureAwait(false);
        try
        {
            LoanedMemory what = (tags.Contains(MemoryTags.Weights) ? LoanedMemory.Weights : 0)
                | (tags.Contains(MemoryTags.KvCache) ? LoanedMemory.KvCache : 0);
            if (what != LoanedMemory.None)
                await model.ReleaseMemoryAsync(what).ConfigureAwait(false);
            loan.Away.UnionWith(tags);
            if (what.HasFlag(LoanedMemory.Weights))
                buckets.Drop(model);
        }
        finally
        {
            loan.Turn.Release();
        }
    }

    /// <summary>Takes parts back.</summary>
    /// <returns>Those that were away and are back, and those that still are away.</returns>
    public async Task<(IReadOnlySet<string> Back, IReadOnlySet<string> Away)> ResumeAsync(
        EngineModel model, IReadOnlySet<string> tags)
    {
        Loan loan = _loans[model];
        await loan.Turn.WaitAsync().ConfigureAwait(false);
        try
        {
            HashSet<string> left = [.. loan.Away.Except(tags)];
            // Graphs are none of the memory that the service waits for.
            bool wasAway = loan.Away.Any(MemoryTags.IsMemory);
            if (wasAway && !left.Any(MemoryTags.IsMemory))
            {
                if (buckets.StateOf(model) is { } state)
                {
                    throw new WeightUpdateException(
                        $"{state}: push the rest before the service resumes, or release the weights again to "
                        + "begin anew");
                }
                await model.ResumeMemoryAsync().ConfigureAwait(false);
            }
            HashSet<string> back = [.. loan.Away.Except(left)];
            loan.Away.Clear();
            loan.Away.UnionWith(left);
            return (back, left);
        }
        finally
        {
            loan.Turn.Release();
        }
    }

    private sealed class Loan
    {
        public SemaphoreSlim Turn { get; } = new(1, 1);

        public HashSet<string> Away { get; } = [];
    }
}

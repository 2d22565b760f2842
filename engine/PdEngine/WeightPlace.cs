namespace PdEngine;

/// <summary>One rank's share of a model's weights, in the memory of one device.</summary>
/// <param name="RankCount">Ranks that share the model.</param>
/// <param name="Rank">From 0.</param>
/// <param name="Backend">Any of that memory; takes the weights in.</param>
internal readonly record struct WeightPlace(int RankCount, int Rank, IBackend Backend)
{
    /// <summary>What tells it from others: devices of one memory share weights.</summary>
    public (int RankCount, int Rank, MemoryDomain Memory) Key => (RankCount, Rank, Backend.Memory);
}

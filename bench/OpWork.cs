namespace PdEngine.Bench;

/// <summary>
/// FLOPs and bytes of single ops. Products and attention count what must come from memory, weights or K and
/// V; the small ops count the activations that they read and write, which lie in caches.
/// </summary>
internal static class OpWork
{
    public static double Bytes(Tensor tensor) => 4.0 * tensor.Rows * tensor.Columns;

    public static double MatMulFlops(int rows, Matrix weight) => 2.0 * rows * weight.Rows * weight.Columns;

    /// <summary>Q Kᵀ and P V over the causal pairs; exponentials count nothing.</summary>
    public static double AttentionFlops(AttentionShape shape, AttentionBatch batch)
    {
        double pairs = 0;
        foreach (AttentionSlice slice in batch.Slices)
        {
            double count = slice.QueryCount;
            pairs += (count * slice.Start) + (count * (count + 1) / 2);
        }
        return 4 * pairs * shape.QueryColumns;
    }

    /// <summary>K and V of every sequence once, in bf16.</summary>
    public static double AttentionBytes(AttentionShape shape, AttentionBatch batch)
    {
        double positions = 0;
        foreach (AttentionSlice slice in batch.Slices)
            positions += slice.Start + slice.QueryCount;
        return 4 * positions * shape.KvColumns;
    }

    /// <summary>q is read and written, k and v are read and written in bf16.</summary>
    public static double AppendBytes(int tokens, AttentionShape shape) =>
        tokens * ((8.0 * shape.QueryColumns) + (12.0 * shape.KvColumns));
}
